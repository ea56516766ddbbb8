"""Pairs of a window of sound and a frame from inside that window, the same ones for the same seed.

A source is a film, or a recording with a photograph (`mmasc.ivf.sources`); each is decoded once
(`mmasc.ivf.decoding`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from safetensors import safe_open

from mmasc.errors import MmascError
from mmasc.ivf.decoding import PairConfig, decoded
from mmasc.ivf.sources import Source
from mmasc.printing import counted
from mmasc.storage.files import make_folders

# Decoded sources that stay in memory
_MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class Pair:
    """A window of sound and a frame from inside it.

    Attributes:
        window: float32 samples at the configuration's rate; silence where the sound is shorter than a window.
        frame: uint8 RGB.
        source: Number of its source.
        start_seconds: Where the window begins.
        frame_seconds: When the frame was seen; a photograph is seen all the time: the middle of the window.
    """

    window: Float[np.ndarray, " time"]
    frame: UInt8[np.ndarray, "size size 3"]
    source: int
    start_seconds: float
    frame_seconds: float


class Pairs:
    """Decoded sources that pairs are drawn from.

    Attributes:
        sources: Those that could be read.
        config: How they were decoded.
        faults: One line for each source that was left out or only partly read.
    """

    def __init__(self, sources: Sequence[Source], files: Sequence[Path], config: PairConfig, faults: list[str]) -> None:
        self.sources, self._files, self.config, self.faults = list(sources), list(files), config, faults
        self._held: dict[int, _Decoded] = {}
        self._lengths: dict[int, _Lengths] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self.sources)

    def draw(self, source: int, generator: np.random.Generator) -> Pair:
        """A frame of a source at random, and a window of sound at random among those that it lies inside of."""
        n_samples, n_frames, times = self._measure(source)
        number = int(generator.integers(n_frames))
        seconds, window = n_samples / self.config.sample_rate, self.config.window_seconds
        at = float(times[number]) if len(times) else float(generator.uniform(0, seconds))
        earliest, latest = max(0.0, at - window), max(0.0, min(at, seconds - window))
        return self._cut(source, number, float(generator.uniform(min(earliest, latest), latest)), at)

    def middle(self, source: int) -> Pair:
        """The frame nearest to the middle of a source, with the window around it: no chance."""
        n_samples, n_frames, times = self._measure(source)
        seconds, window = n_samples / self.config.sample_rate, self.config.window_seconds
        number = int(np.argmin(np.abs(times - seconds / 2))) if len(times) else n_frames // 2
        at = float(times[number]) if len(times) else seconds / 2
        return self._cut(source, number, min(max(0.0, at - window / 2), max(0.0, seconds - window)), at)

    def frames(self, source: int) -> UInt8[np.ndarray, "frame size size 3"]:
        """All frames kept of a source."""
        return self._read(source, "frames", 0, self._measure(source).n_frames)

    def _cut(self, source: int, frame: int, start: float, at: float) -> Pair:
        length, first = self.config.window_samples, round(start * self.config.sample_rate)
        window = self._read(source, "waveform", first, first + length)
        (picture,) = self._read(source, "frames", frame, frame + 1)
        return Pair(np.pad(window, (0, length - len(window))), picture, source, start, at)

    def _measure(self, source: int) -> "_Lengths":
        """Lengths and times of a source; as many whole sources as fit in memory stay there from now on."""
        if source not in self._lengths:
            with safe_open(str(self._files[source]), "pt") as stored:
                n_samples, n_frames = (stored.get_slice(name).get_shape()[0] for name in ("waveform", "frames"))
                # Copies: what is read lies in the file's memory map, which ends with the file
                times = stored.get_tensor("times").clone().numpy()
                self._lengths[source] = _Lengths(n_samples, n_frames, times)
                size = 4 * n_samples + 3 * n_frames * self.config.size**2
                if self._held_bytes + size <= _MOST_BYTES:
                    self._held_bytes += size
                    self._held[source] = _Decoded(
                        *(stored.get_tensor(name).clone().numpy() for name in ("waveform", "frames"))
                    )
        return self._lengths[source]

    def _read(self, source: int, name: str, first: int, last: int) -> np.ndarray:
        """Samples or frames from `first` up to `last`: out of memory, or these alone from the cache."""
        if source in self._held:
            return getattr(self._held[source], name)[first:last]
        with safe_open(str(self._files[source]), "pt") as stored:
            part = stored.get_slice(name)
            return part[first : min(last, part.get_shape()[0])].clone().numpy()


class _Lengths(NamedTuple):
    n_samples: int
    n_frames: int
    times: np.ndarray


class _Decoded(NamedTuple):
    waveform: np.ndarray
    frames: np.ndarray


def prepare_pairs(
    sources: Sequence[Source],
    config: PairConfig,
    cache: str | Path,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Decode every source that the cache does not hold yet.

    Args:
        sources: Sources from `read_sources`.
        config: How they are decoded; another configuration has files of its own in the same cache.
        cache: Folder, made where it is missing; safe to share between runs and processes.
        workers: Processes; 0 decodes in this one. A file that kills its worker is named and left out.
        progress: Called with the number done and the total.
    Returns:
        The sources that can be used, and what was wrong with others.
    Raises:
        MmascError: If none can be used; the first fault is named.
    """
    cache = Path(cache)
    make_folders(cache)
    results: dict[int, tuple[Path | None, list[str]]] = {}
    for number, result in decoded(sources, config, cache, workers):
        results[number] = result
        if progress is not None:
            progress(len(results), len(sources))
    faults = [fault for number in sorted(results) for fault in results[number][1]]
    kept = [(sources[number], file) for number, (file, _) in sorted(results.items()) if file is not None]
    if not kept:
        raise MmascError(f"none of the {counted(len(sources), 'pair')} can be used; the first fault: {faults[0]}")
    return Pairs([source for source, _ in kept], [file for _, file in kept], config, faults)
