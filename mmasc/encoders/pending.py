"""Files on their way through a network: their windows, which of these have vectors, and what was kept from before."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmasc.audio import AudioStatus
from mmasc.audio.memory import MemorySound
from mmasc.encoders.file_vectors import FileVectors, Keeper, Place, WindowEncoder

_EDGE_SECONDS = 1e-3  # of sound at the edge of a window of silence that do not make it sound


@dataclass
class Done:
    """How decoding of a file ended."""

    status: AudioStatus
    sample_rate: int = 0
    channels: int = 0
    duration: float = 0.0
    digest: bytes | None = None
    silence: list[np.ndarray] = field(default_factory=list)  # of every lane, start and end of silent stretches


@dataclass
class Part:
    """Some windows of a file (lane, start and end in samples, samples); the last part says how decoding ended."""

    source: Path | MemorySound
    windows: list[tuple[int, int, int, np.ndarray]]
    done: Done | None = None


@dataclass
class Pending:
    """A file whose windows are on their way through the network.

    Attributes:
        source: What is read.
        begun: Vectors that an earlier run kept.
        lanes, starts, ends: Of its windows so far.
        vectors: By number of the window.
        reached: The windows before this number have vectors.
        kept: The windows before this number are kept.
        kept_until: Sample at which they end.
        done: How decoding ended.
    """

    source: Path | MemorySound
    begun: Mapping[Place, np.ndarray] = field(default_factory=dict)
    lanes: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    vectors: dict[int, np.ndarray] = field(default_factory=dict)
    reached: int = 0
    kept: int = 0
    kept_until: int = 0
    done: Done | None = None

    def add(self, lane: int, start: int, end: int) -> int:
        """Take a window; return its number."""
        self.lanes.append(lane)
        self.starts.append(start)
        self.ends.append(end)
        item = len(self.starts) - 1
        known = self.begun.get((lane, start, end))
        if known is not None:
            self.vectors[item] = known
            if item == self.kept:
                self.kept, self.kept_until = item + 1, end
        return item

    def places(self, first: int, last: int) -> list[Place]:
        """Lanes, starts and ends of some windows."""
        return list(zip(self.lanes[first:last], self.starts[first:last], self.ends[first:last], strict=True))

    @property
    def complete(self) -> bool:
        """Whether all of it is decoded and embedded."""
        return self.done is not None and len(self.vectors) == len(self.starts)

    def result(self, encoder: WindowEncoder) -> FileVectors:
        """What became of it; windows by lane and start."""
        assert self.done is not None
        failed = self.done.status.state == "failed"
        rate, count = encoder.spec.sample_rate, 0 if failed else len(self.starts)
        vectors = np.empty((count, encoder.spec.dim), np.float32)
        for item in range(count):
            vectors[item] = self.vectors[item]
        lanes, starts, ends = (np.array(one[:count], np.int64) for one in (self.lanes, self.starts, self.ends))
        if lanes.any():  # those of one lane come in order
            order = np.lexsort((starts, lanes))
            lanes, starts, ends, vectors = lanes[order], starts[order], ends[order], vectors[order]
        # Rounding the length at the encoder's rate must not carry a window past the end of the recording
        seconds = np.minimum(ends / rate, self.done.duration)
        return FileVectors(
            path_of(self.source),
            starts / rate,
            seconds,
            lanes,
            vectors,
            self.done.status,
            self.done.duration,
            self.done.sample_rate,
            self.done.channels,
            self.done.digest,
            _silent(lanes, starts / rate, seconds, self.done.silence),
        )


class Follower:
    """What happens with files on their way: parts of long ones are kept, and who listens hears how far they are.

    Args:
        rate: Rate of the encoder in Hz.
        keep_seconds: Seconds of a file after which its next part is kept.
        keeper, heard: As `embed_files` takes them.
    """

    def __init__(
        self,
        rate: int,
        keep_seconds: float,
        keeper: Keeper | None,
        heard: Callable[[Path, float], None] | None,
    ) -> None:
        self.rate, self.keeper, self.heard = rate, keeper, heard
        self.least = max(round(keep_seconds * rate), 1)

    def begin(self, source: Path | MemorySound) -> Pending:
        """A file whose first part has come."""
        if self.keeper is None or not isinstance(source, Path):
            return Pending(source)
        return Pending(source, self.keeper.begun(source))

    def look(self, waiting: Iterable[Pending]) -> None:
        """Some windows have got vectors."""
        for file in waiting:
            while file.reached in file.vectors:
                file.reached += 1
            if not file.reached or not isinstance(file.source, Path):
                continue
            until = file.ends[file.reached - 1]
            if self.heard is not None:
                self.heard(file.source, until / self.rate)
            if self.keeper is not None and not file.complete and until - file.kept_until >= self.least:
                vectors = np.stack([file.vectors[item] for item in range(file.kept, file.reached)])
                self.keeper.keep(file.source, file.places(file.kept, file.reached), vectors.astype(np.float32))
                file.kept, file.kept_until = file.reached, until


def _silent(lanes: np.ndarray, starts: np.ndarray, ends: np.ndarray, silence: list[np.ndarray]) -> np.ndarray:
    """Which windows lie in one stretch of silence, bool `[item]`."""
    silent = np.zeros(len(lanes), bool)
    for lane, stretches in enumerate(silence):
        if not len(stretches):
            continue
        own = np.flatnonzero(lanes == lane)
        place = np.searchsorted(stretches[:, 0], starts[own] + _EDGE_SECONDS, side="right") - 1
        inside = place >= 0
        silent[own[inside]] = stretches[place[inside], 1] >= ends[own[inside]] - _EDGE_SECONDS
    return silent


def path_of(source: Path | MemorySound) -> Path:
    """Where a sound lies; "<memory>" and the like where it does not."""
    return source if isinstance(source, Path) else source.path
