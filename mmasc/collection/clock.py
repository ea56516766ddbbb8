"""Clocks in the table of recordings: when and where each was made, and what its recorder wrote about itself.

Columns are made only where something is known. A column of one of these names in which users keep anything of their
own is theirs as a whole: it is never written. What mmasc itself wrote is noted next to it (`CLOCK_NOTE`), so that it
can be distinguished from values of users, and be renewed.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.audio.clock import Clock, ClockReader, ClockRules
from mmasc.audio.clock_parts import wall_of_iso
from mmasc.collection.metadata import metadata_table
from mmasc.collection.stamps import CLOCK_NOTE
from mmasc.collection.store import Store
from mmasc.errors import show_path
from mmasc.printing import counted
from mmasc.remote.addresses import place_of
from mmasc.storage.texts import parse_json

# recorded_at is the wall clock at the place; temperature in degrees Celsius, latitude and longitude in degrees (WGS84)
CLOCK_TYPES: dict[str, pa.DataType] = {
    "recorded_at": pa.timestamp("us"),
    "utc_offset": pa.string(),
    "site": pa.string(),
    "recorder": pa.string(),
    "serial": pa.string(),
    "temperature": pa.float64(),
    "gain": pa.string(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
}
_TIME_COLUMNS = ("recorded_at", "utc_offset")


def clock_at(recorded_at: datetime | None, seconds: float) -> str:
    """The clock at some seconds of a recording, as "2024-05-01 04:13:20"; "" where its begin is not known.

    Args:
        recorded_at: When the recording began; the column `recorded_at`.
        seconds: From its begin on; whole seconds are shown.
    """
    return "" if recorded_at is None else f"{recorded_at + timedelta(seconds=float(seconds)):%Y-%m-%d %H:%M:%S}"


def begins(recordings: pa.Table) -> list[datetime | None]:
    """When each recording began; None where it is not known.

    A column of the user's own is read as far as it holds times in ISO 8601.
    """
    if "recorded_at" not in recordings.column_names:
        return [None] * len(recordings)
    return [_begin(value) for value in recordings["recorded_at"].to_pylist()]


def begin_of(recordings: pa.Table, row: int) -> datetime | None:
    """When the recording of one row began; see `begins`."""
    return _begin(recordings["recorded_at"][row].as_py()) if "recorded_at" in recordings.column_names else None


def begin_column(recordings: pa.Table) -> pa.ChunkedArray:
    """When each recording began, as times; see `begins`."""
    if "recorded_at" in recordings.column_names and recordings["recorded_at"].type == CLOCK_TYPES["recorded_at"]:
        return recordings["recorded_at"]
    return pa.chunked_array([pa.array(begins(recordings), CLOCK_TYPES["recorded_at"])])


def _begin(value: Any) -> datetime | None:
    if isinstance(value, str):  # a column of the user's own
        wall = wall_of_iso(value)
        return None if wall is None else wall.time
    return value.replace(tzinfo=None) if isinstance(value, datetime) else None


@dataclass
class ClockReport:
    """What was found of clocks.

    Attributes:
        recordings: Recordings that were looked at.
        sources: How many have their begin from each of `mmasc.audio.clock.SOURCES`.
        offsets: How many of them also say how far their clock is from UTC.
        without: How many have none; `example` is one of them.
        refused: How many of these have a name that can be read in several ways; `why` says it of `example`, and
            `patterns` would read it.
        misfits: How many names the pattern of --clock does not fit; `misfit` is one of them.
        apart: How many have times in name and recorder that differ by more than a few seconds; `differing` is one of
            them, `most_apart` the largest difference in seconds.
        changed: Recordings whose columns were changed, or would be.
        kept: Columns of the users' own that were left as they are.
    """

    recordings: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    offsets: int = 0
    without: int = 0
    refused: int = 0
    example: str = ""
    why: str = ""
    patterns: tuple[str, ...] = ()
    misfits: int = 0
    misfit: str = ""
    apart: int = 0
    differing: str = ""
    most_apart: float = 0.0
    changed: int = 0
    kept: list[str] = field(default_factory=list)

    def count(self, path: str, clock: Clock) -> None:
        """Take one recording into account."""
        self.recordings += 1
        if clock.wall is not None:
            self.sources[clock.source] += 1
            self.offsets += clock.wall.offset is not None
        else:
            self.without += 1
            patterns = clock.named.patterns
            if not self.example or (patterns and not self.refused):
                self.example, self.why, self.patterns = path, clock.named.why, patterns
            self.refused += bool(patterns)
        if clock.misfit:
            self.misfits += 1
            self.misfit = self.misfit or path
        if clock.apart:
            self.apart += 1
            if clock.apart > self.most_apart:
                self.differing, self.most_apart = path, clock.apart

    @property
    def remarks(self) -> list[str]:
        """What users may want to know, one line each; nothing of recordings whose names have no date in them."""
        lines = []
        if self.refused:
            ways = " or ".join(f'--clock "{pattern}"' for pattern in self.patterns[:3])
            lines.append(
                f"{counted(self.refused, 'recording')} got no clock: {_name(self.example)}: {self.why}; say which "
                f"it is: {ways}"
            )
        if self.misfits:
            lines.append(
                f"the pattern of --clock does not fit {counted(self.misfits, 'recording')} ({_name(self.misfit)})"
            )
        if self.apart:
            other = counted(
                self.apart,
                "recording has another time in the name than its recorder wrote into it",
                "recordings have another time in the name than their recorder wrote into them",
            )
            lines.append(
                f"{other}, "
                f"{_name(self.differing)} by {timedelta(seconds=round(self.most_apart))} h; a clock that is wrong "
                "is set right with --clock or --timezone"
            )
        return lines


def _name(path: str) -> str:
    return show_path(Path(path).name)


def columns_of(clock: Clock) -> dict[str, Any]:
    """What is known, by column."""
    wall = clock.wall
    said = {"recorded_at": wall.time, "utc_offset": wall.offset_text} if wall is not None else {}
    said |= {name: getattr(clock, name) for name in CLOCK_TYPES if name not in _TIME_COLUMNS}
    return {name: value for name, value in said.items() if value is not None}


def note_of(columns: Mapping[str, Any]) -> bytes:
    """A note of what mmasc wrote into the columns of a recording, so that changes by users are recognised."""
    kept = {name: str(value) if isinstance(value, datetime) else value for name, value in columns.items()}
    return json.dumps(kept, sort_keys=True).encode()


def noted(note: bytes | None) -> dict[str, Any]:
    """What mmasc wrote into the columns of a recording; {} for nothing, or a note that is damaged."""
    try:
        said = parse_json(note or b"{}")
        time = said.get("recorded_at")
        return said if time is None else {**said, "recorded_at": datetime.fromisoformat(time)}
    except (ValueError, AttributeError, TypeError):
        return {}


def columns_of_users(recordings: pa.Table) -> set[str]:
    """Those of the columns of clocks that hold anything that mmasc did not write, or another type."""
    found = {
        name
        for name, kind in CLOCK_TYPES.items()
        if name in recordings.column_names and recordings.schema.field(name).type != kind
    }
    names = [name for name in CLOCK_TYPES if name in recordings.column_names and name not in found]
    if not names:
        return found
    for row in recordings.select([*names, CLOCK_NOTE]).to_pylist():
        ours = noted(row[CLOCK_NOTE])
        found |= {name for name in names if row[name] is not None and row[name] != ours.get(name)}
    return found


def without_note(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a clock that users see."""
    return {name: value for name, value in columns.items() if name != CLOCK_NOTE}


