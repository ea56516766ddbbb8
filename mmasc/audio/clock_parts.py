"""The time at which a recording began, as its recorder wrote it: a wall clock, and its distance from UTC if known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

from mmasc.errors import MmascError

# Years that a recording on a disk can be of
_FIRST_YEAR, _LAST_YEAR = 1980, 2069
_FARTHEST = timedelta(hours=14)
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")


@dataclass(frozen=True)
class Wall:
    """A wall clock.

    Attributes:
        time: What the clock showed, without a zone.
        offset: How far it was ahead of UTC; None where nobody says it.
    """

    time: datetime
    offset: timedelta | None = None

    @property
    def offset_text(self) -> str | None:
        """The offset as "+02:00"; None where it is not known."""
        return None if self.offset is None else offset_text(self.offset)

    def seconds_from(self, other: "Wall") -> float:
        """How far two clocks are apart, in seconds: in UTC where both say it, else by what they showed."""
        if self.offset is None or other.offset is None:
            return abs((self.time - other.time).total_seconds())
        return abs(((self.time - self.offset) - (other.time - other.offset)).total_seconds())


@dataclass(frozen=True, kw_only=True)
class RecorderFacts:
    """What names and chunks tell of a recording; None where nothing says it.

    Attributes:
        wall: When it began.
        site: Name of the place, as the owner set it.
        recorder: Make and model.
        serial: Serial number.
        temperature: In degrees Celsius.
        gain: As the recorder words it.
        latitude, longitude: In degrees, WGS84.
    """

    wall: Wall | None = None
    site: str | None = None
    recorder: str | None = None
    serial: str | None = None
    temperature: float | None = None
    gain: str | None = None
    latitude: float | None = None
    longitude: float | None = None


def wall_of(parts: Sequence[int], microsecond: int = 0, offset: timedelta | None = None) -> Wall | None:
    """A wall clock of year, month, day, hour, minute and second; None if there is no such time, or no recording can be
    of it."""
    year, month, day, hour, minute, second = parts
    if not _FIRST_YEAR <= year <= _LAST_YEAR or (offset is not None and abs(offset) > _FARTHEST):
        return None
    try:
        return Wall(datetime(year, month, day, hour, minute, second, microsecond), offset)
    except ValueError:
        return None


def wall_of_unix(seconds: float) -> Wall | None:
    """A wall clock in UTC of seconds since 1970; None if no recording can be of that time."""
    try:
        time = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
    return Wall(time, timedelta()) if _FIRST_YEAR <= time.year <= _LAST_YEAR else None


def wall_of_iso(text: str) -> Wall | None:
    """A wall clock of a time in ISO 8601, a blank allowed for the T; None if it is none."""
    try:
        time = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        return None
    offset = time.utcoffset()
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR or (offset is not None and abs(offset) > _FARTHEST):
        return None
    return Wall(time.replace(tzinfo=None), offset)


def offset_of(text: str) -> timedelta | None:
    """How far ahead of UTC a text like "+02:00", "+0200", "-5" or "Z" says; None if it is none."""
    if text in ("Z", "z", "UTC"):
        return timedelta()
    found = _OFFSET.fullmatch(text)
    if found is None or int(found[3] or 0) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return None if offset > _FARTHEST else -offset if found[1] == "-" else offset


def offset_text(offset: timedelta) -> str:
    """An offset as "+02:00"."""
    minutes = round(abs(offset).total_seconds() / 60)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def zone_of(name: str) -> timezone | ZoneInfo:
    """A time zone by its name (Europe/Berlin) or its offset (+02:00, UTC).

    Raises:
        MmascError: If there is no such zone.
    """
    offset = offset_of(name)
    if offset is not None:
        return timezone(offset)
    if name not in available_timezones():
        raise MmascError(f"{name!r} is not a time zone; give a name like Europe/Berlin or an offset like +02:00")
    return ZoneInfo(name)


def in_zone(wall: Wall, zone: timezone | ZoneInfo) -> Wall:
    """The same moment as the clocks of a zone show it; a clock without an offset is taken to be one of that zone."""
    if wall.offset is None:
        return Wall(wall.time, wall.time.replace(tzinfo=zone).utcoffset())
    moment = wall.time.replace(tzinfo=timezone(wall.offset)).astimezone(zone)
    return Wall(moment.replace(tzinfo=None), moment.utcoffset())
