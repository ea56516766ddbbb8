"""Text for people: names of others made safe for a terminal, values for JSON, and numbers of things in words.

Characters that would move the cursor of a terminal, or reverse its text, are escaped.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# joiners and soft hyphens belong to words and change nothing but them
_HARMLESS = frozenset("\u00ad\u200c\u200d")
_PLAIN = re.compile(r"[ -~]*")


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: "1 window", "2 windows".

    Args:
        number: How many.
        one: What one of them is called.
        many: What several (or none) are called; default: `one` with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def printable(text: object, keep: str = "") -> str:
    """A text in one line without control signs: they, line ends and signs that turn text around become escapes (\\x1b).

    Args:
        text: Anything; bytes of file names that are not UTF-8 become \\xff.
        keep: Control signs to keep.
    """
    whole = str(text)
    if _PLAIN.fullmatch(whole):
        return whole
    return "".join(sign if sign in keep or not _unsafe(sign) else _escaped(sign) for sign in whole)


def printable_json(line: str) -> str:
    """The same for JSON, which has escapes of its own; it stays JSON of the same value."""
    return "".join(
        f"\\u{ord(sign):04x}" if sign != "\n" and ord(sign) < 1 << 16 and _unsafe(sign) else sign for sign in line
    )


def plain(value: Any) -> Any:
    """The same value in types of JSON; NaN and infinity, which JSON has no words for, become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and callable(value.item):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _unsafe(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in _HARMLESS


def _escaped(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":
        return f"\\x{ord(sign) - 0xDC00:02x}"  # a byte of a file name
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
