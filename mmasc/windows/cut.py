"""Windows of a recording, and the way back: from the scores of windows to recordings, timelines and events.

In: a mono waveform, whole or in blocks. Out: windows with start and end that together hold every sample. Starts are
rounded once from seconds, start_k = round(k * hop_seconds * sample_rate), never summed from a rounded hop (the HEAR
2021 validator shows the drift that summing causes).

On the way back time is counted once: a window weighs as much as it adds to what earlier windows covered, so the last
window, which is moved back to end with the recording, does not count its overlap twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor

# Edges of windows closer than this are one edge: far below a sample at 768 kHz, far above rounding in seconds.
_EDGE_SECONDS = 1e-7


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
        hop_seconds: From one start to the next; at most a window, so that nothing is skipped. Up to half a sample
            more is taken as the window itself: 0.97 s at 22,050 Hz are no whole number of samples.
        sample_rate: In Hz.
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
        sample_rate: In Hz.
        seconds: Length of a segment.
        hop_seconds: From one start to the next; at most `seconds`, so that nothing is skipped. Default: `seconds`.
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
        hop_seconds: From one start to the next, as in `window_starts`.
        sample_rate: In Hz.
    Raises:
        ValueError: As `window_starts`.
    """

    def __init__(self, window_samples: int, hop_seconds: float, sample_rate: int) -> None:
        self._window_samples = window_samples
        self._hop_samples = _hop_samples(window_samples, hop_seconds, sample_rate)
        # Room for two windows: what must be kept (at most one) moves to the front after at least one more has come,
        # so that every sample is moved once on average, however small the blocks are.
        self._buffer = np.empty(2 * window_samples, np.float32)
        self._origin = 0  # sample of the recording at the front of the buffer
        self._received = 0
        self._count = 0
        self._finished = False

    def push(self, block: Float[np.ndarray, " time"]) -> list[Window]:
        """Take the next samples; return the windows that they complete.

        Raises:
            ValueError: If the stream is finished.
        """
        if self._finished:
            raise ValueError("a finished stream takes no more samples; make a new WindowStream")
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

    def _make_room(self) -> int:
        """Move the last window to the front of the buffer; return how many samples stay."""
        # The next window starts no earlier than this, or it would be complete.
        kept = self._window_samples
        self._buffer[:kept] = self._buffer[-kept:]
        self._origin = self._received - kept
        return kept

    def _window(self, start: int, end: int) -> Window:
        return Window(start, end, self._buffer[start - self._origin : end - self._origin].copy())


def added_seconds(
    starts: Real[np.ndarray, " item"] | Sequence[float], ends: Real[np.ndarray, " item"] | Sequence[float]
) -> Float[np.ndarray, " item"]:
    """The time each window adds to what the windows that start earlier covered.

    Args:
        starts: Where windows start, in seconds, in any order.
        ends: Where they end, in seconds.
    Returns:
        Seconds as float64, in the order given; they sum to the covered duration.
    Raises:
        ValueError: If a window ends before it starts, or a number is not finite.
    """
    begin, end = _edges(starts, ends)
    if len(begin) == 0:
        return np.zeros(0)
    order = np.lexsort((end, begin))
    covered = np.concatenate([[-np.inf], np.maximum.accumulate(end[order])[:-1]])
    added = np.empty(len(begin))
    added[order] = np.maximum(end[order] - np.maximum(begin[order], covered), 0.0)
    return added