class ClockColumns:
    """Columns of clocks of the files of one run.

    Args:
        rules: How clocks are read.
        names: Names of all files that belong together.
        kept: Columns of the users' own, which get nothing.
    Attributes:
        report: What was found.
    """

    def __init__(self, rules: ClockRules, names: Iterable[str], kept: Collection[str]) -> None:
        self._reader = ClockReader(rules, list(names))
        self._kept = frozenset(kept)
        self.report = ClockReport()

    def of(self, path: str | Path) -> dict[str, Any]:
        """What is known of a file, by column, with the note of it; {} where nothing is known."""
        clock = self._reader.read(path)
        self.report.count(str(path), clock)
        said = columns_of(clock)
        self.report.kept = sorted({*self.report.kept, *(name for name in said if name in self._kept)})
        said = {name: value for name, value in said.items() if name not in self._kept}
        return {**said, CLOCK_NOTE: note_of(said)} if said else {}


def renewed(columns: Mapping[str, Any], row: Mapping[str, Any], forget: bool = False) -> dict[str, Any]:
    """Columns of a recording that is there, with what is known of it now.

    Args:
        columns: As `ClockColumns.of` gives them.
        row: The recording as it is stored.
        forget: Whether what is not known any more goes: the file has another content.
    """
    before = noted(row.get(CLOCK_NOTE))
    said = without_note(columns)
    if "recorded_at" in said and said["recorded_at"] != row.get("recorded_at"):  # an offset belongs to its time
        said.setdefault("utc_offset", None)
    gone = {name: None for name in before if name not in said} if forget else {}
    now = {**gone, **said}
    now = {name: value for name, value in now.items() if row.get(name) is None or row[name] == before.get(name)}
    kept = {name: value for name, value in {**before, **now}.items() if value is not None}
    changed = {name: value for name, value in now.items() if row.get(name) != value}
    return {**changed, CLOCK_NOTE: note_of(kept)} if changed else {}


def set_clocks(store: Store, rules: ClockRules, dry_run: bool = False) -> ClockReport:
    """Read the clocks of all recordings of a collection, from names and headers, and set their columns.

    Args:
        store: The collection.
        rules: How clocks are read.
        dry_run: Whether to report alone.
    Returns:
        What was found. Files that are gone are read by their names.
    """
    head = store.head()
    table = store.recordings(head)
    stored = table.column("path").to_pylist()
    clocks = ClockColumns(rules, [Path(path).name for path in stored], columns_of_users(table))
    found = {path: clocks.of(place_of(head.root, path)) for path in stored}
    if dry_run:
        clocks.report.changed = len(_changes(table, found))
        return clocks.report
    with store.transaction() as change:
        now = store.recordings(change.head)
        users = columns_of_users(now)
        rows = _changes(now, {path: _without(columns, users) for path, columns in found.items()})
        if rows:
            change.update_recordings(metadata_table(rows, now.schema, CLOCK_TYPES))
    clocks.report.changed = len(rows)
    return clocks.report


def _without(columns: Mapping[str, Any], users: set[str]) -> dict[str, Any]:
    """What may be written, if users have filled a column meanwhile."""
    said = {name: value for name, value in without_note(columns).items() if name not in users}
    return {**said, CLOCK_NOTE: note_of(said)} if said else {}


def _changes(table: pa.Table, found: Mapping[str, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Values to set by id, all of the same columns."""
    rows = {row["id"]: row for row in table.to_pylist()}
    new = {one: renewed(found[row["path"]], row) for one, row in rows.items() if row["path"] in found}
    new = {one: columns for one, columns in new.items() if columns}
    names = list(dict.fromkeys(name for columns in new.values() for name in columns))
    # A column that nobody has and that would get nothing is not made
    names = [name for name in names if name in table.column_names or any(new[one].get(name) is not None for one in new)]
    return {one: {name: columns.get(name, rows[one].get(name)) for name in names} for one, columns in new.items()}
