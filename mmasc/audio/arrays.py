"""Waveforms in memory, of any shape, type and rate, as the sound files they would be."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float32

from mmasc.audio.memory import MemorySound
from mmasc.inputs import as_numbers

_NAME = Path("<array>")  # where others have the path of a file
_RATES_HZ = (1_000, 768_000)
_MOST_CHANNELS = 1_024
# An array of so many rows of so few samples is [time, channel], as soundfile and SciPy read files
_FEW_CHANNELS = 32
_MANY_SAMPLES = 64
# Integer types that recordings come in; what others count is not known. Zero of the unsigned ones lies in their middle
_FULL_SCALE = {"int8": 1 << 7, "uint8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}


def array_sound(waveform: Any, sample_rate: Any) -> MemorySound:
    """A waveform as a sound file in memory, so that it is heard just as its file would be.

    Args:
        waveform: `[time]` or `[channel time]`; numpy, torch or lists. `[time channel]` is taken where there are more
            than 64 rows and at most 32 columns. Floats in [-1, 1] (more is kept, as in float files), or int8, uint8,
            int16, int32, whose range becomes [-1, 1].
        sample_rate: In Hz, 1,000 to 768,000.
    Returns:
        The bytes of a float32 file.
    Raises:
        ValueError: If the shape, type or rate is wrong.
    """
    samples, rate = _as_channels(_as_float(_as_array(waveform))), _as_rate(sample_rate)
    if len(samples) > _MOST_CHANNELS:
        raise ValueError(f"waveform must have at most {_MOST_CHANNELS} channels, got {list(samples.shape)}")
    content = io.BytesIO()
    # W64 is WAV without its limit of 4 GB
    soundfile.write(content, samples.T, rate, "FLOAT", format="W64")
    return MemorySound(content.getvalue(), _NAME)


def _as_array(waveform: Any) -> np.ndarray:
    if np.ma.is_masked(waveform):
        raise ValueError("waveform has masked samples: fill them, waveform.filled(0)")
    try:
        return as_numbers(waveform)
    except ValueError as error:
        raise ValueError("waveform must be [time] or [channel, time], got lists of different lengths") from error


def _as_float(waveform: np.ndarray) -> Float32[np.ndarray, "*any"]:
    """Samples in [-1, 1] by the range of their type."""
    kind, letter = waveform.dtype.name, waveform.dtype.kind
    if letter == "f" or not waveform.size:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused as such where it is read
            return waveform.astype(np.float32)
    if kind not in _FULL_SCALE:
        fix = "; its range is not known: divide by full scale, or convert to int16" if letter in "iu" else ""
        raise ValueError(f"waveform must be floats in [-1, 1] or {', '.join(_FULL_SCALE)}, got {kind}{fix}")
    full_scale = np.float32(_FULL_SCALE[kind])
    samples = waveform.astype(np.float32)
    return (samples - full_scale) / full_scale if letter == "u" else samples / full_scale


def _as_channels(samples: Float32[np.ndarray, "*any"]) -> Float32[np.ndarray, "channel time"]:
    shape = list(samples.shape)
    if samples.ndim == 1:
        return samples[None]
    if samples.ndim != 2:
        raise ValueError(f"waveform must be [time] or [channel, time], got {shape}: give one recording at a time")
    rows, columns = shape
    if not samples.size:
        return samples.reshape(1, 0)
    if rows <= columns:
        return samples
    if rows > _MANY_SAMPLES and columns <= _FEW_CHANNELS:
        return samples.T
    raise ValueError(f"waveform must be [channel, time], got {shape}: give waveform.T if it is [time, channel]")


def _as_rate(sample_rate: Any) -> int:
    low, high = _RATES_HZ
    # A rate out of a data set in the format of torch or NumPy is an array of one number
    if getattr(sample_rate, "shape", None) == () and callable(getattr(sample_rate, "item", None)):
        sample_rate = sample_rate.item()
    number = isinstance(sample_rate, int | float | np.integer | np.floating) and not isinstance(sample_rate, bool)
    if not number or not low <= sample_rate <= high or sample_rate != int(sample_rate):
        raise ValueError(f"sample_rate must be a whole number of {low} to {high} Hz, got {sample_rate!r}")
    return int(sample_rate)
