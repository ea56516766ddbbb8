"""`collection check`: does everything that must hold in a collection hold?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmasc.collection.annotations import Annotations
from mmasc.collection.columns import columns_are_damaged
from mmasc.collection.coverage import uncovered
from mmasc.collection.head import HEAD_NAME, read_copies
from mmasc.collection.leases import copy_path
from mmasc.collection.segment_files import damaged_segments
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError
from mmasc.progress import current, one_by_one
from mmasc.remote.sightings import gone
from mmasc.windows.units import unit_float32

# A recording may end this much after its last window: one sample of the slowest encoder
_END_SLACK_SECONDS = 1e-3
_ASKED_OF_INDEX = 20
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """Something that does not hold, and where.

    Attributes:
        level: "error" for what makes answers wrong, "warning" for what users may want to know.
        message: One line.
    """

    level: Literal["error", "warning"]
    message: str


def check(collection: Snapshot) -> list[Finding]:
    """See `Collection.check`."""
    findings = _check_files(collection)
    if findings:
        return findings  # what damaged tables hold says nothing
    recordings = collection.recordings
    ids, paths = recordings.column("id").to_numpy(), recordings.column("path").to_pylist()
    if len(set(ids.tolist())) < len(ids) or len(set(paths)) < len(paths):
        findings.append(
            Finding("error", f"{len(paths) - len(set(paths))} paths stand twice in the table of recordings")
        )
    try:
        absent = gone([collection.path_of(path) for path in paths], sure=True)
    except MmascError as error:
        absent = []
        findings.append(Finding("warning", f"it is not known whether all recordings are there: {error}"))
    missing = [path for path, is_gone in zip(paths, absent, strict=False) if is_gone]
    if missing:
        message = f"{len(missing)} recordings are not under {collection.head.root} ({_some(missing)})"
        findings.append(
            Finding(
                "warning",
                f"{message}; if they were moved: mmasc collection move-root; if they are "
                "gone: mmasc collection remove --missing",
            )
        )
    truncated = [
        path for path, state in zip(paths, recordings.column("status").to_pylist(), strict=True) if state != "ok"
    ]
    if truncated:
        findings.append(
            Finding("warning", f"{len(truncated)} recordings end before their headers say ({_some(truncated)})")
        )
    findings += [Finding("warning", line) for line in uncovered(collection)]
    findings += [Finding(level, line) for level, line in Annotations(collection).faults()]
    for name in one_by_one("space", collection.spaces):
        reader = collection.space(name)
        findings += [Finding(one.level, f"space {name!r}: {one.message}") for one in _check_space(reader, collection)]
    return findings


def _check_files(collection: Snapshot) -> list[Finding]:
    """Files of the tables that are not as they were written, and a head that is not as its copy says."""
    store, findings = collection.store, []
    with current().phase("comparing files with their checksums"):
        damaged = store.damaged_files(collection.head)
    if damaged:
        findings.append(
            Finding(
                "error",
                f"{len(damaged)} files are gone or not as they were written ({_some(damaged)}); "
                f"restore {store.folder} from a backup",
            )
        )
    copies = [one for one in read_copies(store.folder) if one.generation == collection.head.generation]
    if copies and copies[0] != collection.head:
        copy = copy_path(store.folder, collection.head.generation)
        findings.append(Finding("error", f"{HEAD_NAME} is not as it was written; copy {copy} to it"))
    return findings


def _check_space(reader: SpaceReader, collection: Snapshot) -> list[Finding]:
    folder = reader.store.space_folder(reader.space.identity)
    if columns_are_damaged(folder):  # what else they say is not to be trusted, and the table has all of it
        said = "the columns of the windows on the disk are not as they were written: mmasc collection compact"
        return [Finding("error", said)]
    findings = []
    ids = collection.recordings.column("id").to_numpy()
    durations = collection.recordings.column("duration").to_numpy()
    orphans = len(reader) - int(reader.windows_of(ids).sum())
    if orphans:
        findings.append(Finding("error", f"{orphans} windows belong to no recording"))
    if len(reader) != reader.space.windows:
        findings.append(Finding("error", f"{len(reader)} windows, the head says {reader.space.windows}"))
    keys = np.stack([reader.recording, reader.lane, np.round(reader.start * 1e6).astype(np.int64)], axis=1)
    double = len(keys) - len(np.unique(keys, axis=0))
    if double:
        findings.append(Finding("error", f"{double} windows are there twice"))
    gaps = _recordings_with_gaps(reader, dict(zip(ids.tolist(), durations.tolist(), strict=True)))
    if gaps:
        findings.append(Finding("error", f"windows of {gaps} recordings do not cover them from start to end"))
    findings += _check_vectors(reader)
    damaged = damaged_segments(folder)
    if damaged:
        findings.append(
            Finding(
                "error", f"{len(damaged)} segments of the index are not as they were written: mmasc collection compact"
            )
        )
    return findings


def _recordings_with_gaps(reader: SpaceReader, duration_of: dict[int, float]) -> int:
    order = np.lexsort((reader.start, reader.lane, reader.recording))
    recording, lane = reader.recording[order], reader.lane[order]
    start, end = reader.start[order], reader.end[order]
    first = np.ones(len(order), bool)
    first[1:] = (recording[1:] != recording[:-1]) | (lane[1:] != lane[:-1])
    last = np.roll(first, -1)
    bad = first & (start > 0)
    bad[1:] |= ~first[1:] & (start[1:] > end[:-1] + _END_SLACK_SECONDS)
    wanted = np.array([duration_of.get(int(one), np.nan) for one in recording])
    bad |= last & (np.abs(end - wanted) > _END_SLACK_SECONDS)
    return len(np.unique(recording[bad]))


def _check_vectors(reader: SpaceReader) -> list[Finding]:
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
    findings = []
    if broken:
        findings.append(Finding("error", f"{broken} vectors hold NaN or infinity"))
    if zero:
        findings.append(Finding("warning", f"{zero} vectors are zero"))
    if count > 1 and np.all(low == high):
        findings.append(Finding("error", f"all {count} vectors are the same"))
    if count and not broken:
        some = np.random.default_rng(0).choice(count, min(count, _ASKED_OF_INDEX), replace=False)
        queries = unit_float32(reader.vectors(some))
        scores, _ = reader.search(queries, 1)
        wanted = (queries**2).sum(axis=1)
        lost = int((np.abs(scores[:, 0] - wanted) > 1e-2).sum())
        if lost:
            findings.append(
                Finding("error", f"the index does not find {lost} of {len(some)} windows: mmasc collection compact")
            )
    return findings


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
