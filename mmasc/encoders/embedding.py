"""Files to vectors: decode in threads ahead of the network, cut while streaming, embed, keep the order.

Memory does not grow with the length of a recording (only its vectors are kept) nor with the number of recordings.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from mmasc.audio import AudioStatus, stream_audio
from mmasc.audio.memory import MemorySound, Sound, as_source, is_one
from mmasc.encoders.ahead import parts_ahead
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.remote.copies import held, with_copies_ahead
from mmasc.windows.cut import WindowStream
from mmasc.windows.pooling import recording_vector

BLOCK_SECONDS = 30.0  # of audio that travels at once from a decoder to the network
# Sound of a long file that is embedded twice at most, where somebody keeps the parts
KEEP_SECONDS = 600.0
_EDGE_SECONDS = 1e-3  # of sound at the edge of a window of silence that do not make it sound
# Lane, start and end of a window, in samples at the encoder's rate
Place = tuple[int, int, int]


@runtime_checkable
class WindowEncoder(Protocol):
    """What files need of an encoder; every `Encoder` has it.

    Attributes:
        spec: Spec of the encoder: its rate and window count here.
    """

    spec: EncoderSpec

    @property
    def window_samples(self) -> int:
        """Length of a window in samples."""

    @property
    def windows_at_once(self) -> int:
        """How many windows go through the network at once."""

    def embed(self, waveforms: Any) -> np.ndarray:
        """float32 `[window dim]` of windows `[window time]`."""


@runtime_checkable
class Keeper(Protocol):
    """Who keeps the vectors of long files before these are whole, so that an interrupted run can go on inside them."""

    def begun(self, path: Path) -> Mapping[Place, np.ndarray]:
        """Vectors that an earlier run kept, float32 `[dim]` each; of this very content only."""
        ...

    def keep(self, path: Path, places: Sequence[Place], vectors: np.ndarray) -> None:
        """Keep the next windows of a file, float32 `[item dim]`."""
        ...


@dataclass
class FileVectors:
    """What became of one file.

    Attributes:
        path: As it was given; "<memory>" or "<array>" where there was none.
        starts, ends: Starts and ends of the windows, in seconds, float64 `[item]`.
        lanes: Which lane of the channel policy a window comes from, int64 `[item]`; 0 except with "each" and
            "mid-side".
        vectors: float32 `[item dim]`, as the encoder gave them.
        status: ok, truncated or failed, with the reason; a failed file has no windows.
        duration: Decoded seconds.
        sample_rate, channels: Sample rate and channels of the file itself.
        digest: What `digest` of `embed_files` gave.
        silent: Which windows are digital silence and nothing else, bool `[item]`.
    """

    path: Path
    starts: np.ndarray
    ends: np.ndarray
    lanes: np.ndarray
    vectors: np.ndarray
    status: AudioStatus
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    digest: bytes | None = None
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def heard(self) -> np.ndarray:
        """Windows in which there is sound, bool `[item]`."""
        return ~self.silent if len(self.silent) == len(self.vectors) else np.ones(len(self.vectors), bool)

    @property
    def vector(self) -> np.ndarray:
        """The recording's vector, float64 `[dim]`, see `recording_vector`: digital silence does not count."""
        if not len(self.vectors):
            raise MmascError(f"{self.path}: no vector, {self.status.reason}")
        return recording_vector(self.vectors, self.starts, self.ends, self.lanes, self.heard)


def embed_file(
    path: Sound | MemorySound, encoder: WindowEncoder, hop_seconds: float | None = None, channels: str = "mix"
) -> FileVectors:
    """Vectors of one file's windows.

    Args:
        path: Sound, or a video with sound: a file, its bytes, or an open binary file.
        encoder: Encoder from `load_encoder`.
        hop_seconds: Seconds from one window's start to the next; default: the encoder's own.
        channels: "mix", "left", "right", "each" or "mid-side".
    Returns:
        Vectors of its windows, float32 `[item dim]`, with their starts and ends in seconds.
    Raises:
        MmascError: If the file cannot be read.
    """
    result = next(embed_files([path], encoder, hop_seconds, channels, threads=0))
    if result.status.state == "failed":
        raise MmascError(result.status.reason)
    return result


