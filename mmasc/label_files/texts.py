"""Numbers and words fit for tables that have tabs between their values and no quotes."""

import math
import re
from decimal import Decimal

from mmasc.errors import MmascError

# Characters that end a field or a line in such tables
_SEPARATORS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_DECIMALS = 6


def seconds_text(seconds: float, decimals: int | None = None) -> str:
    """A number without exponent: with that many decimals, or with six, or as many as read back exactly.

    Raises:
        MmascError: If it is not finite.
    """
    if not math.isfinite(seconds):
        raise MmascError("this format needs the end of each label; use csv or jsonl for labels of whole recordings")
    text = f"{seconds:.{_DECIMALS if decimals is None else decimals}f}"
    return text if decimals is not None or float(text) == seconds else format(Decimal(repr(float(seconds))), "f")


def fits_a_line(text: str) -> bool:
    """Whether a text can stand in such a table."""
    return cell(text) == text


def cell(text: str) -> str:
    """The text with blanks for what would end a field or a line."""
    return _SEPARATORS.sub(" ", text)
