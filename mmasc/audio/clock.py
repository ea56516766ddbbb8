"""When and where a recording was made: from a pattern of the user, from what the recorder wrote into it, from its name.

The first of these that says a time counts: the pattern; GUANO, wamd or the comment of an AudioMoth; the name; bext,
which many programs overwrite with the time of an export. Where name and recorder differ by more than a few seconds, it
is said. Everything else (site, serial number, temperature ...) is taken from the first that says it, in this order too.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mmasc.audio.clock_chunks import Noted, chunks_of_file
from mmasc.audio.clock_names import NamedClock, clock_of_name, numbers_are_times, with_trust_in_numbers
from mmasc.audio.clock_parts import RecorderFacts, Wall, in_zone, zone_of
from mmasc.audio.clock_patterns import Pattern, read_pattern
from mmasc.remote.paths import as_path

SOURCES = ("pattern", "guano", "wamd", "audiomoth", "name", "bext")
DISAGREEING_SECONDS = 5.0


@dataclass(frozen=True)
class ClockRules:
    """How clocks are read.

    Attributes:
        pattern: That of the user; None for none. See `mmasc.audio.clock_patterns`.
        zone: Zone of the place; None where nobody says it. Clocks with an offset are turned into it, clocks without are
            taken to be in it.
    """

    pattern: Pattern | None = None
    zone: timezone | ZoneInfo | None = None

    @classmethod
    def of(cls, pattern: str | None = None, timezone: str | None = None) -> "ClockRules":
        """Those of a pattern and a zone as users write them.

        Raises:
            MmascError: If one of them cannot be read.
        """
        return cls(None if pattern is None else read_pattern(pattern), None if timezone is None else zone_of(timezone))


@dataclass(frozen=True)
class Clock(RecorderFacts):
    """What is known of a recording's begin, in the zone of the rules, and of its recorder.

    Attributes:
        source: Which of `SOURCES` says when it began; "" for none.
        named: What its name says.
        apart: Seconds between the times of name and recorder, where both say one and they differ; else 0.
        misfit: Whether the pattern of the user does not fit the name.
    """

    source: str = ""
    named: NamedClock = field(default_factory=NamedClock)
    apart: float = 0.0
    misfit: bool = False


class ClockReader:
    """Reads the clocks of files that belong together: one name alone may look like a time that is none.

    Args:
        rules: How clocks are read.
        names: Names of all files.
    """

    def __init__(self, rules: ClockRules, names: Sequence[str]) -> None:
        self._rules = rules
        self._trusted = numbers_are_times(names)

    def read(self, path: str | Path, notes: Sequence[Noted] | None = None) -> Clock:
        """What a file says; nothing is decoded, and a file that cannot be read still has a name.

        Args:
            path: The file, with the folders above it.
            notes: What its chunks say, where that has been read.
        """
        path = as_path(path)
        if notes is None:
            try:
                notes = chunks_of_file(path)
            except OSError:  # embedding it says why
                notes = []
        named = with_trust_in_numbers(clock_of_name(path.name), self._trusted)
        pattern = self._rules.pattern
        fits = None if pattern is None else pattern.read(path.stem, path.parts[:-1])
        read, parts = fits or (None, {})
        times: list[tuple[str, Wall | None]] = [("pattern", read)]
        times += [(one.source, one.wall) for one in notes if one.source != "bext"]
        times += [("name", named.wall), *((one.source, one.wall) for one in notes if one.source == "bext")]
        source, wall = next(((name, wall) for name, wall in times if wall is not None), ("", None))
        said = {
            name: _first(parts.get(name), *(getattr(one, name) for one in notes), getattr(named, name, None) or None)
            for name in ("site", "recorder", "serial", "temperature", "gain", "latitude", "longitude")
        }
        zone = self._rules.zone
        return Clock(
            source,
            wall=in_zone(wall, zone) if wall is not None and zone is not None else wall,
            **said,
            named=named,
            apart=_apart(read or named.wall, notes),
            misfit=pattern is not None and fits is None,
        )


def read_clock(path: str | os.PathLike[str], rules: ClockRules | None = None) -> Clock:
    """What one file says of its begin and its recorder; see `ClockReader`."""
    path = as_path(path)
    return ClockReader(rules or ClockRules(), [path.name]).read(path)


def _apart(wall: Wall | None, notes: Sequence[Noted]) -> float:
    if wall is None:
        return 0.0
    apart = max((wall.seconds_from(one.wall) for one in notes if one.wall is not None), default=0.0)
    return apart if apart > DISAGREEING_SECONDS else 0.0


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
