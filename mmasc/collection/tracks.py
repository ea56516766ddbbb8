"""Windows of one recording in the order of time; the last tracks are cached, since searches use the same ones again."""

import math
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

# Seconds: edges that differ by less than a sample are one
SAME = 1e-6
_MOST_WINDOWS = 1 << 20  # of the tracks that are kept: 24 MB


@runtime_checkable
class Windows(Protocol):
    """Windows of a space, as `SpaceReader` has them: arrays `[window]`, and the positions of those of a recording."""

    lane: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def of_recording(self, recording: int) -> np.ndarray:
        """Positions, ascending."""


class Track:
    """Windows of one recording and lane, in the order of their starts.

    Args:
        reader: The space.
        recording, lane: Which ones.
    """

    def __init__(self, reader: Windows, recording: int, lane: int) -> None:
        positions = reader.of_recording(recording)
        positions = positions[reader.lane[positions] == lane]
        starts, ends = reader.start[positions], reader.end[positions]
        order = np.lexsort((positions, ends, starts))
        self._positions, self._starts, self._ends = positions[order], starts[order], ends[order]
        self._longest = float((ends - starts).max(initial=0.0))

    def __len__(self) -> int:
        return len(self._positions)

    def between(self, lower: float, upper: float) -> Int[np.ndarray, " item"]:
        """Windows that lie between two seconds."""
        first = int(np.searchsorted(self._starts, lower - SAME, "left"))
        if upper == math.inf:
            return self._positions[first:]
        last = int(np.searchsorted(self._starts, upper + SAME, "right"))
        return self._positions[first:last][self._ends[first:last] <= upper + SAME]

    def touching(self, start: float, end: float) -> Int[np.ndarray, " item"]:
        """Windows that share time with what lies between two seconds."""
        first = int(np.searchsorted(self._starts, start - self._longest - SAME, "left"))
        last = int(np.searchsorted(self._starts, end - SAME, "left"))
        return self._positions[first:last][self._ends[first:last] > start + SAME]


class Tracks:
    """Tracks of a space; those asked for last are kept.

    Args:
        reader: The space.
        most: Windows of the tracks that are kept, at most; the last one is always kept.
    """

    def __init__(self, reader: Windows, most: int = _MOST_WINDOWS) -> None:
        self._reader, self._most, self._windows = reader, most, 0
        self._kept: dict[tuple[int, int], Track] = {}  # those asked for last stand last

    def of(self, recording: int, lane: int) -> Track:
        """The track of a recording and lane."""
        key = recording, lane
        track = self._kept.pop(key, None)
        if track is None:
            track = Track(self._reader, recording, lane)
            self._windows += len(track)
        self._kept[key] = track
        while self._windows > self._most and len(self._kept) > 1:
            self._windows -= len(self._kept.pop(next(iter(self._kept))))
        return track
