"""Tiny recordings, and two stand-in encoders whose vectors are worked out from the samples a second time, in numpy.

Every number of a vector is one sample of the window, or its largest or smallest: float32 holds them without rounding,
so both ways agree to the last bit.
"""

import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import EncoderSpec

RATE = 1_000  # Hz
_HEADER_BYTES = 44


@dataclass(frozen=True)
class Sound:
    """What is in a file: noise by rule; `state` is "ok", "truncated" (the header says more) or "failed" (no sound)."""

    seed: int
    length: int
    state: str = "ok"

    @property
    def duration(self) -> float:
        """In seconds."""
        return self.length / RATE

    def samples(self) -> np.ndarray:
        """float32 `[time]`, none of them zero."""
        generator = np.random.default_rng(self.seed)
        signs = generator.choice([-1, 1], self.length)
        return (signs * generator.integers(1, 30_000, self.length)).astype(np.float32) / 32_768

    def write(self, path: Path) -> None:
        """Make the file."""
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((self.samples() * 32_768).astype("<i2").tobytes())
        data = path.read_bytes()
        if self.state == "truncated":
            more = (len(data) - _HEADER_BYTES + 2 * RATE).to_bytes(4, "little")
            path.write_bytes(data[:40] + more + data[_HEADER_BYTES:])
        elif self.state == "failed":
            path.write_bytes(b"no sound at all!" + data[16:])


@dataclass(frozen=True)
class SpaceOf:
    """How a stand-in encoder cuts and what it makes of a window; `picks` are samples of it."""

    name: str
    identity: str
    window: int
    hop: int
    picks: tuple[int, ...]
    extremes: bool

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return len(self.picks) + 2 * self.extremes

    def encoder(self) -> Encoder:
        """The encoder as mmasc takes it."""
        spec = EncoderSpec(
            self.name, "", RATE, self.window / RATE, self.dim, ("audio", "text"), description="samples of the window"
        )
        encoder = StandIn(spec)
        encoder.identity, encoder.picks, encoder.extremes = self.identity, list(self.picks), self.extremes
        return encoder


SPACES = {
    "wide": SpaceOf("wide", "0a" * 16, 100, 100, (0, 50), True),
    "narrow": SpaceOf("narrow", "1b" * 16, 60, 40, (0, 20, 40), False),
}


class StandIn(Encoder):
    """Some samples of a window, and perhaps its extremes; a text is its letters' counts."""

    logit_scale = 10.0
    picks: list[int]
    extremes: bool

    def _audio(self, waveforms):
        parts = [waveforms[:, self.picks]]
        if self.extremes:
            parts.append(torch.stack([waveforms.amax(1), waveforms.amin(1)], 1))
        return torch.cat(parts, 1)

    def _text(self, texts):
        letters = "abcd"[: self.spec.dim]
        return np.array([[text.count(letter) for letter in letters] for text in texts], np.float32) + 0.1

    def parameter_counts(self):
        return 0, 0


Window = tuple[float, float, bytes]  # start and end in seconds, the vector's bytes


@lru_cache(maxsize=100_000)
def windows_of(sound: Sound, space: str) -> tuple[Window, ...]:
    """The windows of a sound: every hop one, and a last one moved back so that it ends with the sound."""
    of, samples = SPACES[space], sound.samples()
    starts = list(range(0, max(sound.length - of.window, 0) + 1, of.hop))
    if starts[-1] + of.window < sound.length:
        starts.append(sound.length - of.window)
    windows = []
    for start in starts:
        window = np.zeros(of.window, np.float32)
        inside = samples[start : start + of.window]
        window[: len(inside)] = inside
        vector = [*window[list(of.picks)], *([window.max(), window.min()] if of.extremes else [])]
        windows.append((start / RATE, (start + len(inside)) / RATE, np.array(vector, np.float32).tobytes()))
    return tuple(windows)


def recording_vector(sound: Sound, space: str) -> np.ndarray:
    """float64 `[dim]`: the mean of the windows' vectors, each weighted by the samples that no earlier one has."""
    total, reached = 0.0, 0.0
    for start, end, vector in windows_of(sound, space):
        total = total + (end - max(start, reached)) * np.frombuffer(vector, np.float32).astype(np.float64)
        reached = end
    return total / reached
