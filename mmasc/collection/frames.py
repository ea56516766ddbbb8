"""Recordings and windows as tables for pandas, with their descriptions, in a fixed order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError

# What is known of a recording and of use outside of the collection; the others are for telling whether a file changed
DESCRIPTION = ("id", "path", "duration", "sample_rate", "channels", "status", "reason")

_AT_ONCE = 65_536


def described(collection: Snapshot, ids: Int[np.ndarray, " item"]) -> pa.Table:
    """What is known of recordings and their own columns, a row per id.

    Args:
        collection: Opened.
        ids: Ids of recordings, in any order and as often as wanted.
    Returns:
        Columns id, path (where the recording lies now), duration, sample_rate, channels, status, reason, and the own
        columns.
    """
    columns = [*DESCRIPTION, *collection.metadata_columns]
    table = collection.rows(collection.row_of.of(ids), columns)
    return table.set_column(table.column_names.index("path"), "path", _places(collection, table.column("path")))


def window_order(
    collection: Snapshot, reader: SpaceReader, positions: Int[np.ndarray, " window"]
) -> Int[np.ndarray, " window"]:
    """The order of windows by path, lane and start."""
    rank = _ranks(collection)
    rows = collection.row_of.of(reader.recording[positions])
    return np.lexsort((reader.start[positions], reader.lane[positions], rank[rows]))


def windows_in_order(collection: Snapshot, reader: SpaceReader, at_once: int) -> Iterator[Int[np.ndarray, " window"]]:
    """All windows in the order of `window_order`, whole recordings at a time: about `at_once` windows together."""
    rows = collection.row_of.of(reader.recordings)
    ids = reader.recordings[np.argsort(_ranks(collection)[rows], kind="stable")]
    for positions, place in reader.recording_by_recording(ids, at_once):
        yield positions[np.lexsort((reader.start[positions], reader.lane[positions], place))]


def windows_described(collection: Snapshot, reader: SpaceReader, positions: Int[np.ndarray, " window"]) -> pa.Table:
    """What is known of windows and of their recordings, a row per window: `described`, then start, end, lane.

    Own columns are called as `beside_windows` says.
    """
    table = described(collection, reader.recording[positions])
    table = table.rename_columns(beside_windows(table.column_names))
    for name in ("start", "end"):
        table = table.append_column(name, pa.array(getattr(reader, name)[positions]))
    return table.append_column("lane", pa.array(reader.lane[positions].astype(np.int64)))


def beside_windows(names: Iterable[str]) -> list[str]:
    """Names of columns of recordings next to those of windows: who called one start, end or lane finds meta_start ...

    Such names are refused where columns are given; `set_metadata` once took them.
    """
    return [f"meta_{name}" if name in ("start", "end", "lane") else name for name in names]


def _ranks(collection: Snapshot) -> Int[np.ndarray, " row"]:
    """The place of each recording in the order of the paths."""
    pieces = [
        chunk
        for table in collection.store.recording_batches(collection.head, ["path"], _AT_ONCE)
        for chunk in _places(collection, table.column("path")).chunks
    ]
    order = pc.sort_indices(pa.chunked_array(pieces, pa.string())).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _places(collection: Snapshot, stored: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where recordings lie now, from their stored paths; not all of them as Python's own texts at once."""
    pieces = (stored.slice(first, _AT_ONCE).to_pylist() for first in range(0, len(stored), _AT_ONCE))
    arrays = [pa.array([collection.path_of(path) for path in piece], pa.string()) for piece in pieces]
    return pa.chunked_array(arrays, pa.string())


def with_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """The table with a column of these values at its end, in place of one of this name."""
    return table.drop([one for one in (name,) if one in table.column_names]).append_column(name, pa.array(values))


def as_frame(table: pa.Table) -> Any:
    """A table for pandas: whole numbers and truth values with gaps stay what they are, as pandas' own nullable types.

    Raises:
        MmascError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MmascError("pandas is not installed; install it with: pip install 'mmasc[pandas]'") from error
    frame = table.to_pandas()
    for name in table.column_names:
        column = table.column(name)
        if column.null_count and (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            frame[name] = pd.array(column.to_pylist(), dtype="Int64" if pa.types.is_integer(column.type) else "boolean")
    return frame