def recording_vector(
    vectors: Float[np.ndarray, "item dim"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> Float[np.ndarray, " dim"]:
    """Vector of a recording: the mean of its windows' vectors, weighted by the time that each adds.

    Args:
        vectors: Of the windows of one recording.
        starts: Where they start, in seconds.
        ends: Where they end, in seconds.
    Returns:
        The mean in the type of `vectors`; not normalised.
    Raises:
        ValueError: If there is no window, or the windows cover no time.
    """
    return _mean_by_time(vectors, starts, ends)


def recording_scores(
    scores: Float[np.ndarray, "item class"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> Float[np.ndarray, " class"]:
    """Scores of a recording: the mean of its windows' scores, weighted by the time that each adds.

    Args:
        scores: Of the windows of one recording.
        starts: Where they start, in seconds.
        ends: Where they end, in seconds.
    Returns:
        The mean in the type of `scores`; rows that sum to 1 give a mean that does.
    Raises:
        ValueError: If there is no window, or the windows cover no time.
    """
    return _mean_by_time(scores, starts, ends)


def timeline_cells(
    scores: Float[np.ndarray, "item class"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"], Float[np.ndarray, "cell class"]]:
    """Divide the time of a recording at every edge of a window; a cell's score is the mean over its windows.

    Args:
        scores: Of the windows of one recording.
        starts: Where they start, in seconds, in any order.
        ends: Where they end, in seconds.
    Returns:
        Starts, ends (seconds, float64) and scores (float64) of the cells in the order of time. Cells do not overlap,
        and together they cover what the windows cover; time that no window covers has no cell.
    Raises:
        ValueError: If a window ends before it starts, or a number is not finite.
    """
    begin, end = _edges(starts, ends)
    _check_finite("scores", scores)
    edges = np.unique(np.concatenate([begin, end]))
    edges = edges[np.concatenate([[True], np.diff(edges) > _EDGE_SECONDS])] if len(edges) else edges
    # The nearest kept edge at or before (edges within the tolerance were merged into the first of them)
    first = np.searchsorted(edges, begin, side="right") - 1
    last = np.searchsorted(edges, end, side="right") - 1
    sums = np.zeros((len(edges), scores.shape[1]))
    counts = np.zeros(len(edges), np.int64)
    np.add.at(sums, first, scores)
    np.subtract.at(sums, last, scores)
    np.add.at(counts, first, 1)
    np.subtract.at(counts, last, 1)
    counts = np.cumsum(counts)[:-1]
    covered = counts > 0
    means = np.cumsum(sums, axis=0)[:-1][covered] / counts[covered, None]
    # Adding and taking away leaves rounding behind; a mean never leaves the range of what it is a mean of.
    if means.size:
        means = np.clip(means, scores.min(axis=0), scores.max(axis=0))
    return edges[:-1][covered], edges[1:][covered], means


@dataclass(frozen=True)
class Event:
    """A label from `start` to `end` (seconds) with the time-weighted mean score of the cells that carry it."""

    start: float
    end: float
    label: str
    score: float


def find_events(
    cell_scores: Float[np.ndarray, "cell class"],
    cell_starts: Real[np.ndarray, " cell"],
    cell_ends: Real[np.ndarray, " cell"],
    labels: Sequence[str],
    threshold: float | None = None,
    multi_label: bool = False,
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
) -> list[Event]:
    """Join cells of a timeline to events.

    Args:
        cell_scores: Columns in the order of `labels`.
        cell_starts: Where cells start, in seconds, in the order of time.
        cell_ends: Where they end, in seconds; cells do not overlap.
        labels: Names of the classes.
        threshold: Single-label: a cell whose best score is below carries no label; default: every cell carries one.
            Multi-label: a cell carries every label whose score is at or above.
        multi_label: Whether a cell can carry several labels; needs a threshold.
        gap_seconds: Gaps up to this long between cells of a label are bridged. With a single label a gap in which
            another label is heard stays a gap.
        minimum_seconds: Events shorter than this are dropped, after bridging.
    Returns:
        Events in the order of start, end and label (as in `labels`).
    Raises:
        ValueError: If `labels` do not fit the columns, a number is out of range, cells overlap, or `multi_label` comes
            without a threshold.
    """
    begin, end = _edges(cell_starts, cell_ends)
    _check_finite("cell_scores", cell_scores)
    if len(labels) != cell_scores.shape[1] or len(set(labels)) != len(labels):
        raise ValueError(f"labels must be {cell_scores.shape[1]} different names, got {list(labels)}")
    if multi_label and threshold is None:
        raise ValueError("multi_label needs a threshold")
    if not gap_seconds >= 0 or not minimum_seconds >= 0:
        raise ValueError(
            f"gap_seconds and minimum_seconds must not be negative, got {gap_seconds} and {minimum_seconds}"
        )
    if (begin[1:] < end[:-1] - _EDGE_SECONDS).any():
        raise ValueError("cells must be in the order of time and must not overlap")
    if len(begin) == 0 or len(labels) == 0:
        return []
    heard = _heard(cell_scores, threshold, multi_label)
    events = []
    for column, label in enumerate(labels):
        cells = np.flatnonzero(heard[:, column])
        if len(cells) == 0:
            continue
        gaps = begin[cells[1:]] - end[cells[:-1]]
        split = gaps > max(gap_seconds, 0.0) + _EDGE_SECONDS
        if not multi_label:
            # Cells between two of this label that carry another one
            carrying = np.cumsum(heard.any(axis=1))
            split |= np.diff(carrying[cells]) > 1
        for run in np.split(cells, np.flatnonzero(split) + 1):
            start, stop = float(begin[run[0]]), float(end[run[-1]])
            if stop - start < minimum_seconds - _EDGE_SECONDS:
                continue
            seconds = end[run] - begin[run]
            score = float(np.average(cell_scores[run, column], weights=seconds if seconds.sum() > 0 else None))
            events.append((start, stop, column, Event(start, stop, label, score)))
    return [event for *_, event in sorted(events, key=lambda item: item[:3])]


def class_seconds(events: Sequence[Event], labels: Sequence[str]) -> dict[str, float]:
    """Time that each label covers, in seconds: never a count of windows, and no moment twice for one label.

    Args:
        events: From `find_events`, in any order.
        labels: The classes; each is in the result, 0 where it was not heard.
    Returns:
        label -> seconds, in the order of `labels`. Single-label events without threshold sum to the covered duration;
        multi-label ones can sum to more.
    Raises:
        ValueError: If an event carries a label that is not in `labels`.
    """
    unknown = sorted({event.label for event in events} - set(labels))
    if unknown:
        raise ValueError(f"events carry labels that are not in labels: {unknown}")
    seconds = {}
    for label in labels:
        own = [event for event in events if event.label == label]
        seconds[label] = float(added_seconds([event.start for event in own], [event.end for event in own]).sum())
    return seconds


def _hop_samples(window_samples: int, hop_seconds: float, sample_rate: int) -> float:
    """The hop in samples, not rounded; at most the window, so that windows touch at least."""
    if window_samples <= 0 or sample_rate <= 0:
        raise ValueError(f"window_samples and sample_rate must be positive, got {window_samples} and {sample_rate}")
    hop_samples = hop_seconds * sample_rate
    if not 0 < hop_samples <= window_samples + 0.5:
        raise ValueError(f"hop_seconds must be in (0, {window_samples / sample_rate:g}], got {hop_seconds}")
    if hop_samples < 1:
        raise ValueError(f"hop_seconds must be a sample at least ({1 / sample_rate:g}), got {hop_seconds}")
    return min(hop_samples, float(window_samples))


def _edges(
    starts: Real[np.ndarray, " item"] | Sequence[float], ends: Real[np.ndarray, " item"] | Sequence[float]
) -> tuple[Float[np.ndarray, " item"], Float[np.ndarray, " item"]]:
    begin, end = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    _check_finite("starts", begin)
    _check_finite("ends", end)
    if (end < begin).any():
        wrong = int(np.argmax(end < begin))
        raise ValueError(f"a window must not end before it starts, got {begin[wrong]:g} to {end[wrong]:g}")
    return begin, end


def _check_finite(name: str, values: Float[np.ndarray, "*any"]) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def _mean_by_time(
    values: Float[np.ndarray, "item number"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> Float[np.ndarray, " number"]:
    added = added_seconds(starts, ends)
    if not added.sum() > 0:
        raise ValueError(f"windows must cover some time, got {len(added)} windows that cover none")
    return (added / added.sum() @ values.astype(np.float64)).astype(values.dtype)


def _heard(cell_scores: Float[np.ndarray, "cell class"], threshold: float | None, multi_label: bool) -> np.ndarray:
    """Which cell carries which label, as booleans [cell, class]."""
    if multi_label:
        return cell_scores >= threshold
    heard = np.zeros(cell_scores.shape, bool)
    heard[np.arange(len(cell_scores)), cell_scores.argmax(axis=1)] = True
    return heard if threshold is None else heard & (cell_scores >= threshold)
