"""Labels against labels: the labels of a model, or of a second person, against the true ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mmasc.errors import MmascError, show_path
from mmasc.evaluation.label_sides import events_of, read_side, under_same_names
from mmasc.metrics.events import (
    EventCounts,
    EventScores,
    EventsOf,
    event_counts,
    label_scores,
    macro_scores,
    micro_scores,
    score_intervals,
    segment_counts,
)
from mmasc.metrics.threshold_curves import ThresholdScores, best_threshold, event_curve, segment_curve
from mmasc.printing import counted

_LEVEL = 0.95
_Count = Callable[[EventsOf, EventsOf], EventCounts]
_Curve = Callable[[EventsOf, EventsOf, str], list[ThresholdScores]]


@dataclass(frozen=True)
class LabelFigures:
    """Figures by one way of counting.

    Attributes:
        counted: In words: "segments of 1 s".
        micro: Over all labels and recordings together.
        macro: Means over labels.
        micro_interval, macro_interval: Low and high of each figure, over recordings; None for a single recording.
        labels: Figures of each label.
        totals: For each label, how often it is true, was found, and was found correctly.
        curves: For each label, where all have scores: figures by threshold, ascending.
        best: Its threshold with the highest F1: chosen on these data.
    """

    counted: str
    micro: EventScores
    macro: EventScores
    micro_interval: EventScores | None
    macro_interval: EventScores | None
    labels: dict[str, EventScores]
    totals: dict[str, tuple[int, int, int]]
    curves: dict[str, list[ThresholdScores]] = field(default_factory=dict)
    best: dict[str, ThresholdScores] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelComparison:
    """What `compare_labels` found.

    Attributes:
        recordings: How many were compared.
        segments: Segment-based figures.
        events: Event-based figures.
        remarks: What was left out, one line each.
    """

    recordings: int
    segments: LabelFigures
    events: LabelFigures
    remarks: list[str]


def compare_labels(
    truth: str,
    guess: str,
    segment_seconds: float = 1.0,
    collar_seconds: float = 0.2,
    length_share: float = 0.5,
    with_offset: bool = True,
    all_recordings: bool = False,
    seed: int = 0,
) -> LabelComparison:
    """Compare two sides of labels; each is a label file, a folder of them, COLLECTION or COLLECTION:ANNOTATOR.

    Labels that are "absent" are not events, but say that a recording was listened to; "unsure" ones are left out.

    Args:
        truth: The true labels.
        guess: The labels to test.
        segment_seconds, collar_seconds, length_share, with_offset: See `segment_counts` and `event_counts`.
        all_recordings: Whether recordings of which `truth` says nothing count, as ones in which nothing is true;
            default: they are left out.
        seed: Seed of the intervals.
    Raises:
        MmascError: If a side cannot be read, or they have no recording in common.
        ValueError: If an option is out of range.
    """
    sides = under_same_names(read_side(str(truth)), read_side(str(guess)))
    remarks = [line for side in sides for line in side.remarks]
    for side in sides:
        unsure = sum(row.verdict == "unsure" for rows in side.rows.values() for row in rows)
        if unsure:
            remarks.append(
                f"{show_path(side.name)}: "
                f"{counted(unsure, 'label is unsure and was', 'labels are unsure and were')} left out"
            )
    true, said = events_of(*sides), events_of(sides[1], sides[0])
    if not true or not (true.keys() & said.keys() or all_recordings):
        raise MmascError(
            f"{show_path(sides[0].name)} and {show_path(sides[1].name)} have no recording in common; check the names "
            "of the recordings in both"
        )
    strange = sorted(said.keys() - true.keys())
    if strange and not all_recordings:
        remarks.append(
            f"{counted(len(strange), 'recording')} of {show_path(sides[1].name)} "
            f"{'has' if len(strange) == 1 else 'have'} no labels in {show_path(sides[0].name)} and "
            f"{'was' if len(strange) == 1 else 'were'} left out, the first is {show_path(strange[0])}"
        )
        said = {name: events for name, events in said.items() if name in true}
    by_segments: dict[str, Any] = {"segment_seconds": segment_seconds}
    by_events: dict[str, Any] = {
        "collar_seconds": collar_seconds,
        "length_share": length_share,
        "with_offset": with_offset,
    }
    ways: list[tuple[str, _Count, _Curve]] = [
        (
            f"segments of {segment_seconds:g} s",
            partial(segment_counts, **by_segments),
            partial(segment_curve, **by_segments),
        ),
        (_in_words(**by_events), partial(event_counts, **by_events), partial(event_curve, **by_events)),
    ]
    found = [_figures(words, (count, curve), true, said, sides[1].scored, seed) for words, count, curve in ways]
    return LabelComparison(len({*true, *said}), found[0], found[1], remarks)


def comparison_object(found: LabelComparison) -> dict[str, Any]:
    """The comparison as JSON has it; keys may be added, never renamed."""
    return {
        "recordings": found.recordings,
        "segments": _figures_object(found.segments),
        "events": _figures_object(found.events),
        "remarks": found.remarks,
    }


def comparison_rows(found: LabelComparison) -> list[dict[str, Any]]:
    """The comparison as rows of a table: by way of counting, of all labels together, their mean, and each label."""
    rows = []
    for kind, figures in (("segments", found.segments), ("events", found.events)):
        totals = [sum(values) for values in zip(*figures.totals.values(), strict=True)] or [0, 0, 0]
        lines: list[tuple[str, str, EventScores, tuple[int, ...] | None]] = [
            ("micro", "", figures.micro, tuple(totals)),
            ("macro", "", figures.macro, None),
        ]
        lines += [("label", name, scores, figures.totals[name]) for name, scores in figures.labels.items()]
        for over, name, scores, counts in lines:
            row: dict[str, Any] = {"counted": kind, "over": over, "label": name}
            row |= dict(zip(("true", "said", "hits"), counts or (None, None, None), strict=True))
            best = figures.best.get(name) if over == "label" else None
            row |= scores._asdict() | {
                "best_threshold": best.threshold if best else None,
                "best_f1": best.scores.f1 if best else None,
            }
            rows.append(row)
    return rows


def _in_words(collar_seconds: float, length_share: float, with_offset: bool) -> str:
    words = f"events that begin within {collar_seconds:g} s"
    if not with_offset:
        return words
    return f"{words} and end within {collar_seconds:g} s or {length_share:.0%} of their length"


def _figures(
    words: str,
    way: tuple[_Count, _Curve],
    true: EventsOf,
    said: EventsOf,
    scored: bool,
    seed: int,
) -> LabelFigures:
    count, curve_of = way
    counts = count(true, said)
    several = len(counts.recordings) > 1
    curves = {label: curve_of(true, said, label) for label in counts.labels} if scored else {}
    best = {label: point for label, curve in curves.items() if (point := best_threshold(curve)) is not None}
    totals = [part.sum(axis=0) for part in (counts.true, counts.said, counts.hits)]
    return LabelFigures(
        words,
        micro_scores(counts),
        macro_scores(counts),
        score_intervals(counts, micro_scores, _LEVEL, seed=seed) if several else None,
        score_intervals(counts, macro_scores, _LEVEL, seed=seed) if several else None,
        label_scores(counts),
        {label: tuple(int(part[place]) for part in totals) for place, label in enumerate(counts.labels)},  # type: ignore[misc]
        {label: curve for label, curve in curves.items() if curve},
        best,
    )


def _figures_object(figures: LabelFigures) -> dict[str, Any]:
    labels = {}
    for label, scores in figures.labels.items():
        true, said, hits = figures.totals[label]
        labels[label] = {"true": true, "said": said, "hits": hits, **scores._asdict()}
    return {
        "counted": figures.counted,
        "micro": figures.micro._asdict(),
        "macro": figures.macro._asdict(),
        "micro_interval": None if figures.micro_interval is None else figures.micro_interval._asdict(),
        "macro_interval": None if figures.macro_interval is None else figures.macro_interval._asdict(),
        "labels": labels,
        "curves": {
            label: [{"threshold": point.threshold, **point.scores._asdict()} for point in curve]
            for label, curve in figures.curves.items()
        },
        "best_on_these_data": {
            label: {"threshold": point.threshold, **point.scores._asdict()} for label, point in figures.best.items()
        },
    }