def embed_files(
    paths: Iterable[Sound | MemorySound],
    encoder: WindowEncoder,
    hop_seconds: float | None = None,
    channels: str = "mix",
    threads: int = 1,
    digest: Callable[[Path], bytes] | None = None,
    keeper: Keeper | None = None,
    heard: Callable[[Path, float], None] | None = None,
) -> Iterator[FileVectors]:
    """Vectors of many files' windows, in the order of `paths`; a file that cannot be read comes back as failed.

    Args:
        paths: Files, as `find_audio` lists them, or what else `open_audio` takes.
        encoder: Encoder from `load_encoder`.
        hop_seconds: Seconds from one window's start to the next; default: the encoder's own.
        channels: "mix", "left", "right", "each" or "mid-side".
        threads: Number of threads that decode ahead of the network; 0 decodes in the caller's thread.
        digest: Called with each file once it is decoded, where it was decoded, while its bytes are still in memory.
        keeper: Asked for windows of an earlier run, which are decoded but not embedded again, and given those of files
            that take long: no more than `KEEP_SECONDS` of sound (or what the network takes at once) are not kept.
        heard: Called with a file on its way and the seconds of it that are embedded.
    """
    hop = encoder.spec.hop if hop_seconds is None else float(hop_seconds)
    window = encoder.spec.window_seconds
    if not 0 < hop <= window:
        raise MmascError(f"hop must be above 0 and at most the window of {window:g} s, got {hop:g}")
    files = (as_source(path) for path in ([paths] if is_one(paths) else paths))
    parts_of = partial(_decode_file, encoder=encoder, hop=hop, channels=channels, digest=digest)
    waiting: deque[_Pending] = deque()
    windows: list[tuple[_Pending, int, np.ndarray]] = []
    follow = _Follower(encoder, hop, keeper, heard)
    for part in parts_ahead(with_copies_ahead(files), parts_of, threads):
        if not waiting or waiting[-1].source is not part.source:
            waiting.append(follow.begin(part.source))
        file = waiting[-1]
        for lane, start, end, samples in part.windows:
            item = file.add(lane, start, end)
            if item not in file.vectors:
                windows.append((file, item, samples))
        if part.done is not None:
            file.done = part.done
        while len(windows) >= encoder.windows_at_once:
            windows = _embed_windows(windows, encoder)
            follow.look(waiting)
        if file.begun:
            follow.look(waiting)
        while waiting and waiting[0].complete:
            yield waiting.popleft().result(encoder)
    while windows:
        windows = _embed_windows(windows, encoder)
        follow.look(waiting)
    while waiting:
        yield waiting.popleft().result(encoder)


@dataclass
class _Done:
    status: AudioStatus
    sample_rate: int = 0
    channels: int = 0
    duration: float = 0.0
    digest: bytes | None = None
    silence: list[np.ndarray] = field(default_factory=list)  # of every lane, start and end of silent stretches


@dataclass
class _Part:
    """Some windows of a file (lane, start and end in samples, samples); the last part says how decoding ended."""

    source: Path | MemorySound
    windows: list[tuple[int, int, int, np.ndarray]]
    done: _Done | None = None


@dataclass
class _Pending:
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
    done: _Done | None = None

    def add(self, lane: int, start: int, end: int) -> int:
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
        return list(zip(self.lanes[first:last], self.starts[first:last], self.ends[first:last], strict=True))

    @property
    def complete(self) -> bool:
        return self.done is not None and len(self.vectors) == len(self.starts)

    def result(self, encoder: WindowEncoder) -> FileVectors:
        assert self.done is not None
        rate, count = encoder.spec.sample_rate, len(self.starts)
        vectors = np.stack([self.vectors[item] for item in range(count)]) if count else np.zeros((0, encoder.spec.dim))
        lanes, starts, ends = (np.array(values, np.int64) for values in (self.lanes, self.starts, self.ends))
        if self.done.status.state == "failed":
            lanes, starts, ends, vectors = lanes[:0], starts[:0], ends[:0], vectors[:0]
        order = np.lexsort((starts, lanes))
        # Rounding the length at the encoder's rate must not carry a window past the end of the recording
        seconds = np.minimum(ends[order] / rate, self.done.duration)
        return FileVectors(
            _path(self.source),
            starts[order] / rate,
            seconds,
            lanes[order],
            vectors[order].astype(np.float32),
            self.done.status,
            self.done.duration,
            self.done.sample_rate,
            self.done.channels,
            self.done.digest,
            _silent(lanes[order], starts[order] / rate, seconds, self.done.silence),
        )


