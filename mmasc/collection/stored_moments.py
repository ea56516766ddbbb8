"""Moments that a collection holds, as questions: their windows' vectors are asked, and no encoder is needed."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from mmasc.collection.named_recordings import NamedRecordings
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError, show_path
from mmasc.windows.units import unit_float32


class StoredMoment(NamedTuple):
    """A recording of a collection, or a moment of it.

    Attributes:
        path: As users call it, see `NamedRecordings`.
        start, end: Seconds; infinite ends are those of the recording.
    """

    path: str
    start: float = -np.inf
    end: float = np.inf


def as_moments(moments: Any, what: str) -> tuple[StoredMoment, ...]:
    """One or several stored moments.

    Args:
        moments: A path, `(path, start, end)` in seconds, or a hit of a search; or several of them.
        what: What they are called, for the message.
    Raises:
        ValueError: If one is none of these, or ends before it starts.
    """
    if moments is None:
        return ()
    several = [moments] if _is_moment(moments) else moments
    if not isinstance(several, Iterable) or isinstance(several, Mapping):
        raise ValueError(f"{what} must be a path, (path, start, end) or a hit, got {type(moments).__name__}")
    return tuple(_as_moment(one, what) for one in several)


def vectors_of_moment(
    collection: Snapshot, reader: SpaceReader, moment: StoredMoment
) -> tuple[Float32[np.ndarray, " dim"], Float32[np.ndarray, "item dim"]]:
    """The mean of the unit vectors of a moment's windows, and these windows' vectors.

    Raises:
        MmascError: If there is no such recording, or it has no windows in this space.
    """
    recordings = NamedRecordings(collection)
    recording = recordings.id_of(moment.path)
    if moment.start >= (seconds := recordings.known(recording)[1]):
        raise MmascError(
            f"{show_path(moment.path)} ends at {seconds:g} s, before {moment.start:g} s; correct the moment"
        )
    found = windows_within(reader, recording, moment.start, moment.end)
    if not len(found):
        raise MmascError(f"{show_path(moment.path)} has no vectors in space {reader.name!r}; name another space")
    vectors = reader.vectors(found)
    mean: np.ndarray = unit_float32(vectors).mean(axis=0)
    return mean, vectors


def windows_within(reader: SpaceReader, recording: int, start: float, end: float) -> Int[np.ndarray, " item"]:
    """Windows of a recording that share half or more of the shorter of the two with a moment; else the nearest one.

    Args:
        reader: The space.
        recording: Id of the recording.
        start, end: The moment, in seconds; may be infinite.
    Returns:
        Positions; none where the recording has no windows in this space.
    """
    windows = reader.of_recording(recording)
    if not len(windows):
        return windows
    starts, ends = reader.start[windows], reader.end[windows]
    common = np.minimum(ends, end) - np.maximum(starts, start)
    shorter = np.minimum(ends - starts, max(end - start, 1e-9))
    inside = common >= 0.5 * shorter
    return windows[inside] if inside.any() else windows[[int(common.argmax())]]


def _is_moment(one: Any) -> bool:
    if isinstance(one, str | os.PathLike) or hasattr(one, "best_start"):
        return True
    return isinstance(one, tuple) and len(one) == 3 and not isinstance(one[1], str | os.PathLike | tuple)


def _as_moment(one: Any, what: str) -> StoredMoment:
    if isinstance(one, str | os.PathLike):
        return StoredMoment(os.fsdecode(one))
    try:
        path, start, end = (one.path, one.start, one.end) if hasattr(one, "best_start") else one
        moment = StoredMoment(os.fsdecode(path), float(start), float(end))
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be a path, (path, start, end) or a hit, got {str(one)[:60]!r}") from None
    if not moment.start < moment.end:
        raise ValueError(f"{what} must end after it starts, got {moment.start:g} to {moment.end:g} s")
    return moment
