"""Vectors at time stamps: of the sound around each."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from mmasc.audio.stream import resample
from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import EncoderSpec
from mmasc.inputs import as_numbers

_SECONDS = 1.0  # of sound around a time stamp; the vector of a whole window says little of its middle
_AT_ONCE = 64  # windows of time stamps in memory


def seconds_around(spec: EncoderSpec) -> float:
    """Seconds of sound around a time stamp: one, or what the encoder needs at least or hears at most."""
    return min(spec.window_seconds, max(_SECONDS, spec.minimum_seconds))


def stamp_vectors(
    encoder: Encoder, sounds: Any, sample_rate: int, hop_seconds: float, seconds: float
) -> tuple[Float32[np.ndarray, "sound stamp dim"], Float[np.ndarray, " stamp"]]:
    """Vectors of the sound around time stamps, zeros beyond the ends, and the stamps in seconds: from 0 to the end.

    Args:
        encoder: A loaded encoder.
        sounds: Samples in [-1, 1] `[sound time]`, of numpy or torch; resampled to the encoder's rate.
        sample_rate: Sample rate of the sounds, in Hz.
        hop_seconds: From one stamp to the next; each is a multiple of it, so that none drifts.
        seconds: Length of the sound around a stamp.
    Raises:
        ValueError: If the hop or the length is not above 0.
    """
    if not (hop_seconds > 0 and seconds > 0):
        raise ValueError(f"hop_seconds and stamp_seconds must be above 0, got {hop_seconds} and {seconds}")
    samples, rate = as_numbers(sounds).astype(np.float32), encoder.spec.sample_rate
    stamps = np.arange(int(samples.shape[1] / sample_rate / hop_seconds + 1e-9) + 1) * hop_seconds
    length, starts, rows = round(seconds * rate), np.round(stamps * rate).astype(int), []
    for one in samples:
        padded = np.pad(resample(one[None], sample_rate, rate)[0], (length // 2, length))
        windows = np.lib.stride_tricks.sliding_window_view(padded, length)
        parts = [encoder.embed(windows[starts[first : first + _AT_ONCE]]) for first in range(0, len(starts), _AT_ONCE)]
        rows.append(np.concatenate(parts))
    return np.stack(rows) if rows else np.zeros((0, len(stamps), encoder.spec.dim), np.float32), stamps
