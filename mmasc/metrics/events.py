"""Found events against true ones: precision, recall, F1 and error rate, by segments of time and by whole events.

Source: Mesaros, Heittola and Virtanen 2016, "Metrics for polyphonic sound event detection", Applied Sciences 6(6):162,
sections 3.1 (segment-based) and 3.2 (event-based). Numbers are those of sed_eval with empty answers as zero.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from mmasc.metrics.event_matching import largest_matching, near_events, order_of, substituted
from mmasc.metrics.functions import bootstrap_interval
from mmasc.windows.timeline import Event

EventsOf = Mapping[str, Sequence[Event]]
# Edges this close to the edge of a segment (in segments) are on it: 0.3 / 0.1 is 2.9999999999999996
_ON_THE_EDGE = 1e-6
_MOST_SEGMENTS = 1e15  # a float counts them exactly


class EventScores(NamedTuple):
    """Figures of a comparison; None where nothing is true.

    Attributes:
        precision: Share of the found that is true; 0 where nothing was found.
        recall: Share of the true that was found.
        f1: Harmonic mean of the two.
        error_rate: Sum of the next three.
        substitutions: Another label at the right time, divided by the number of true ones; 0 for a single label.
        deletions: Missed, divided by the number of true ones.
        insertions: Found but not true, divided by the number of true ones.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    error_rate: float | None
    substitutions: float | None
    deletions: float | None
    insertions: float | None


@dataclass(frozen=True)
class EventCounts:
    """Counts of segments, or of events, in every recording.

    Attributes:
        labels: Columns.
        recordings: Rows.
        true, said, hits: Number of true ones, of found ones, and of those found correctly.
        substitutions, deletions, insertions: Over all labels, for each recording.
    """

    labels: tuple[str, ...]
    recordings: tuple[str, ...]
    true: Int[np.ndarray, "recording label"]
    said: Int[np.ndarray, "recording label"]
    hits: Int[np.ndarray, "recording label"]
    substitutions: Int[np.ndarray, " recording"]
    deletions: Int[np.ndarray, " recording"]
    insertions: Int[np.ndarray, " recording"]


def segment_counts(truth: EventsOf, guess: EventsOf, segment_seconds: float = 1.0) -> EventCounts:
    """Count segments: a label is active in every segment that one of its events touches, for however short a time.

    Args:
        truth: Events by recording; recordings of either side count.
        guess: The same of what is tested.
        segment_seconds: Length of a segment; the first begins with the recording.
    Raises:
        ValueError: If the length is not above 0, a time is not finite, or so many segments cannot be counted.
    """
    if not 0 < segment_seconds < math.inf:
        raise ValueError(f"segment_seconds must be above 0, got {segment_seconds}")
    labels, recordings = sides_of(truth, guess)
    counted = []
    for recording in recordings:
        last = max((event.end for side in (truth, guess) for event in side.get(recording, ())), default=0.0)
        if last / segment_seconds > _MOST_SEGMENTS:
            raise ValueError(f"segment_seconds must be longer: {last:g} s cannot be counted in {segment_seconds:g} s")
        sides = [spans_of(side.get(recording, ()), labels, segment_seconds) for side in (truth, guess)]
        # Between two edges nothing changes: no array of all segments is needed
        edges = np.unique(np.concatenate([side[:, 1:].ravel() for side in sides]))
        true, said = (active_between(side, edges, len(labels)) for side in sides)
        weights = np.diff(edges)
        n_true, n_said, n_hits = true.sum(axis=1), said.sum(axis=1), (true & said).sum(axis=1)
        counted.append(
            (
                weights @ true,
                weights @ said,
                weights @ (true & said),
                weights @ (np.minimum(n_true, n_said) - n_hits),
                weights @ np.maximum(n_true - n_said, 0),
                weights @ np.maximum(n_said - n_true, 0),
            )
        )
    return _counts(labels, recordings, counted)


def event_counts(
    truth: EventsOf,
    guess: EventsOf,
    collar_seconds: float = 0.2,
    length_share: float = 0.5,
    with_offset: bool = True,
) -> EventCounts:
    """Count events: one is found by another of its label that begins, and ends, about where it does.

    Pairs are chosen so that as many as possible are found. What is left of both sides and fits except for its label
    is a substitution.

    Args:
        truth: Events by recording; recordings of either side count.
        guess: The same of what is tested.
        collar_seconds: How far beginnings may lie apart.
        length_share: Ends may lie apart as far as the larger of `collar_seconds` and this share of the true event's
            length.
        with_offset: Whether ends count at all.
    Raises:
        ValueError: If an argument is out of range, or a time is not finite.
    """
    if not 0 < collar_seconds < math.inf or not 0 <= length_share <= 1:
        raise ValueError(
            f"collar_seconds must be above 0 and length_share in [0, 1], got {collar_seconds} and {length_share}"
        )
    labels, recordings = sides_of(truth, guess)
    place = {label: column for column, label in enumerate(labels)}
    counted = []
    for recording in recordings:
        true, said = (sorted(side.get(recording, ()), key=order_of) for side in (truth, guess))
        fits = near_events(true, said, collar_seconds, length_share, with_offset)
        pairs = largest_matching(
            [
                [column for column in columns if said[column].label == one.label]
                for columns, one in zip(fits, true, strict=True)
            ]
        )
        swapped = substituted(fits, pairs)
        counts = [np.zeros(len(labels), np.int64) for _ in range(3)]
        for row, events in zip(counts, (true, said, [true[one] for one in pairs]), strict=True):
            np.add.at(row, [place[event.label] for event in events], 1)
        missed, more = len(true) - len(pairs) - swapped, len(said) - len(pairs) - swapped
        counted.append((*counts, swapped, missed, more))
    return _counts(labels, recordings, counted)


