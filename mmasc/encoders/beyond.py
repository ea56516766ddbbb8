"""Recordings whose sound lies above what an encoder hears: bats at 40 kHz, with an encoder that hears up to 16 kHz.

Three excerpts of each recording with a high rate are looked at. What counts is what stands out of the noise: a
recorder's own noise lies mostly above 16 kHz, too, and says nothing.
"""

from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from mmasc.encoders.embedding import FileVectors
from mmasc.encoders.spec import EncoderSpec

_LEAST_RATE_HZ = 88_200  # of recordings that are looked at
_EXCERPTS, _EXCERPT_SECONDS = 3, 1.0
_N_FFT = 1024
# Wind and handling noise lie below it, and so does what the window spreads of them
_LOWEST_HZ = 1_500.0
# A cell of the spectrogram stands out so far above the median of its side: of noise one in 2^100 does
_ABOVE_MEDIAN = 100.0
_MOST = 0.5  # share of energy above the reach from which on a recording is named
_SHOWN = 3  # recordings that are named
_SPEEDS = (0.5, 0.2, 0.1, 0.05)
_MARGIN = 0.9  # of the reach that sound may fill once it is slowed down


class BeyondReach:
    """Looks at recordings as they are embedded, and says which of them an encoder hardly hears.

    Args:
        spec: Specification of the encoder.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self._spec, self._reach_hz = spec, spec.sample_rate / 2
        self._found: list[tuple[str, float]] = []  # names, and the frequency below which nearly all of it lies

    def look(self, file: FileVectors) -> None:
        """Look at a recording that went through the encoder; those that say nothing are passed over."""
        if file.sample_rate < _LEAST_RATE_HZ or file.sample_rate / 2 <= self._reach_hz * 1.5 or not len(file.vectors):
            return
        share, highest = energy_above(file.path, self._reach_hz)
        if share > _MOST:
            self._found.append((file.path.name, highest))

    def remarks(self) -> list[str]:
        """One line, where there are such recordings."""
        if not self._found:
            return []
        names = ", ".join(name for name, _ in self._found[:_SHOWN])
        more = f" and {len(self._found) - _SHOWN} more" if len(self._found) > _SHOWN else ""
        highest = max(hz for _, hz in self._found)
        speeds = [one for one in _SPEEDS if highest * one <= self._reach_hz * _MARGIN] or [_SPEEDS[-1]]
        advice = "" if "+speed=" in self._spec.name else f"; embed them with --speed {speeds[0]:g}"
        return [
            f"most of what stands out in {names}{more} is above {self._reach_hz / 1000:g} kHz (up to "
            f"{highest / 1000:.0f} kHz), which {self._spec.name} does not hear{advice}"
        ]


def energy_above(path: Path, reach_hz: float) -> tuple[float, float]:
    """How much of the energy that stands out of the noise of a recording lies above a frequency.

    Args:
        path: A file that libsndfile reads; of others nothing is known.
        reach_hz: The frequency, in Hz.
    Returns:
        The share, from 0 to 1, and the frequency below which 99 % of what is above lies, in Hz; zeros where nothing
        stands out, or the file cannot be read here.
    """
    power, hz = _spectrogram(path)
    if not power.size:
        return 0.0, 0.0
    above = hz > reach_hz
    high = _standing_out(power[:, above])
    low = _standing_out(power[:, (hz >= _LOWEST_HZ) & ~above])
    total = float(high.sum() + low.sum())
    if not high.any():
        return 0.0, 0.0
    growing = np.cumsum(high.sum(0)) / high.sum()
    return float(high.sum()) / total, float(hz[above][int(np.searchsorted(growing, 0.99))])


def _standing_out(power: Float[np.ndarray, "frame frequency"]) -> Float[np.ndarray, "frame frequency"]:
    return np.where(power > _ABOVE_MEDIAN * np.median(power), power, 0.0) if power.size else power


def _spectrogram(path: Path) -> tuple[Float[np.ndarray, "frame frequency"], Float[np.ndarray, " frequency"]]:
    """Power of excerpts from the beginning, the middle and the end, channels mixed."""
    frames = []
    try:
        with soundfile.SoundFile(path) as sound:
            rate, length = sound.samplerate, round(_EXCERPT_SECONDS * sound.samplerate)
            for part in range(_EXCERPTS):
                sound.seek(max(0, (sound.frames - length) * part // (_EXCERPTS - 1)))
                samples = sound.read(length, dtype="float32", always_2d=True).mean(1)
                samples = samples[: len(samples) // _N_FFT * _N_FFT].reshape(-1, _N_FFT)
                frames.append(np.abs(np.fft.rfft(samples * np.blackman(_N_FFT))) ** 2)
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError):
        return np.zeros((0, 0)), np.zeros(0)  # it was decoded otherwise; nothing is said of it
    return np.concatenate(frames), np.fft.rfftfreq(_N_FFT, 1 / rate)
