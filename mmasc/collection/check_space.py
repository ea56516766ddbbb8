"""The part of `collection check` that looks at a space: windows against recordings, vectors, the index."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection.derived import mistaken_segments
from mmasc.collection.id_map import IdMap
from mmasc.collection.segment_files import damaged_segments
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.encoders.own_vectors import is_own
from mmasc.printing import counted
from mmasc.windows.units import unit_float32

# A recording may end this much after its last window: one sample of the slowest encoder
_END_SLACK_SECONDS = 1e-3
_ASKED_OF_INDEX = 20
_AGAIN = "mmasc collection compact"

SpaceFault = tuple[Literal["error", "warning"], str]


def check_space(reader: SpaceReader, collection: Snapshot, at_once: int) -> list[SpaceFault]:
    """What does not hold in a space: a level and a line each; about `at_once` windows are looked at together."""
    ids, durations = _durations(collection, at_once)
    found, known = list[SpaceFault](), IdMap(ids)
    own = is_own(reader.space.encoder)
    orphans = double = gaps = 0
    for positions, _ in reader.recording_by_recording(reader.recordings, at_once):
        rows, there = known.find(reader.recording[positions])
        orphans += int((~there).sum())
        keys = [np.round(reader.start[positions] * 1e6), reader.lane[positions], reader.recording[positions]]
        double += _doubles(keys)
        wanted = np.full(len(rows), np.nan)
        wanted[there] = durations[rows[there]]
        gaps += (_recordings_exceeded if own else _recordings_with_gaps)(reader, positions, wanted)
    if orphans:
        found.append(("error", f"{counted(orphans, 'window belongs', 'windows belong')} to no recording"))
    if len(reader) != reader.space.windows:
        found.append(("error", f"{counted(len(reader), 'window')}, the head says {reader.space.windows}"))
    if double:
        found.append(("error", f"{counted(double, 'window is', 'windows are')} there twice"))
    if gaps:
        what = "end after these do" if own else "do not cover them from start to end"
        found.append(("error", f"windows of {counted(gaps, 'recording')} {what}"))
    damaged = damaged_segments(reader.store.space_folder(reader.space.identity))
    found += [("error", f"{name} of the index is not as it was written: {_AGAIN}") for name in damaged]
    return found + _check_vectors(reader)


def _durations(
    collection: Snapshot, at_once: int
) -> tuple[Int[np.ndarray, " recording"], Float[np.ndarray, " recording"]]:
    """Ids of the recordings, and their durations in seconds."""
    pieces = [
        (table.column("id").to_numpy(), table.column("duration").to_numpy())
        for table in collection.store.recording_batches(collection.head, ["id", "duration"], at_once)
    ]
    return np.concatenate([one for one, _ in pieces]), np.concatenate([one for _, one in pieces])


def _doubles(keys: list[np.ndarray]) -> int:
    """How many items are equal to an earlier one in all keys."""
    order = np.lexsort(keys)
    if len(order) < 2:
        return 0
    return int(np.all([key[order[1:]] == key[order[:-1]] for key in keys], axis=0).sum())


def _recordings_with_gaps(
    reader: SpaceReader, positions: Int[np.ndarray, " item"], durations: Float[np.ndarray, " item"]
) -> int:
    """Of the recordings of these windows (all of each), how many they do not cover from 0 to their duration."""
    order = np.lexsort((reader.start[positions], reader.lane[positions], reader.recording[positions]))
    at = positions[order]
    recording, lane, start, end = reader.recording[at], reader.lane[at], reader.start[at], reader.end[at]
    first = np.ones(len(at), bool)
    first[1:] = (recording[1:] != recording[:-1]) | (lane[1:] != lane[:-1])
    last = np.roll(first, -1)
    bad = first & (start > 0)
    bad[1:] |= ~first[1:] & (start[1:] > end[:-1] + _END_SLACK_SECONDS)
    bad |= last & (np.abs(end - durations[order]) > _END_SLACK_SECONDS)
    return len(np.unique(recording[bad]))


def _recordings_exceeded(
    reader: SpaceReader, positions: Int[np.ndarray, " item"], durations: Float[np.ndarray, " item"]
) -> int:
    """Recordings that end before windows of another program say; such windows need not cover them."""
    behind = reader.end[positions] > durations + _END_SLACK_SECONDS
    return len(np.unique(reader.recording[positions][behind]))


def _check_vectors(reader: SpaceReader) -> list[SpaceFault]:
    """NaN and zero vectors, a space in which all vectors are one, and an index that does not find what is there."""
    broken = zero = count = 0
    low, high = np.inf, -np.inf
    for _, vectors in reader.store.vectors(reader.space):
        if not len(vectors):
            continue  # all rows of a file were removed
        broken += int((~np.isfinite(vectors)).any(axis=1).sum())
        zero += int((vectors == 0).all(axis=1).sum())
        low, high = np.minimum(low, vectors.min(axis=0)), np.maximum(high, vectors.max(axis=0))
        count += len(vectors)
    found = list[SpaceFault]()
    if broken:
        found.append(("error", f"{counted(broken, 'vector holds', 'vectors hold')} NaN or infinity"))
    if zero:
        found.append(("warning", f"{counted(zero, 'vector is', 'vectors are')} zero"))
    if count > 1 and np.all(low == high):
        # Copies of one sound, and silence, are not faults
        found.append(("warning", f"all {count} vectors are the same: unless the sounds are, the encoder is broken"))
    if count and not broken:
        found += _check_index(reader, count)
    return found


def _check_index(reader: SpaceReader, count: int) -> list[SpaceFault]:
    """Segments that do not find their windows; where all do, the index as a whole."""
    mistaken = mistaken_segments(reader)
    if mistaken:
        return [
            ("error", f"{name or 'the index'} does not find {lost} of some 20 of its windows: {_AGAIN}")
            for name, lost in mistaken.items()
        ]
    some = np.random.default_rng(0).choice(count, min(count, _ASKED_OF_INDEX), replace=False)
    queries = unit_float32(reader.vectors(some))
    scores, _ = reader.search(queries, 1)
    lost = int((np.abs(scores[:, 0] - (queries**2).sum(axis=1)) > 1e-2).sum())
    return [("error", f"the index does not find {lost} of {len(some)} windows: {_AGAIN}")] if lost else []
