"""Scores of windows → cells of a timeline → events with a beginning and an end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Real

from mmasc.windows.pooling import added_seconds, check_finite, checked_edges

# Edges of windows closer than this are one edge: far below a sample at 768 kHz, far above rounding in seconds.
_EDGE_SECONDS = 1e-7


def timeline_cells(
    scores: Float[np.ndarray, "item class"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"], Float[np.ndarray, "cell class"]]:
    """Divide the time of a recording at every edge of a window; a cell's score is the mean over its windows.

    Args:
        scores: Scores of the windows of one recording.
        starts: Where they start, in seconds, in any order.
        ends: Where they end, in seconds.
    Returns:
        Starts, ends (seconds, float64) and scores (float64) of the cells in the order of time. Cells do not overlap,
        and together they cover what the windows cover; time that no window covers has no cell.
    Raises:
        ValueError: If a window ends before it starts, or a number is not finite.
    """
    begin, end = checked_edges(starts, ends)
    check_finite("scores", scores)
    edges = np.unique(np.concatenate([begin, end]))
    edges = edges[np.concatenate([[True], np.diff(edges) > _EDGE_SECONDS])] if len(edges) else edges
    # The nearest kept edge at or before (edges within the tolerance were merged into the first of them)
    first = np.searchsorted(edges, begin, side="right") - 1
    last = np.searchsorted(edges, end, side="right") - 1
    sums = np.zeros((len(edges), scores.shape[1]))
    # Windows mostly begin, and end, at different edges; then all are added at once, which is faster
    for add, places in ((np.add, first), (np.subtract, last)):
        if len(np.unique(places)) == len(places):
            sums[places] = add(sums[places], scores)
        else:
            add.at(sums, places, scores)
    counts = np.cumsum(np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges)))[:-1]
    covered = counts > 0
    means = np.cumsum(sums, axis=0)[:-1][covered] / counts[covered, None]
    # Adding and taking away leaves rounding behind; a mean never leaves the range of what it is a mean of.
    if means.size:
        means = np.clip(means, scores.min(axis=0), scores.max(axis=0))
    return edges[:-1][covered], edges[1:][covered], means


def joined_cells(
    scores: Float[np.ndarray, "cell class"],
    starts: Float[np.ndarray, " cell"],
    ends: Float[np.ndarray, " cell"],
    seconds: float,
) -> tuple[Float[np.ndarray, " joined"], Float[np.ndarray, " joined"], Float[np.ndarray, "joined class"]]:
    """Join cells that are too short to be judged by themselves with those after them; scores are means over time.

    Where windows overlap unevenly (the last one is moved back to the end of the recording), cells last a fraction of
    the hop; cells as long as the hop stay as they are.

    Args:
        scores: Scores of the cells.
        starts, ends: In seconds, in the order of time; cells do not overlap.
        seconds: Shortest cell that stays by itself. The rest of an unbroken stretch joins the cell before it.
    Returns:
        Starts, ends and scores of cells that are at least so long, unless the whole stretch is shorter; they cover the
        same time.
    """
    if len(starts) == 0:
        return starts, ends, scores
    firsts, begun = [0], starts[0]
    for cell in range(1, len(starts)):
        broken = starts[cell] - ends[cell - 1] > _EDGE_SECONDS
        # Enough before it, and enough from it on to the end of the stretch
        if broken or starts[cell] - begun >= seconds - _EDGE_SECONDS:
            firsts.append(cell)
            begun = starts[cell]
    lasts = [*(first - 1 for first in firsts[1:]), len(starts) - 1]
    groups: list[list[int]] = []
    for first, last in zip(firsts, lasts, strict=True):
        short = ends[last] - starts[first] < seconds - _EDGE_SECONDS
        if short and groups and starts[first] - ends[groups[-1][1]] <= _EDGE_SECONDS:
            groups[-1][1] = last
        else:
            groups.append([first, last])
    # A cell that stays by itself keeps its scores to the last digit
    means = [
        scores[first] if first == last else np.average(scores[first : last + 1], 0, (ends - starts)[first : last + 1])
        for first, last in groups
    ]
    return starts[[first for first, _ in groups]], ends[[last for _, last in groups]], np.array(means)


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
    threshold: float | Mapping[str, float] | None = None,
    multi_label: bool = False,
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
    offset_threshold: float | Mapping[str, float] | None = None,
) -> list[Event]:
    """Join cells of a timeline to events.

    With an offset threshold an event begins with a cell at or above the threshold, and goes on over cells that follow
    at once as long as they are at or above the offset threshold: a score that varies around one number makes one event.

    Args:
        cell_scores: Columns in the order of `labels`.
        cell_starts: Where cells start, in seconds, in the order of time.
        cell_ends: Where they end, in seconds; cells do not overlap.
        labels: Names of the classes.
        threshold: Single-label: a cell whose best score is below carries no label; default: every cell carries one.
            Multi-label: a cell carries every label whose score is at or above. One for all labels, or one for each.
        multi_label: Whether a cell can carry several labels; needs a threshold.
        gap_seconds: Gaps up to this long between cells of a label are bridged. With a single label a gap in which
            another label is heard stays a gap.
        minimum_seconds: Events shorter than this are dropped, after bridging.
        offset_threshold: At most `threshold`; default: the same. With a single label it must still be the best.
    Returns:
        Events in the order of start, end and label (as in `labels`).
    Raises:
        ValueError: If `labels` do not fit the columns, a number is out of range, cells overlap, a label has no
            threshold, an offset threshold lies above its threshold, or `multi_label` comes without a threshold.
    """
    begin, end = checked_edges(cell_starts, cell_ends)
    check_finite("cell_scores", cell_scores)
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
    onsets = _by_label("threshold", threshold, labels)
    offsets = onsets if offset_threshold is None else _by_label("offset_threshold", offset_threshold, labels)
    heard = _heard(cell_scores, onsets, multi_label)
    if offset_threshold is not None:
        if onsets is None or offsets is None or (offsets > onsets).any():
            raise ValueError(f"offset_threshold must be at most threshold, got {offset_threshold} and {threshold}")
        heard = _went_on(heard, _heard(cell_scores, offsets, multi_label), begin[1:] - end[:-1] > _EDGE_SECONDS)
    found = []
    carrying = np.cumsum(heard.any(axis=1))
    for column in range(len(labels)):
        cells = np.flatnonzero(heard[:, column])
        if len(cells) == 0:
            continue
        gaps = begin[cells[1:]] - end[cells[:-1]]
        split = gaps > gap_seconds + _EDGE_SECONDS
        if not multi_label:
            # Cells between two of this label that carry another one
            split |= np.diff(carrying[cells]) > 1
        firsts = np.concatenate([[0], np.flatnonzero(split) + 1])
        lasts = np.append(firsts[1:], len(cells)) - 1
        starts, stops = begin[cells[firsts]], end[cells[lasts]]
        kept = stops - starts >= minimum_seconds - _EDGE_SECONDS
        scores = _means(cell_scores[cells, column], (end - begin)[cells], firsts)
        found.append((starts[kept], stops[kept], np.full(int(kept.sum()), column), scores[kept]))
    if not found:
        return []
    starts, stops, columns, scores = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.lexsort((columns, stops, starts))
    rows = zip(*(values[order].tolist() for values in (starts, stops, columns, scores)), strict=True)
    return [Event(start, stop, labels[column], score) for start, stop, column, score in rows]


def _means(
    scores: Float[np.ndarray, " cell"], seconds: Float[np.ndarray, " cell"], firsts: Int[np.ndarray, " run"]
) -> Float[np.ndarray, " run"]:
    """Means of runs of cells weighted by their time; of cells without any, plain ones."""
    lengths = np.diff(np.append(firsts, len(scores)))
    totals = np.add.reduceat(seconds, firsts)
    weights = np.where(np.repeat(totals > 0, lengths), seconds, 1.0)
    means = np.add.reduceat(scores * weights, firsts) / np.add.reduceat(weights, firsts)
    # A mean must stay in the range of its scores, also after rounding
    return np.clip(means, np.minimum.reduceat(scores, firsts), np.maximum.reduceat(scores, firsts))


def trimmed_events(events: Sequence[Event], seconds: float, begin: float, end: float) -> list[Event]:
    """Events with both edges moved inwards: a window that hears a part of a sound says it for its whole length.

    Args:
        events: From `find_events`.
        seconds: How far, at most a quarter of the event; half the hop is about right where windows overlap by half.
        begin, end: Where the time that was heard begins and ends, in seconds: edges there stay.
    Raises:
        ValueError: If `seconds` is negative or no number.
    """
    if not seconds >= 0:
        raise ValueError(f"seconds must be 0 or more, got {seconds}")
    found = []
    for event in events:
        cut = min(seconds, (event.end - event.start) / 4)
        start = event.start if event.start <= begin + _EDGE_SECONDS else event.start + cut
        stop = event.end if event.end >= end - _EDGE_SECONDS else event.end - cut
        found.append(replace(event, start=start, end=stop))
    return found


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


def _by_label(
    name: str, threshold: float | Mapping[str, float] | None, labels: Sequence[str]
) -> Float[np.ndarray, " class"] | None:
    """A threshold for every column; None where there is none."""
    if threshold is None:
        return None
    if isinstance(threshold, Mapping):
        missing = [label for label in labels if label not in threshold]
        if missing:
            raise ValueError(f"{name} must have every label, it lacks {missing}")
        threshold_of = [threshold[label] for label in labels]
    else:
        threshold_of = [threshold] * len(labels)
    values = np.array(threshold_of, np.float64)
    check_finite(name, values)
    return values


def _heard(
    cell_scores: Float[np.ndarray, "cell class"], thresholds: Float[np.ndarray, " class"] | None, multi_label: bool
) -> np.ndarray:
    """Which cell carries which label, as booleans [cell, class]."""
    if multi_label:
        return cell_scores >= thresholds
    heard = np.zeros(cell_scores.shape, bool)
    heard[np.arange(len(cell_scores)), cell_scores.argmax(axis=1)] = True
    return heard if thresholds is None else heard & (cell_scores >= thresholds)


def _went_on(begins: np.ndarray, goes_on: np.ndarray, broken: np.ndarray) -> np.ndarray:
    """Cells [cell, class] that begin an event or follow, without a break, one that carries the label."""
    heard = begins.copy()
    for cell in range(1, len(heard)):
        if not broken[cell - 1]:
            heard[cell] |= goes_on[cell] & heard[cell - 1]
    return heard
