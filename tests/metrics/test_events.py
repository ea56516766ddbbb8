"""Figures of events: equal to recorded answers of sed_eval, to a raster of segments and to every possible pairing."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmasc.metrics.events import (
    event_counts,
    label_scores,
    macro_scores,
    micro_scores,
    score_intervals,
    segment_counts,
)
from mmasc.metrics.functions import bootstrap_interval
from mmasc.windows.timeline import Event

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "sed_eval.json").read_text())["cases"]
NAMES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "f_measure",
    "error_rate": "error_rate",
    "substitutions": "substitution_rate",
    "deletions": "deletion_rate",
    "insertions": "insertion_rate",
}

ERRORS = ("error_rate", "substitutions", "deletions", "insertions")


def events_of(side):
    return {name: [Event(start, end, label, 1.0) for start, end, label in rows] for name, rows in side.items()}


def counted(options, truth, guess):
    kind, *values = options.split()
    if kind == "segment":
        return segment_counts(truth, guess, float(values[0]))
    return event_counts(truth, guess, float(values[0]), float(values[1]), values[2] == "True")


def assert_same(scores, answer, with_errors=True):
    for ours, theirs in NAMES.items():
        expected, value = answer.get(theirs), getattr(scores, ours)
        if theirs not in answer or (not with_errors and ours in ERRORS):
            continue  # sed_eval has no substitutions of a single label, and divides by an epsilon where nothing is true
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-9)), ours


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["name"])
def test_figures_are_those_of_sed_eval(case):
    truth, guess = events_of(case["truth"]), events_of(case["guess"])
    assert case["answers"]
    for options, answer in case["answers"].items():
        counts = counted(options, truth, guess)
        assert_same(micro_scores(counts), answer["micro"])
        assert set(label_scores(counts)) == set(answer["labels"])
        for label, scores in label_scores(counts).items():
            of_label = answer["labels"][label]
            assert_same(scores, of_label, with_errors=of_label["recall"] is not None)
        all_true = counts.true.sum(axis=0).all()
        assert_same(macro_scores(counts), answer["macro"], with_errors=all_true)


MOMENTS = st.integers(0, 24).map(lambda value: value / 4)
EVENTS = st.lists(
    st.builds(
        lambda start, length, label: Event(start, start + length, label, 1.0),
        MOMENTS,
        st.integers(1, 12).map(lambda value: value / 4),
        st.sampled_from("xy"),
    ),
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(true=EVENTS, said=EVENTS, seconds=st.sampled_from([0.25, 0.5, 0.75, 1.0]))
def test_segments_are_those_of_a_raster(true, said, seconds):
    counts = segment_counts({"a": true}, {"a": said}, seconds)
    n = int(12 / seconds)
    rasters = []
    for events in (true, said):
        raster = np.zeros((n, len(counts.labels)), bool)
        for event in events:
            for cell in range(n):
                if event.start < (cell + 1) * seconds and event.end > cell * seconds:
                    raster[cell, counts.labels.index(event.label)] = True
        rasters.append(raster)
    t, s = rasters
    assert counts.true.tolist() == [t.sum(axis=0).tolist()]
    assert counts.said.tolist() == [s.sum(axis=0).tolist()]
    assert counts.hits.tolist() == [(t & s).sum(axis=0).tolist()]
    missed, more = (t & ~s).sum(axis=1), (s & ~t).sum(axis=1)
    assert counts.substitutions.sum() == np.minimum(missed, more).sum()
    assert counts.deletions.sum() == np.maximum(missed - more, 0).sum()
    assert counts.insertions.sum() == np.maximum(more - missed, 0).sum()


@settings(max_examples=100, deadline=None)
@given(true=EVENTS, said=EVENTS, offset=st.booleans())
def test_as_many_events_are_found_as_any_pairing_finds(true, said, offset):
    def fits(one, other):
        near = abs(one.start - other.start) <= 0.5
        ends = abs(one.end - other.end) <= max(0.5, 0.5 * (one.end - one.start))
        return one.label == other.label and near and (ends or not offset)

    shorter, longer = sorted([true, said], key=len)
    best = max(
        sum(
            fits(*((one, other) if shorter is true else (other, one)))
            for one, other in zip(shorter, chosen, strict=True)
        )
        for chosen in itertools.permutations(longer, len(shorter))
    )
    counts = event_counts({"a": true}, {"a": said}, 0.5, 0.5, offset)
    assert counts.hits.sum() == best
    parts = [int(part.sum()) for part in (counts.substitutions, counts.deletions, counts.insertions)]
    assert parts[0] + parts[1] == len(true) - best
    assert parts[0] + parts[2] == len(said) - best
    again = event_counts({"a": true[::-1]}, {"a": said[::-1]}, 0.5, 0.5, offset)
    assert again.substitutions.tolist() == counts.substitutions.tolist()


def test_an_edge_on_a_segment_is_on_it_and_a_point_touches_one():
    counts = segment_counts({"a": [Event(0.3, 0.5, "x", 1.0)]}, {"a": [Event(0.4, 0.4, "x", 1.0)]}, 0.1)
    assert (counts.true.sum(), counts.said.sum(), counts.hits.sum()) == (2, 1, 1)
    long = {"a": [Event(0.0, 1e9, "x", 1.0)]}
    assert segment_counts(long, long, 0.01).hits.sum() == 10**11


def test_labels_that_are_never_true_have_no_f1_and_no_share_in_the_mean():
    counts = segment_counts({"a": [Event(0, 1, "x", 1.0)]}, {"a": [Event(0, 1, "x", 1.0), Event(0, 1, "y", 1.0)]})
    assert label_scores(counts)["y"].f1 is None
    assert macro_scores(counts).f1 == 1.0
    assert micro_scores(counts).f1 == pytest.approx(2 / 3)
    nothing = micro_scores(segment_counts({}, {}))
    assert set(nothing) == {None}
    assert set(macro_scores(segment_counts({"a": []}, {"a": []}))) == {None}
    with pytest.raises(ValueError, match="segment_seconds must be longer"):
        segment_counts({"a": [Event(0, 1e9, "x", 1.0)]}, {}, 1e-7)


def test_intervals_hold_the_figure_and_are_the_same_each_time():
    rng = np.random.default_rng(0)
    truth = {str(n): [Event(0, 5, "x", 1.0), Event(2, 4, "y", 1.0)] for n in range(12)}
    guess = {str(n): [Event(0, float(rng.integers(1, 8)), "x", 1.0)] for n in range(12)}
    counts = segment_counts(truth, guess)
    for of in (micro_scores, macro_scores):
        intervals, whole = score_intervals(counts, of, n_draws=200), of(counts)
        assert intervals == score_intervals(counts, of, n_draws=200)
        for value, (low, high) in zip(whole, intervals, strict=True):
            assert low <= value <= high
        assert intervals.f1[0] < intervals.f1[1]


def test_intervals_are_those_of_the_bootstrap():
    truth = {str(n): [Event(0, 5, "x", 1.0)] for n in range(6)}
    guess = {str(n): [Event(0, float(n + 1), "x", 1.0)] for n in range(6)}
    counts = segment_counts(truth, guess)

    def f1(rows):
        return micro_scores(counts, rows).f1

    assert score_intervals(counts, micro_scores).f1 == bootstrap_interval(f1, 6, n_draws=1_000)
    few = score_intervals(counts, micro_scores, 0.5, 30, 4)
    assert few.f1 == bootstrap_interval(f1, 6, None, 0.5, 30, 4)
    # A draw without anything true counts as 0; what is known nowhere has no interval
    counts = segment_counts({"a": [Event(0, 1, "x", 1.0)], "b": []}, {"a": [Event(0, 1, "x", 1.0)]})
    assert score_intervals(counts, micro_scores, n_draws=50).recall == (0.0, 1.0)
    assert set(score_intervals(segment_counts({"a": [], "b": []}, {}), micro_scores, n_draws=5)) == {None}


def test_what_is_counted_unless_something_else_is_asked_for():
    def hits(*said, **options):
        truth, guess = {"a": [Event(10, 14, "x", 1.0)]}, {"a": [Event(*said, "x", 1.0)]}
        return event_counts(truth, guess, **options).hits.sum()

    assert segment_counts({"a": [Event(0, 2.5, "x", 1.0)]}, {}).true.tolist() == [[3]]
    # Beginnings up to 0.2 s apart, ends up to half of the true length (2 s), both counted
    assert hits(10.1875, 16.0) == hits(9.8125, 12.0) == 1
    assert hits(10.25, 14.0) == hits(9.75, 14.0) == hits(10.0, 16.25) == hits(10.0, 11.75) == 0
    assert hits(10.0, 90.0, with_offset=False) == 1
    assert hits(10.0, 14.125, length_share=0.0) == hits(10.0, 18.0, length_share=1.0) == 1
    assert hits(10.0, 14.25, length_share=0.0) == hits(10.0, 18.25, length_share=1.0) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: segment_counts({}, {}, float("inf")),
        lambda: event_counts({}, {}, float("inf")),
        lambda: event_counts({}, {}, 0.2, -0.1),
        lambda: segment_counts({"a": [Event(-1, 1, "x", 1.0)]}, {}),
        lambda: segment_counts({}, {"a": [Event(float("nan"), 1, "x", 1.0)]}),
        lambda: segment_counts({}, {}, 0.0),
        lambda: event_counts({}, {}, 0.0),
        lambda: event_counts({}, {}, 0.2, 1.5),
        lambda: segment_counts({"a": [Event(2, 1, "x", 1.0)]}, {}),
        lambda: event_counts({"a": [Event(0, float("inf"), "x", 1.0)]}, {}),
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        wrong()