class _Follower:
    """What happens with files on their way: parts of long ones are kept, and who listens hears how far they are."""

    def __init__(
        self,
        encoder: WindowEncoder,
        hop: float,
        keeper: Keeper | None,
        heard: Callable[[Path, float], None] | None,
    ) -> None:
        self.rate, self.keeper, self.heard = encoder.spec.sample_rate, keeper, heard
        # What goes through the network at once is lost as well, and lanes come one after the other in a block
        self.least = round((KEEP_SECONDS - encoder.windows_at_once * hop - BLOCK_SECONDS) * self.rate)

    def begin(self, source: Path | MemorySound) -> _Pending:
        """A file whose first part has come."""
        if self.keeper is None or not isinstance(source, Path):
            return _Pending(source)
        return _Pending(source, self.keeper.begun(source))

    def look(self, waiting: Iterable[_Pending]) -> None:
        """Some windows have got vectors."""
        for file in waiting:
            while file.reached in file.vectors:
                file.reached += 1
            if not file.reached or not isinstance(file.source, Path):
                continue
            until = file.ends[file.reached - 1]
            if self.heard is not None:
                self.heard(file.source, until / self.rate)
            if self.keeper is not None and not file.complete and until - file.kept_until >= max(self.least, 1):
                vectors = np.stack([file.vectors[item] for item in range(file.kept, file.reached)])
                self.keeper.keep(file.source, file.places(file.kept, file.reached), vectors.astype(np.float32))
                file.kept, file.kept_until = file.reached, until


def _silent(lanes: np.ndarray, starts: np.ndarray, ends: np.ndarray, silence: list[np.ndarray]) -> np.ndarray:
    """Which windows lie in one stretch of silence, bool `[item]`."""
    silent = np.zeros(len(lanes), bool)
    for lane, stretches in enumerate(silence):
        own = np.flatnonzero(lanes == lane)
        place = np.searchsorted(stretches[:, 0], starts[own] + _EDGE_SECONDS, side="right") - 1
        inside = place >= 0
        silent[own[inside]] = stretches[place[inside], 1] >= ends[own[inside]] - _EDGE_SECONDS
    return silent


def _embed_windows(
    windows: list[tuple[_Pending, int, np.ndarray]], encoder: WindowEncoder
) -> list[tuple[_Pending, int, np.ndarray]]:
    """Embed the windows that are as long as the first one, at most `windows_at_once`; return the others."""
    length = len(windows[0][2])
    alike = [item for item, window in enumerate(windows) if len(window[2]) == length][: encoder.windows_at_once]
    chosen = [windows[item] for item in alike]
    vectors = encoder.embed(torch.from_numpy(np.stack([samples for _, _, samples in chosen])))
    for (file, item, _), vector in zip(chosen, vectors, strict=True):
        file.vectors[item] = vector
    left = set(range(len(windows))).difference(alike)
    return [windows[item] for item in sorted(left)]


def _path(source: Path | MemorySound) -> Path:
    return source if isinstance(source, Path) else source.path


def _decode_file(
    path: Path | MemorySound,
    encoder: WindowEncoder,
    hop: float,
    channels: str,
    digest: Callable[[Path], bytes] | None,
) -> Iterator[_Part]:
    rate, count = encoder.spec.sample_rate, 0
    cutters: list[WindowStream] = []
    try:
        # The copy of a remote recording stays until its digest is known
        copy = held(path) if isinstance(path, Path) else contextlib.nullcontext()
        with copy, stream_audio(path, rate, channels, block_seconds=BLOCK_SECONDS) as stream:
            for block in stream:
                if not cutters:
                    cutters = [WindowStream(encoder.window_samples, hop, rate) for _ in block]
                windows = [(lane, *one) for lane, cutter in enumerate(cutters) for one in cutter.push(block[lane])]
                count += len(windows)
                yield _Part(path, windows)
            content = digest(path) if digest is not None and isinstance(path, Path) else None
    except (MmascError, OSError) as error:
        yield _Part(path, [], _Done(AudioStatus("failed", str(error), None, 0.0)))
        return
    last = [(lane, *window) for lane, cutter in enumerate(cutters) for window in cutter.finish()]
    status = stream.status
    if not count + len(last):
        status = AudioStatus("failed", f"{_path(path)}: holds no sound", status.declared_seconds, 0.0)
    lanes = range(stream.n_lanes)
    silence = [np.array([[0.0, np.inf]]) if stream.is_silent else stream.silence(lane) for lane in lanes]
    done = _Done(status, stream.native_rate, stream.native_channels, status.decoded_seconds, content, silence)
    yield _Part(path, last, done)