def micro_scores(counts: EventCounts, rows: Int[np.ndarray, " row"] | None = None) -> EventScores:
    """Figures over all labels and recordings together.

    Args:
        counts: What was counted.
        rows: Positions of recordings, some of them several times; default: each once.
    """
    chosen = slice(None) if rows is None else rows
    true, said, hits = (int(part[chosen].sum()) for part in (counts.true, counts.said, counts.hits))
    parts = [int(part[chosen].sum()) for part in (counts.substitutions, counts.deletions, counts.insertions)]
    return scores_of(true, said, hits, *parts)


def label_scores(counts: EventCounts, rows: Int[np.ndarray, " row"] | None = None) -> dict[str, EventScores]:
    """Figures of every label by itself: a miss is a deletion, a false alarm is an insertion."""
    chosen = slice(None) if rows is None else rows
    true, said, hits = (part[chosen].sum(axis=0) for part in (counts.true, counts.said, counts.hits))
    return {
        label: scores_of(int(t), int(s), int(h), 0, int(t - h), int(s - h))
        for label, t, s, h in zip(counts.labels, true, said, hits, strict=True)
    }


def macro_scores(counts: EventCounts, rows: Int[np.ndarray, " row"] | None = None) -> EventScores:
    """Means over the labels of `label_scores`, each figure over the labels that have it."""
    of_labels = list(label_scores(counts, rows).values())
    return EventScores(*(_mean([scores[place] for scores in of_labels]) for place in range(len(EventScores._fields))))


def score_intervals(
    counts: EventCounts,
    of: Callable[..., EventScores],
    level: float = 0.95,
    n_draws: int = 1_000,
    seed: int = 0,
) -> EventScores:
    """Percentile intervals (low, high) of `micro_scores` or `macro_scores` over recordings drawn with replacement.

    Args:
        counts: Counts of two recordings or more.
        of: The function.
        level, n_draws, seed: As in `bootstrap_interval`.
    """
    found: dict[bytes, EventScores] = {}

    def figure(name: int) -> Callable[[np.ndarray], float]:
        def value(rows: np.ndarray) -> float:
            key = rows.tobytes()  # every figure is drawn with the same seed
            if key not in found:
                found[key] = of(counts, rows)
            drawn = found[key][name]
            return 0.0 if drawn is None else drawn

        return value

    whole = of(counts)
    return EventScores(
        *(
            None
            if whole[name] is None
            else bootstrap_interval(figure(name), len(counts.recordings), None, level, n_draws, seed)  # type: ignore[arg-type]
            for name in range(len(whole))
        )
    )


def sides_of(truth: EventsOf, guess: EventsOf) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and recordings of both sides, sorted; every time is checked."""
    events = [event for side in (truth, guess) for own in side.values() for event in own]
    for event in events:
        if not (math.isfinite(event.start) and math.isfinite(event.end) and 0 <= event.start <= event.end):
            raise ValueError(f"events must have finite 0 <= start <= end, got {event}")
    return tuple(sorted({event.label for event in events})), tuple(sorted({*truth, *guess}))


def spans_of(events: Sequence[Event], labels: tuple[str, ...], seconds: float) -> Int[np.ndarray, "event 3"]:
    """Column of the label, first segment, and the one after the last; a point in time touches one segment."""
    place = {label: column for column, label in enumerate(labels)}
    spans = []
    for event in events:
        first = math.floor(event.start / seconds + _ON_THE_EDGE)
        spans.append((place[event.label], first, max(math.ceil(event.end / seconds - _ON_THE_EDGE), first + 1)))
    return np.array(spans, np.int64).reshape(-1, 3)


def active_between(spans: Int[np.ndarray, "event 3"], edges: np.ndarray, n_labels: int) -> np.ndarray:
    """Which label is active between which edges, as booleans [gap, label]."""
    changes = np.zeros((max(len(edges), 1), n_labels), np.int64)
    np.add.at(changes, (np.searchsorted(edges, spans[:, 1]), spans[:, 0]), 1)
    np.subtract.at(changes, (np.searchsorted(edges, spans[:, 2]), spans[:, 0]), 1)
    return np.cumsum(changes, axis=0)[:-1] > 0


def _counts(labels: tuple[str, ...], recordings: tuple[str, ...], counted: list[tuple]) -> EventCounts:
    if not counted:
        empty = np.zeros((0, len(labels)), np.int64)
        return EventCounts(labels, recordings, empty, empty, empty, *(np.zeros(0, np.int64) for _ in range(3)))
    parts = [np.array([row[place] for row in counted], np.int64) for place in range(6)]
    parts[:3] = [part.reshape(len(recordings), len(labels)) for part in parts[:3]]
    return EventCounts(labels, recordings, *parts)


def scores_of(true: int, said: int, hits: int, substituted: int, missed: int, more: int) -> EventScores:
    precision = hits / said if said else 0.0 if true else None
    if not true:
        return EventScores(precision, None, None, None, None, None, None)
    recall = hits / true
    f1 = 2 * hits / (true + said)
    return EventScores(
        precision, recall, f1, (substituted + missed + more) / true, substituted / true, missed / true, more / true
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
