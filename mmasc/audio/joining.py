"""Pieces of sound of any rate and number of channels, brought to those of the first."""

from collections.abc import Iterator

import numpy as np
import soxr
from jaxtyping import Float


class ChunkReader:
    """Reads of any length from chunks of other lengths.

    Args:
        chunks: float32 [channel time].
        channels: Number of channels of every chunk.
    """

    def __init__(self, chunks: Iterator[np.ndarray], channels: int) -> None:
        self._chunks, self._channels = chunks, channels
        self._waiting: list[np.ndarray] = []
        self._n_waiting = 0

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames; fewer at the end."""
        while self._n_waiting < frames and (part := next(self._chunks, None)) is not None:
            self._waiting.append(part)
            self._n_waiting += part.shape[1]
        if not self._waiting:
            return np.zeros((self._channels, 0), np.float32)
        joined = np.concatenate(self._waiting, axis=1)
        self._waiting = [joined[:, frames:]] if joined.shape[1] > frames else []
        self._n_waiting = max(joined.shape[1] - frames, 0)
        return joined[:, :frames]


def uniform(chunks: Iterator[tuple[int, np.ndarray]], sample_rate: int, channels: int) -> Iterator[np.ndarray]:
    """(rate, float32 [channel time]) chunks at one rate and with one number of channels; others become their mean."""
    converter, converted_rate = None, 0
    for rate, chunk in chunks:
        if converter is not None and rate != converted_rate:
            yield converter.resample_chunk(np.zeros((0, channels), np.float32), last=True).T
            converter = None
        if len(chunk) != channels:
            mean = chunk.mean(axis=0, dtype=np.float32)
            chunk = np.repeat(mean[None], channels, axis=0)
        if rate == sample_rate:
            yield chunk
        elif rate > 0:
            if converter is None:
                converter = soxr.ResampleStream(rate, sample_rate, channels, dtype="float32", quality="HQ")
                converted_rate = rate
            yield converter.resample_chunk(np.ascontiguousarray(chunk.T)).T
    if converter is not None:
        yield converter.resample_chunk(np.zeros((0, channels), np.float32), last=True).T
