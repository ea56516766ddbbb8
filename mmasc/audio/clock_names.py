"""The time at which a recording began, from the name that its recorder gave the file.

Only forms that one recorder or one standard settles are read. Where a name can be read in several ways, or has a date
and no time, nothing is guessed: the reason is given, and the patterns of `clock_patterns` that would read it.

Read are, with anything in front of them except another date:
    20230504_043000, 2023-05-04 04-30-00, 2023-05-04-birdnet-04:30:00 ...  year first, to the second, any separators
        (AudioMoth, Song Meter, Echo Meter, Anabat, Swift, PAMGuard, BirdNET-Pi, phones), with milliseconds, Z, +02:00
    S20230504T043000+1000_E20230504T050000+1000_...   Frontier Labs: start and end
    5CB0B7F4                                          AudioMoth before 2019: seconds since 1970 in hexadecimal
    1683174600, 1683174600000                         seconds or milliseconds since 1970
    5678.230504043000                                 SoundTrap: serial number, then year to second with two digits each
    230504-043000                                     Zoom, named by date
    PAM_230504_043000_123, x_d03_230504_043000        PAMGuard, Triton
    Voice 230504_043000                               Samsung
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from mmasc.audio.clock_parts import Wall, offset_of, wall_of, wall_of_unix

_LONGEST = 255  # characters of a name that are looked at: file systems allow no more
_ENDINGS = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_TIME = re.compile(
    r"(?<!\d)(?=(?P<date>(?P<year>(?:19[89]|20[0-6])\d)(?P<bar>[-_.]?)(?P<month>\d\d)(?P=bar)(?P<day>\d\d))"
    r"(?P<between>T| at |_at_|-birdnet-(?:[A-Za-z]+_?\d*-)?| - |__|--|[-_ .$]|(?<=\d{8}))"
    r"(?P<hour>\d\d?)(?P<colon>[-_.:h\ua789\u2236]?)(?P<minute>\d\d)(?:(?P=colon)|m)(?P<second>\d\d)"
    r"(?P<after>(?!\d).*))",
    re.DOTALL,
)
_FRACTION = re.compile(r"[.,$](\d{3,6})(?!\d)")
_ZONE = re.compile(
    r"[ _]?(Z|UTC)(?![A-Za-z0-9+-])|[ _]?(?:UTC)?([+-]\d{2}:?\d{2}|[+]\d{2})(?!\d)"
    r"|[ _]?UTC([+-]\d{1,2})(?!\d)"
)
_HALF = re.compile(r"[ \u202f\u00a0]?([AaPp])\.?[Mm]\b")
_OTHER_DATE = re.compile(r"(?<!\d)(?:19[89]|20[0-6])\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_DIGITS = re.compile(r"(?<!\d)\d+(?!\d)")
_HEX = re.compile(r"(?:.*[_ -])?([0-9A-F]{8})T?")
_UNIX = re.compile(r"(?:.*[_ -])?(\d{10}|\d{13})")
# Old AudioMoths (from 2016 on) are still in use; a hash in hexadecimal is rarely in between
_FIRST_HEX, _LAST_HEX = 0x56000000, 0x69FFFFFF
_FIRST_UNIX, _LAST_UNIX = 1_230_000_000, 1_950_000_000
_SERIAL = re.compile(r"[0-9A-F]{16}")  # of an AudioMoth
# What recorders and telephones put in front of a date, and what names nothing
_NO_SITES = re.compile(
    r"(new |my )?(recording|rec|record|voice|audio|sound|memo|voice memo|pam|whatsapp audio|ptt|aud|vid|img|zoom|"
    r"tascam|dr|track|take|file|unnamed)[-_ ]?\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NamedClock:
    """What a name says.

    Attributes:
        wall: When the recording began; None where the name does not say it.
        site: What stands in front of the time, where recorders have it from their owners; "" for nothing.
        serial: Serial number of the recorder; "" for nothing.
        why: Why a name with something like a date was not read, as half a sentence; "" otherwise.
        patterns: Patterns that would read such a name.
        number: Whether the time is a number of seconds, which any other number may look like.
    """

    wall: Wall | None = None
    site: str = ""
    serial: str = ""
    why: str = ""
    patterns: tuple[str, ...] = ()
    number: bool = False


def clock_of_name(name: str) -> NamedClock:
    """When a recording began, by the name of its file; no folder is looked at.

    Args:
        name: Name of the file with its ending.
    """
    stem = _ENDINGS.sub("", name)[:_LONGEST]
    for rule in _RULES:
        if (found := rule(stem)) is not None:
            return found
    return _refusal(stem)


def numbers_are_times(names: Iterable[str]) -> bool:
    """Whether all names that are plain numbers of the length of a time can be one: of hashes and ids some cannot."""
    for name in names:
        stem = _ENDINGS.sub("", name)
        if re.fullmatch(r"(?=.*[A-F])[0-9A-F]{8}", stem) and not _FIRST_HEX <= int(stem, 16) <= _LAST_HEX:
            return False
        if re.fullmatch(r"[0-9]{10}", stem) and not _FIRST_UNIX <= int(stem) <= _LAST_UNIX:
            return False
    return True


def _start_and_end(stem: str) -> NamedClock | None:
    """Frontier Labs: S<start>_E<end>_<places>."""
    found = re.match(r"(?P<site>(?:.*_)?)S(?=\d{8}T\d{6})(?P<start>[^_]+)_E\d{8}T\d{6}", stem)
    return None if found is None else _alone(found["start"], found["site"])


def _year_first(stem: str) -> NamedClock | None:
    return _alone(stem, None)


def _alone(stem: str, site: str | None) -> NamedClock | None:
    """The one time in a name that has its year in front."""
    found = [(one, wall) for one in _TIME.finditer(stem) if (wall := _wall(one)) is not None]
    if not found:
        return None
    if len({wall for _, wall in found}) > 1:
        return NamedClock(why="it contains two times", patterns=_written(stem, [one for one, _ in found]))
    match, wall = found[0]
    rest = stem[: match.start()] + " " + match["after"]
    others = {re.sub(r"\D", "", one[0]) for one in _OTHER_DATE.finditer(rest)}
    if others - {f"{wall.time:%Y%m%d}"}:
        return NamedClock(why="it contains two dates", patterns=_written(stem, [match]))
    before = stem[: match.start()] if site is None else site
    plain = match["bar"] == "" and match["between"] in ("_", "$", "T", "-")
    site = _site(before) if plain else ""
    serial = before.strip("_- ") if _SERIAL.fullmatch(before.strip("_- ")) else ""
    return NamedClock(wall, "" if serial else site, serial)


def _wall(match: re.Match[str]) -> Wall | None:
    hour, after = int(match["hour"]), match["after"]
    if half := _HALF.match(after):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[1] in "Pp" else 0)
    elif len(match["hour"]) < 2:
        return None
    micro = 0
    if fraction := _FRACTION.match(after):
        micro, after = int(fraction[1].ljust(6, "0")), after[fraction.end() :]
    elif milli := re.match(r"_(\d{3})(?!\d)", after):
        # Elsewhere three digits count the files
        if re.match(r"PAM", match.string, re.IGNORECASE) or re.search(r"_\d\+\d_$", match.string[: match.start()]):
            micro = int(milli[1]) * 1000
        after = after[milli.end() :]
    offset = None
    if zone := _ZONE.match(after):
        offset = offset_of(zone[1] or zone[2] or zone[3])
        if offset is None or offset.total_seconds() % 900:
            offset = None
    elif match["between"] == "T" and (hours := re.match(r"(-\d{2})(?!\d)", after)):
        offset = offset_of(hours[1])
    parts = [int(match[part]) for part in ("year", "month", "day")]
    return wall_of([*parts, hour, int(match["minute"]), int(match["second"])], micro, offset)


def _site(before: str) -> str:
    """What Song Meters and others have in front of the time, without the channels."""
    site = re.sub(r"(_0\+1|__[01]_?)?[_ -]*$", "", before).strip("_- ")
    return "" if _NO_SITES.fullmatch(site) or not re.search(r"[^\W_]", site) else site


def _hexadecimal(stem: str) -> NamedClock | None:
    found = _HEX.fullmatch(stem)
    if found is None or found[1].isdecimal() or not _FIRST_HEX <= int(found[1], 16) <= _LAST_HEX:
        return None
    site = _site(stem[: found.start(1)])
    return NamedClock(wall_of_unix(int(found[1], 16)), site, number=True)


def _unix(stem: str) -> NamedClock | None:
    found = _UNIX.fullmatch(stem)
    if found is None:
        return None
    seconds = int(found[1]) / (1000 if len(found[1]) == 13 else 1)
    if not _FIRST_UNIX <= seconds <= _LAST_UNIX:
        return None
    digits = [int(found[1][place : place + 2]) for place in range(0, 10, 2)]
    if len(found[1]) == 10 and wall_of([2000 + digits[0], *digits[1:], 0]) is not None:
        return NamedClock(why="it can be seconds since 1970 or a date", patterns=("*%s", "%y%m%d%H%M"))
    return NamedClock(wall_of_unix(seconds), _site(stem[: found.start(1)]), number=True)


def _short(expression: str, serial: bool = False) -> Callable[[str], NamedClock | None]:
    """A recorder whose names have years of two digits in front: twelve digits, in two groups or one."""
    pattern = re.compile(expression)

    def read(stem: str) -> NamedClock | None:
        found = pattern.fullmatch(stem)
        if found is None:
            return None
        parts = [int(found["time"].replace(found["bar"], "")[place : place + 2]) for place in range(0, 12, 2)]
        micro = int(found["milli"]) * 1000 if "milli" in pattern.groupindex and found["milli"] else 0
        offset = timedelta() if "zone" in pattern.groupindex and found["zone"] else None
        wall = wall_of([2000 + parts[0], *parts[1:]], micro, offset)
        if wall is None:
            return None
        return NamedClock(wall, serial=found["serial"] if serial else "")

    return read


_RULES: list[Callable[[str], NamedClock | None]] = [
    _start_and_end,
    _short(r"(?:.*[._ -])?(?P<serial>\d{3,10})\.(?P<time>\d{12})(?P<bar>)(?P<zone>Z?)", serial=True),
    _year_first,
    _hexadecimal,
    _short(r"(?P<time>\d{6}(?P<bar>-)\d{6})(?:[_-]\d{1,4}|[_-]?Tr[\w-]*|_[LMRS]\w*)?"),
    _short(r"PAM.*?_(?P<time>\d{6}(?P<bar>_)\d{6})(?:_(?P<milli>\d{3}))?"),
    _short(r".*_d\d\d_(?P<time>\d{6}(?P<bar>_)\d{6})(?:\..*)?"),
    _short(r"Voice (?P<time>\d{6}(?P<bar>_)\d{6})(?: ?\(\d+\))?"),
    _unix,
]


def _refusal(stem: str) -> NamedClock:
    """Why a name with something like a date in it was not read."""
    groups = list(_DIGITS.finditer(stem))
    for place, first in enumerate(groups):
        second = groups[place + 1] if place + 1 < len(groups) else None
        readings = _dates(first[0])
        if not readings:
            continue
        between = stem[first.end() : second.start()] if second is not None else ""
        time = second is not None and 0 < len(between) <= 4 and len(second[0]) in (4, 6)
        clocks = [f"%H%M{'%S' if second is not None and len(second[0]) == 6 else ''}"] if time else []
        if time and second is not None and _is_time(second[0]):
            front = "*" if first.start() else ""
            behind = "*" if second.end() < len(stem) else ""
            why = "its date can be read in several ways" if len(readings) > 1 or len(second[0]) == 6 else (
                f"{second[0]} behind the date can be a time or a number"
            )  # fmt: skip
            written = tuple(f"{front}{date}{_literal(between)}{clock}{behind}" for date in readings for clock in clocks)
            return NamedClock(why=why, patterns=written)
    alone = re.match(r"\d{6}[_-]\d{3,4}(?!\d)", stem) and _dates(stem[:6])
    if alone or any(len(one[0]) == 8 and _dates(one[0]) for one in groups) or _OTHER_DATE.search(stem):
        return NamedClock(why="it has a date and no time of day")
    return NamedClock()


def _dates(digits: str) -> list[str]:
    """Directives that read some digits as a date."""
    forms = {
        6: [("%y%m%d", (0, 2, 4)), ("%d%m%y", (4, 2, 0)), ("%m%d%y", (4, 0, 2))],
        8: [("%Y%m%d", (0, 4, 6)), ("%d%m%Y", (4, 2, 0)), ("%m%d%Y", (4, 0, 2))],
    }.get(len(digits), [])
    readings = []
    for form, (year, month, day) in forms:
        of_year = int(digits[year : year + 4]) if len(digits) == 8 else 2000 + int(digits[year : year + 2])
        parts = int(digits[month : month + 2]), int(digits[day : day + 2])
        if wall_of([of_year, *parts, 0, 0, 0]) is not None:
            readings.append(form)
    return readings


def _is_time(digits: str) -> bool:
    parts = [int(digits[place : place + 2]) for place in range(0, len(digits), 2)]
    return parts[0] < 24 and all(part < 60 for part in parts[1:])


def _literal(text: str) -> str:
    """A text as it stands in a pattern."""
    return re.sub(r"[%*{}]", lambda sign: sign[0] * 2, text)


def _written(stem: str, matches: list[re.Match[str]]) -> tuple[str, ...]:
    """Patterns that take one of several times in a name."""
    patterns = []
    for match in matches:
        bar, colon = match["bar"], match["colon"]
        form = f"%Y{bar}%m{bar}%d{_literal(match['between'])}%H{colon}%M{colon}%S"
        front, behind = "*" if match.start() else "", "*" if match["after"] else ""
        patterns.append(f"{front}{form}{behind}")
    return tuple(dict.fromkeys(patterns))


def with_trust_in_numbers(found: NamedClock, trusted: bool) -> NamedClock:
    """What a name says, where numbers of its neighbours cannot be times: nothing, if it is a number."""
    if not found.number or trusted:
        return found
    return replace(NamedClock(), why="other files here have numbers that cannot be times", patterns=())
