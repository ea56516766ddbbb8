"""Patterns of users that read the start and the place of a recording from its name, and from the folders above it.

A pattern is the whole name without its ending. Digits of a time are written as in strptime: %Y (2023), %y (23), %m, %d,
%j (day of the year), %H, %I with %p (4 AM), %M, %S, %f (a fraction of a second), %s (seconds since 1970), %z (+02:00,
+0200, Z) and %b (May); {site}, {recorder} and {serial} are texts to keep; * is anything; %%, ** and {{ are the signs
themselves. With / in it, a pattern is also that of the folders: "{site}/*/%Y%m%d_%H%M%S".
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mmasc.audio.clock_parts import Wall, offset_of, wall_of, wall_of_unix
from mmasc.errors import MmascError

_PARTS = ("site", "recorder", "serial")
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "j": r"\d{3}", "H": r"\d{1,2}", "I": r"\d{1,2}",
    "p": r"[AaPp]\.?[Mm]\.?", "M": r"\d{1,2}", "S": r"\d{1,2}", "f": r"\d{1,6}", "s": r"\d{9,10}(?:\.\d{1,6})?",
    "z": r"Z|[+-]\d{1,2}(?::?\d{2})?", "b": r"[A-Za-z]{3}",
}  # fmt: skip
# Narrow fields have two digits where digits follow directly
_NARROW, _TWO_DIGITS = "mdHIMS", r"\d{2}"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MOST_WILD, _LONGEST = 8, 300
_TOKEN = re.compile(r"%%|\*\*|\{\{|\}\}|%(?P<directive>.)?|\*|\{(?P<part>[^{}]*)\}|(?P<bad>[{}])|[^%*{}]+")


@dataclass(frozen=True)
class Pattern:
    """A pattern, ready to read names.

    Attributes:
        text: As it was given.
        depth: Folders that it names above the file.
        tells_time: Whether it reads a time, or parts like the site only.
    """

    text: str
    depth: int
    tells_time: bool
    expression: re.Pattern[str] = field(repr=False)

    def read(self, stem: str, folders: tuple[str, ...] = ()) -> "tuple[Wall | None, dict[str, str]] | None":
        """The time and the parts of a name; None where it does not fit.

        Args:
            stem: Name of the file without its ending.
            folders: Names of the folders above it, outermost first; only the last `depth` are looked at.
        """
        if len(folders) < self.depth:
            return None
        above = folders[len(folders) - self.depth :]
        found = self.expression.fullmatch("/".join([*above, stem])[-4 * _LONGEST :])
        if found is None:
            return None
        said = {name: value for name, value in found.groupdict().items() if value is not None}
        wall = _wall(said) if self.tells_time else None
        if self.tells_time and wall is None:
            return None
        return wall, {name: said[name].strip() for name in _PARTS if said.get(name, "").strip()}


def read_pattern(text: str) -> Pattern:
    """A pattern as users write it.

    Raises:
        MmascError: If it has a directive or a part that does not exist, twice the same, or not enough for a time.
    """
    if not text or len(text) > _LONGEST:
        raise _bad(text[:80], f"it must have 1 to {_LONGEST} characters")
    tokens = list(_TOKEN.finditer(text))
    expression, names, wild = "", list[str](), 0
    for previous, token, following in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        sign, directive, part = token[0], token["directive"], token["part"]
        if sign in ("%%", "**", "{{", "}}"):
            expression += re.escape(sign[0])
        elif sign == "*":
            wild += 1
            expression += "[^/]*"
        elif sign.startswith("%"):
            if directive not in _DIRECTIVES:
                raise _bad(text, f"there is no {sign}; there are {', '.join('%' + one for one in _DIRECTIVES)}")
            names.append(directive)
            narrow = directive in _NARROW and (_is_digits(previous) or _is_digits(following))
            digits = f"(?P<{directive}>{_TWO_DIGITS if narrow else _DIRECTIVES[directive]})"
            # What is anything ends where the digits begin, or they could be read in several ways
            expression += (
                ("(?<!\\d)" if _is_free(previous) else "") + digits + ("(?!\\d)" if _is_free(following) else "")
            )
        elif part is not None:
            if part not in _PARTS:
                raise _bad(text, f"there is no {sign}; there are {', '.join('{' + one + '}' for one in _PARTS)}")
            wild += 1
            names.append(part)
            expression += f"(?P<{part}>[^/]+?)"
        elif token["bad"]:
            raise _bad(text, f"{sign} stands alone; write {sign * 2} for the sign itself")
        else:
            expression += re.escape(sign)
    _check(text, names, wild)
    tells_time = any(name in _DIRECTIVES for name in names)
    return Pattern(text, text.count("/"), tells_time, re.compile(expression))


def _is_digits(token: re.Match[str] | None) -> bool:
    return token is not None and token["directive"] is not None and token[0] != "%%"


def _is_free(token: re.Match[str] | None) -> bool:
    return token is not None and (token[0] == "*" or token["part"] is not None)


def _check(text: str, names: list[str], wild: int) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise _bad(text, f"{'%' if twice[0] in _DIRECTIVES else ''}{twice[0]} occurs twice")
    if wild > _MOST_WILD:
        raise _bad(text, f"it has more than {_MOST_WILD} times * or a part in braces")
    if not names:
        raise _bad(text, "it reads nothing; give directives like %Y%m%d_%H%M%S or parts like {site}")
    has = set(names)
    if not has & set(_DIRECTIVES) or "s" in has:
        return
    date = has & {"Y", "y"} and ("j" in has or ("d" in has and has & {"m", "b"}))
    hour = "H" in has or {"I", "p"} <= has
    if not date or not hour:
        missing = "a date (%Y or %y, %m, %d)" if not date else "an hour (%H, or %I with %p)"
        raise _bad(text, f"it lacks {missing}")


def _bad(text: str, why: str) -> MmascError:
    return MmascError(f"cannot read the pattern {text!r}: {why}")


def _wall(said: dict[str, str]) -> Wall | None:
    offset = offset_of(said["z"]) if "z" in said else None
    if "z" in said and offset is None:
        return None
    if "s" in said:
        return wall_of_unix(float(said["s"]))
    year = int(said["Y"]) if "Y" in said else 2000 + int(said["y"])
    hour = int(said.get("H", said.get("I", "0")))
    if "H" not in said:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if said["p"][0] in "Pp" else 0)
    month, day, extra = int(said.get("m", "1")), int(said.get("d", "1")), timedelta()
    if "b" in said:
        if said["b"].lower() not in _MONTHS:
            return None
        month = _MONTHS.index(said["b"].lower()) + 1
    if "j" in said:
        if not 1 <= int(said["j"]) <= 366:
            return None
        month, day, extra = 1, 1, timedelta(days=int(said["j"]) - 1)
    micro = int(said.get("f", "0").ljust(6, "0"))
    wall = wall_of([year, month, day, hour, int(said.get("M", "0")), int(said.get("S", "0"))], micro, offset)
    return None if wall is None else _moved(wall, extra)


def _moved(wall: Wall, extra: timedelta) -> Wall | None:
    time: datetime = wall.time + extra
    return Wall(time, wall.offset) if time.year == wall.time.year else None
