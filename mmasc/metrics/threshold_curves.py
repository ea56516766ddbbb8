"""Figures of a label at every score from which on its found events may count, each in one pass over the events.

They are those that `segment_counts` and `event_counts` give for the events that score at least so much: the tests hold
one against the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mmasc.metrics.event_matching import matchable, near_events, order_of
from mmasc.metrics.events import EventScores, EventsOf, active_between, scores_of, sides_of, spans_of
from mmasc.windows.timeline import Event

_MOST_THRESHOLDS = 100


class ThresholdScores(NamedTuple):
    """Figures of a label where only events that score at least `threshold` count."""

    threshold: float
    scores: EventScores


def segment_curve(truth: EventsOf, guess: EventsOf, label: str, segment_seconds: float = 1.0) -> list[ThresholdScores]:
    """Segment-based figures of a label at every score of its found events (at most 100, evenly chosen), ascending.

    Args:
        truth: Events by recording.
        guess: Events with scores.
        label: One of the labels.
        segment_seconds: As in `segment_counts`.
    """
    true, said = _of_label(truth, label), _of_label(guess, label)
    sides_of(true, said)
    best, weights, there = [], [], []
    for recording in {*true, *said}:
        events = said.get(recording, [])
        spans = [spans_of(side, (label,), segment_seconds) for side in (true.get(recording, []), events)]
        edges = np.unique(np.concatenate([side[:, 1:].ravel() for side in spans]))
        there.append(active_between(spans[0], edges, 1)[:, 0])
        best.append(_highest(spans[1], np.array([event.score for event in events]), edges))
        weights.append(np.diff(edges))
    scores, segments, is_true = (np.concatenate([np.zeros(0), *parts]) for parts in (best, weights, there))
    return _curve(_levels(said), int(segments @ is_true), (scores, segments), (scores, segments * is_true))


def event_curve(
    truth: EventsOf,
    guess: EventsOf,
    label: str,
    collar_seconds: float = 0.2,
    length_share: float = 0.5,
    with_offset: bool = True,
) -> list[ThresholdScores]:
    """Event-based figures of a label at every score of its found events (at most 100, evenly chosen), ascending.

    Args:
        truth: Events by recording.
        guess: Events with scores.
        label: One of the labels.
        collar_seconds, length_share, with_offset: As in `event_counts`.
    """
    true, said = _of_label(truth, label), _of_label(guess, label)
    sides_of(true, said)
    scores, found = [], []
    for recording, events in said.items():
        ours, theirs = sorted(events, key=order_of), sorted(true.get(recording, []), key=order_of)
        fits: list[list[int]] = [[] for _ in ours]
        for row, columns in enumerate(near_events(theirs, ours, collar_seconds, length_share, with_offset)):
            for column in columns:
                fits[column].append(row)
        by_score = sorted(range(len(ours)), key=lambda one: -ours[one].score)
        found += [ours[one].score for one in matchable(fits, by_score)]
        scores += [event.score for event in ours]
    n_true = sum(map(len, true.values()))
    return _curve(
        _levels(said), n_true, (np.array(scores), np.ones(len(scores))), (np.array(found), np.ones(len(found)))
    )


def best_threshold(curve: Sequence[ThresholdScores]) -> ThresholdScores | None:
    """The point of the highest F1, of equal ones that with the highest threshold; None where no F1 is known.

    It is chosen on the data that it is measured on: on others it will do worse.
    """
    known = [point for point in curve if point.scores.f1 is not None]
    return max(known, key=lambda point: (point.scores.f1, point.threshold), default=None)


def _of_label(side: EventsOf, label: str) -> dict[str, list[Event]]:
    return {recording: [event for event in events if event.label == label] for recording, events in side.items()}


def _levels(said: EventsOf) -> Float[np.ndarray, " level"]:
    levels = np.unique([event.score for events in said.values() for event in events])
    if len(levels) > _MOST_THRESHOLDS:
        levels = levels[np.unique(np.linspace(0, len(levels) - 1, _MOST_THRESHOLDS).round().astype(int))]
    return levels


def _highest(
    spans: Int[np.ndarray, "event 3"], scores: Float[np.ndarray, " event"], edges: Int[np.ndarray, " edge"]
) -> Float[np.ndarray, " gap"]:
    """The highest score of the events in each gap between two edges; minus infinity where there is none."""
    highest = np.full(max(len(edges) - 1, 0), -np.inf)
    free = list(range(len(highest) + 1))  # the next gap from here on that has no score yet
    firsts, lasts = np.searchsorted(edges, spans[:, 1]), np.searchsorted(edges, spans[:, 2])
    for event in np.argsort(-scores, kind="stable").tolist():
        gap, last = int(firsts[event]), int(lasts[event])
        while (gap := _next(free, gap)) < last:
            highest[gap] = scores[event]
            free[gap] = gap + 1
    return highest


def _next(free: list[int], gap: int) -> int:
    while free[gap] != gap:
        free[gap] = free[free[gap]]  # halve the way for those that come later
        gap = free[gap]
    return gap


def _curve(
    levels: np.ndarray, true: int, said: tuple[np.ndarray, np.ndarray], hits: tuple[np.ndarray, np.ndarray]
) -> list[ThresholdScores]:
    """Figures at each level, from the scores and weights of what is found and of what is found correctly."""
    n_said, n_hits = (_at_least(levels, *side) for side in (said, hits))
    return [
        ThresholdScores(level, scores_of(true, s, h, 0, true - h, s - h))
        for level, s, h in zip(levels.tolist(), n_said, n_hits, strict=True)
    ]


def _at_least(levels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> list[int]:
    """The weight of what scores at least so much, for each level."""
    order = np.argsort(scores, kind="stable")
    above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    return above[np.searchsorted(scores[order], levels, side="left")].round().astype(np.int64).tolist()
