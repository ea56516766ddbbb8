"""Windows of a space → vectors of recordings; and vectors with labels in the form that scikit-learn takes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Float32, Int

from mmasc.collection.filters import passing_windows
from mmasc.collection.frames import described, window_order, windows_described
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError
from mmasc.storage.values import is_missing
from mmasc.windows.pooling import recording_vector

_WINDOWS_AT_ONCE = 65_536


def vectors_with_labels(
    collection: Snapshot,
    reader: SpaceReader,
    label: str | None = None,
    where: str | None = None,
    windows: bool = False,
) -> tuple[Float32[np.ndarray, "item dim"], np.ndarray | None, pa.Table]:
    """Vectors, labels and descriptions in equal order; see `Collection.vectors`."""
    if label is not None:
        check_column(collection, label)
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    positions = np.flatnonzero(np.ones(len(reader), bool) if allowed is None else allowed)
    if label is not None:
        labels = values_of(collection, label)
        rows = collection.row_of.of(reader.recording[positions])
        positions = positions[np.array([labels[row] is not None for row in rows], bool)]
    if windows:
        positions = positions[window_order(collection, reader, positions)]
        table, vectors = windows_described(collection, reader, positions), reader.vectors(positions)
        check_finite_vectors(reader, vectors)
    else:
        chosen = np.zeros(len(reader), bool)
        chosen[positions] = True
        ids, means = recording_vectors(reader, chosen)
        table = described(collection, ids)
        order = np.argsort(np.array(table.column("path").to_pylist(), object), kind="stable")
        table, vectors = table.take(pa.array(order)), means[order].astype(np.float32)
    return vectors, None if label is None else _as_array(table.column(label)), table


@dataclass(frozen=True)
class StoredWindows:
    """Windows of several recordings as a space holds them, recording by recording.

    Attributes:
        ids: Ids of the recordings, int64 `[recording]`.
        bounds: Where the windows of a recording begin, and where the last ones end, int64 `[recording+1]`.
        positions: Which windows of the space these are, int64 `[window]`.
        vectors: float32 `[window dim]`.
        heard: In which of them there is sound, bool `[window]`.
    """

    ids: Int[np.ndarray, " recording"]
    bounds: Int[np.ndarray, " edge"]
    positions: Int[np.ndarray, " window"]
    vectors: Float32[np.ndarray, "window dim"]
    heard: Bool[np.ndarray, " window"]


def stored_windows(
    reader: SpaceReader,
    allowed: Bool[np.ndarray, " window"] | None = None,
    rank: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[StoredWindows]:
    """The windows of a space, whole recordings at a time, each as often read as it is needed: once.

    Args:
        reader: The space.
        allowed: Which windows count; default: all. Recordings without any are left out.
        rank: Numbers of recordings by which they come, from their ids; default: the ids.
    """
    chosen = np.arange(len(reader)) if allowed is None else np.flatnonzero(allowed)
    known, place = np.unique(reader.recording[chosen], return_inverse=True)
    order = np.arange(len(known)) if rank is None else np.argsort(rank(known), kind="stable")
    turn = np.empty(len(known), np.int64)
    turn[order] = np.arange(len(known))
    chosen = chosen[np.argsort(turn[place], kind="stable")]
    ids = known[order].astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(known))[order])])
    item = 0
    while item < len(ids):
        # As many whole recordings as fit, at least one
        last = max(item + 1, int(np.searchsorted(bounds, bounds[item] + _WINDOWS_AT_ONCE, side="right")) - 1)
        positions = chosen[bounds[item] : bounds[last]]
        vectors = reader.vectors(positions)
        yield StoredWindows(
            ids[item:last],
            bounds[item : last + 1] - bounds[item],
            positions,
            vectors,
            ~reader.is_silence(vectors),
        )
        item = last


def recording_vectors(
    reader: SpaceReader, allowed: Bool[np.ndarray, " window"] | None = None
) -> tuple[Int[np.ndarray, " item"], Float[np.ndarray, "item dim"]]:
    """Vectors of recordings: the mean of their windows weighted by the time each adds, lanes alike; not normalised.

    Args:
        reader: The space.
        allowed: Which windows count; default: all.
    Returns:
        Ids of the recordings that have such windows, ascending, and their vectors in float64.
    Raises:
        MmascError: If a vector holds NaN or infinity.
    """
    ids, vectors = [np.zeros(0, np.int64)], [np.zeros((0, reader.space.dim))]
    for some in stored_windows(reader, allowed):
        ids.append(some.ids)
        vectors.append(means_of(reader, some))
    return np.concatenate(ids), np.concatenate(vectors)


def means_of(reader: SpaceReader, windows: StoredWindows) -> Float[np.ndarray, "recording dim"]:
    """The vector of each of these recordings, float64, see `recording_vector`.

    Raises:
        MmascError: If a vector holds NaN or infinity.
    """
    vectors = np.zeros((len(windows.ids), reader.space.dim))
    for item in range(len(windows.ids)):
        own = slice(windows.bounds[item], windows.bounds[item + 1])
        at = windows.positions[own]
        vectors[item] = recording_vector(
            windows.vectors[own], reader.start[at], reader.end[at], reader.lane[at], windows.heard[own]
        )
    check_finite_vectors(reader, vectors)
    return vectors


def check_finite_vectors(reader: SpaceReader, vectors: Float[np.ndarray, "item dim"]) -> None:
    """Refuse vectors with NaN or infinity, which only damage brings into a space.

    Raises:
        MmascError: If there are any; the line names the space.
    """
    if not np.isfinite(vectors).all():
        raise MmascError(f"space {reader.name!r} of {reader.store.location} holds NaN; see: mmasc collection check")


def check_column(collection: Snapshot, column: str) -> None:
    """Refuse the name of a column that is not among the users' own.

    Raises:
        MmascError: If it is not; the line lists those there are.
    """
    if column not in collection.metadata_columns:
        own = collection.metadata_columns
        has = f"it has: {', '.join(own)}" if own else "it has none of your own"
        raise MmascError(
            f"{collection.store.location} has no column {column!r}; {has}; add columns with: "
            "mmasc embed PATH --into ... --metadata CSV"
        )


def values_of(collection: Snapshot, column: str) -> list[Any]:
    """Values of a column by row; None for null, NaN, blank text and words for nothing, as older tables brought them."""
    values = collection.recordings.column(column).to_pylist()
    return [None if is_missing(value) else value for value in values]


def _as_array(column: pa.ChunkedArray) -> np.ndarray:
    """Values without gaps in the type that they are stored in; texts as NumPy's own texts."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), str)
    return column.to_numpy()
