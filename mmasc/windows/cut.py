"""Waveforms → windows, whole or in blocks; `pooling.py` and `timeline.py` lead back to recordings and events.

In: a mono waveform, whole or in blocks. Out: windows with start and end that together hold every sample. Starts are
rounded once from seconds, start_k = round(k * hop_seconds * sample_rate), never summed from a rounded hop (the HEAR
2021 validator shows the drift that summing causes).
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Window(NamedTuple):
    """A piece of a recording: samples [start, end) of it, and the samples themselves as float32 [time]."""

    start: int
    end: int
    samples: np.ndarray


def window_starts(n_samples: int, window_samples: int, hop_seconds: float, sample_rate: int) -> list[int]:
    """First samples of windows that together hold every sample.

    Args:
        n_samples: Length of the recording.
        window_samples: Length of a window.
        hop_seconds: Seconds from one start to the next; at most a window, so that nothing is skipped. Up to half a
            sample more is taken as the window itself: 0.97 s at 22,050 Hz are not a whole number of samples.
        sample_rate: Sample rate in Hz.
    Returns:
        round(k * hop_seconds * sample_rate) while the window fits, then, where samples are left, the window that ends
        with the recording. A recording not longer than a window gives [0].
    Raises:
        ValueError: If a length is not positive, or the hop is shorter than a sample or longer than a window.
    """
    hop_samples = _hop_samples(window_samples, hop_seconds, sample_rate)
    if n_samples <= 0:
        raise ValueError(f"n_samples must be positive, got {n_samples}")
    last = max(n_samples - window_samples, 0)
    starts: list[int] = []
    while (start := round(len(starts) * hop_samples)) <= last:
        starts.append(start)
    if starts[-1] < last:
        starts.append(last)
    return starts


def cut_segments(
    waveform: Float[Tensor, " time"], sample_rate: int, seconds: float, hop_seconds: float | None = None
) -> tuple[Float[Tensor, "segment samples"], list[float]]:
    """Cut a mono waveform into equal segments; the last one is moved back to end with the waveform.

    Args:
        waveform: Samples in [-1, 1].
        sample_rate: Sample rate in Hz.
        seconds: Length of a segment.
        hop_seconds: Seconds from one start to the next; at most `seconds`, so that nothing is skipped. Default:
            `seconds`.
    Returns:
        The segments, and the second at which each one starts. A waveform shorter than a segment is one segment of its
        own length: padding is the encoder's.
    Raises:
        ValueError: If the waveform is empty or `hop_seconds` is not in (0, seconds].
    Source: the HEAR 2021 validator on drift: each start is rounded once, never summed from a rounded hop.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    window_samples = round(seconds * sample_rate)
    hop_seconds = seconds if hop_seconds is None else hop_seconds
    starts = window_starts(len(waveform), window_samples, hop_seconds, sample_rate)
    segments = torch.stack([waveform[start : start + window_samples] for start in starts])
    return segments, [start / sample_rate for start in starts]


class WindowStream:
    """The windows of `window_starts`, cut while blocks of any sizes come in; holds about two windows of samples.

    Args:
        window_samples: Length of a window.
        hop_seconds: Seconds from one start to the next, as in `window_starts`.
        sample_rate: Sample rate in Hz.
    Raises:
        ValueError: As `window_starts`.
    """

    def __init__(self, window_samples: int, hop_seconds: float, sample_rate: int) -> None:
        self._window_samples = window_samples
        self._hop_samples = _hop_samples(window_samples, hop_seconds, sample_rate)
        # Room for two windows: what must be kept (at most one) moves to the front after at least one more has come,
        # so that every sample is moved once on average, however small the blocks are.
        self._buffer = np.empty(0, np.float32)
        self._first: np.ndarray | None = None  # the first block, which a short recording is cut from without a copy
        self._origin = 0  # sample of the recording at the front of the buffer
        self._received = 0
        self._count = 0
        self._finished = False

    def push(self, block: Float[np.ndarray, " time"]) -> list[Window]:
        """Take the next samples, which nobody writes over any more; return the windows that they complete.

        Raises:
            ValueError: If the stream is finished.
        """
        if self._finished:
            raise ValueError("a finished stream takes no more samples; make a new WindowStream")
        if not self._received:
            return self._push_first(block)
        if not len(self._buffer):
            self._begin_buffer()
        windows = []
        position = 0
        while position < len(block):
            filled = self._received - self._origin
            if filled == len(self._buffer):
                filled = self._make_room()
            taken = min(len(self._buffer) - filled, len(block) - position)
            self._buffer[filled : filled + taken] = block[position : position + taken]
            self._received += taken
            position += taken
            while (start := round(self._count * self._hop_samples)) + self._window_samples <= self._received:
                windows.append(self._window(start, start + self._window_samples))
                self._count += 1
        return windows

    def finish(self) -> list[Window]:
        """End the recording; return the last window where samples are left (none if no sample came).

        Raises:
            ValueError: If the stream is finished already.
        """
        if self._finished:
            raise ValueError("the stream is finished already; make a new WindowStream")
        self._finished = True
        covered = round((self._count - 1) * self._hop_samples) + self._window_samples if self._count else 0
        if covered == self._received:
            return []
        return [self._window(max(self._received - self._window_samples, 0), self._received)]

    def _push_first(self, block: Float[np.ndarray, " time"]) -> list[Window]:
        self._first, self._received = np.require(block, np.float32, ["C", "W"]), len(block)
        windows = []
        while (start := round(self._count * self._hop_samples)) + self._window_samples <= self._received:
            windows.append(self._window(start, start + self._window_samples))
            self._count += 1
        return windows

    def _begin_buffer(self) -> None:
        """Take over of the first block what may still be needed: a window, or all where there is less."""
        assert self._first is not None
        self._buffer = np.empty(2 * self._window_samples, np.float32)
        kept = self._first[-self._window_samples :]
        self._buffer[: len(kept)] = kept
        self._origin, self._first = self._received - len(kept), None

    def _make_room(self) -> int:
        """Move the last window to the front of the buffer; return how many samples stay."""
        # The next window starts no earlier than this, or it would be complete.
        kept = self._window_samples
        self._buffer[:kept] = self._buffer[-kept:]
        self._origin = self._received - kept
        return kept

    def _window(self, start: int, end: int) -> Window:
        if self._first is not None:
            return Window(start, end, self._first[start:end])
        return Window(start, end, self._buffer[start - self._origin : end - self._origin].copy())


def _hop_samples(window_samples: int, hop_seconds: float, sample_rate: int) -> float:
    """The hop in samples, not rounded; at most the window, so that windows touch at least."""
    if window_samples <= 0 or sample_rate <= 0:
        raise ValueError(f"window_samples and sample_rate must be positive, got {window_samples} and {sample_rate}")
    hop_samples = hop_seconds * sample_rate
    if not 0 < hop_samples <= window_samples + 0.5:
        raise ValueError(f"hop_seconds must be in (0, {window_samples / sample_rate:g}], got {hop_seconds}")
    if hop_samples < 1:
        raise ValueError(f"hop_seconds must be at least one sample ({1 / sample_rate:g}), got {hop_seconds}")
    return min(hop_samples, float(window_samples))
