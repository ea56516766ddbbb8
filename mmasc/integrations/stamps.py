"""Vectors at time stamps: of the sound around each."""

import numpy as np
from jaxtyping import Float, Float32

from mmasc.audio.stream import resample
from mmasc.encoders.base import Encoder

_AT_ONCE = 64  # windows of time stamps in memory


def stamp_vectors(
    encoder: Encoder,
    samples: Float32[np.ndarray, " time"],
    sample_rate: int,
    stamps: Float[np.ndarray, " stamp"],
    seconds: float,
) -> Float32[np.ndarray, "stamp dim"]:
    """A vector of the sound around each time stamp, zeros beyond the ends.

    Args:
        encoder: A loaded encoder.
        samples: In [-1, 1] at `sample_rate` in Hz; resampled to the encoder's.
        stamps: In seconds.
        seconds: Length of the sound around a stamp.
    """
    rate = encoder.spec.sample_rate
    length = round(seconds * rate)
    padded = np.pad(resample(samples[None], sample_rate, rate)[0], (length // 2, length))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    starts = np.round(stamps * rate).astype(int)
    parts = [encoder.embed(windows[starts[first : first + _AT_ONCE]]) for first in range(0, len(starts), _AT_ONCE)]
    return np.concatenate(parts)
