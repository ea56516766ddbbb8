"""`--where`: a condition in SQL on columns of recordings and windows → which windows, or which recordings, pass."""

import math
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmasc.collection.clock import begin_column
from mmasc.collection.condition_tokens import ConditionError
from mmasc.collection.condition_tree import Node, columns_of
from mmasc.collection.condition_values import CALLABLE, passing_rows
from mmasc.collection.conditions import read_condition
from mmasc.collection.snapshot import Rows
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError

_WINDOW_COLUMNS = ("start", "end", "lane")
_CLOCK = "clock"  # recorded_at + start of the window
_SHOWN = 200  # characters of a condition in a message


def passing_windows(
    where: Any, recordings: pa.Table, reader: SpaceReader, most_seconds: float = math.inf
) -> np.ndarray:
    """Which windows pass a condition.

    Args:
        where: SQL as after WHERE, on columns of the recordings (path, duration, ..., your own) and of the windows
            (start, end in seconds, lane; clock: when the window began, where it is known). Texts in single quotes,
            names in double quotes where they need some.
        recordings: The table of recordings, with `id`.
        reader: The space.
        most_seconds: How long it may take.
    Returns:
        bool `[window]`.
    Raises:
        MmascError: If the condition cannot be read whole, or takes longer; the line names the place and lists the
            columns.
    """
    until = time.monotonic() + most_seconds
    columns = [*recordings.column_names, *_WINDOW_COLUMNS]
    clocks = "recorded_at" in columns and _CLOCK not in columns
    condition = _read(where, [*columns, _CLOCK] if clocks else columns)
    used = columns_of(condition)
    of_windows = [name for name in _WINDOW_COLUMNS if name in used]
    of_recordings = [name for name in recordings.column_names if name in used and name not in of_windows]
    ids = recordings.column("id").to_numpy()
    if not of_windows and not (clocks and _CLOCK in used):
        passed = _passing(where, condition, recordings.select(of_recordings), len(recordings), columns, until)
        return reader.windows_of(ids[passed])
    rows, there = Rows(reader.store.folder, ids).find(reader.recording)
    of_window = pa.array(rows, mask=~there)
    # a window without a recording has NULL in the columns of recordings
    table = {name: recordings.column(name).take(of_window) for name in of_recordings}
    table |= {
        name: pa.array(reader.lane.astype(np.int64) if name == "lane" else getattr(reader, name)) for name in of_windows
    }
    if clocks and _CLOCK in used:
        begin = begin_column(recordings).take(of_window)
        table[_CLOCK] = pc.add(begin, pa.array((reader.start * 1e6).round().astype("timedelta64[us]")))
    return _passing(where, condition, pa.table(table), len(reader), columns, until)


def passing_recordings(where: Any, recordings: pa.Table) -> np.ndarray:
    """Ids of the recordings that pass a condition on their own columns.

    Raises:
        MmascError: If the condition cannot be read whole; the line names the place and lists the columns.
    """
    columns = recordings.column_names
    condition = _read(where, columns)
    table = recordings.select([name for name in columns if name in columns_of(condition)])
    return recordings.column("id").to_numpy()[_passing(where, condition, table, len(recordings), columns)]


def _read(where: Any, columns: list[str]) -> Node:
    if not isinstance(where, str):
        raise MmascError(f"a condition must be a text like \"place = 'pond'\", got {type(where).__name__}")
    try:
        return read_condition(where, columns, CALLABLE)
    except ConditionError as error:
        raise _refusal(where, error, columns) from error


def _clock_hint(said: str) -> str:
    """How a collection gets the columns of clocks, where a condition asks for one that it lacks."""
    if not any(f"there is no column {name!r}" in said for name in ("recorded_at", _CLOCK)):
        return ""
    return "; clocks of recordings are read with: mmasc collection clock"


def _passing(
    where: str, condition: Node, table: pa.Table, rows: int, columns: list[str], until: float = math.inf
) -> np.ndarray:
    try:
        return passing_rows(condition, table, rows, until)
    except ConditionError as error:
        raise _refusal(where, error, columns) from error


def _refusal(where: str, error: ConditionError, columns: list[str]) -> MmascError:
    shown = where if len(where) <= _SHOWN else where[: _SHOWN - 1] + "…"
    names = ", ".join(name for name in columns if name != "id")
    return MmascError(f"cannot read the condition {shown!r}: {error}{_clock_hint(str(error))}; columns: {names}")
