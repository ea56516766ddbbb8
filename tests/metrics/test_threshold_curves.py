"""Curves over thresholds are those of counting anew at each threshold."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmasc.metrics.events import event_counts, label_scores, segment_counts
from mmasc.metrics.threshold_curves import best_threshold, event_curve, segment_curve
from mmasc.windows.timeline import Event

TENTHS = st.integers(0, 60).map(lambda n: n / 10)
EVENTS = st.lists(
    st.tuples(TENTHS, TENTHS, st.sampled_from("xy"), st.sampled_from([0.1, 0.2, 0.5, 0.9])).map(
        lambda one: Event(min(one[:2]), max(one[:2]), one[2], one[3])
    ),
    max_size=14,
)
SIDES = st.dictionaries(st.sampled_from("ab"), EVENTS, max_size=2)


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.sampled_from([0.3, 1.0, 2.5]), st.sampled_from([0.15, 0.6, 2.0]), st.booleans())
def test_curves_are_those_of_counting_anew(truth, guess, length, collar, with_offset):
    ways = (
        (functools.partial(segment_counts, segment_seconds=length), segment_curve(truth, guess, "x", length)),
        (
            functools.partial(event_counts, collar_seconds=collar, with_offset=with_offset),
            event_curve(truth, guess, "x", collar, with_offset=with_offset),
        ),
    )
    levels = sorted({event.score for events in guess.values() for event in events if event.label == "x"})
    for count, curve in ways:
        assert [point.threshold for point in curve] == levels
        for level, scores in curve:
            kept = {name: [one for one in events if one.score >= level] for name, events in guess.items()}
            assert scores == label_scores(count(truth, kept))["x"]


def test_the_best_threshold_is_the_best_of_all_thresholds():
    truth = {"a": [Event(0, 2, "x", 1.0), Event(5, 7, "x", 1.0)], "b": [Event(0, 1, "y", 1.0)]}
    guess = {"a": [Event(0, 2, "x", 0.9), Event(5, 7, "x", 0.6), Event(10, 14, "x", 0.3), Event(20, 21, "x", 0.6)]}
    curve = segment_curve(truth, guess, "x")
    assert [point.threshold for point in curve] == [0.3, 0.6, 0.9]
    assert best_threshold(curve).threshold == 0.6  # 4 of 5 seconds, and all 4: F1 8/9
    assert best_threshold(curve).scores.f1 == pytest.approx(8 / 9)
    assert best_threshold(segment_curve(truth, guess, "y")) is None


def test_of_equal_thresholds_the_highest_is_the_best():
    truth = {"a": [Event(0, 2, "x", 1.0)]}
    guess = {"a": [Event(0, 2, "x", 0.9), Event(0, 1, "x", 0.5), Event(1, 2, "x", 0.2)]}
    curve = segment_curve(truth, guess, "x")
    assert [point.scores.f1 for point in curve] == [1.0] * 3
    assert best_threshold(curve).threshold == 0.9


def test_curves_count_as_counts_do_unless_something_else_is_asked_for():
    truth = {"a": [Event(0, 3.5, "x", 1.0), Event(10, 14, "x", 1.0), Event(20, 24, "x", 1.0), Event(30, 34, "x", 1.0)]}
    said = [
        Event(0.75, 3.5, "x", 0.9),
        Event(10.19, 14, "x", 0.9),
        Event(20, 25.9, "x", 0.9),
        Event(30, 36.1, "x", 0.9),
    ]
    for count, curve in ((segment_counts, segment_curve), (event_counts, event_curve)):
        ((level, scores),) = curve(truth, {"a": said}, "x")
        assert level == 0.9
        assert scores == label_scores(count(truth, {"a": said}))["x"]


def test_of_very_many_scores_a_hundred_are_shown():
    starts = np.arange(3_000.0)
    events = [
        Event(start, start + 1, "x", score) for start, score in zip(starts, np.linspace(0, 1, 3_000), strict=True)
    ]
    for curve in (segment_curve({"a": events}, {"a": events}, "x"), event_curve({"a": events}, {"a": events}, "x")):
        assert len(curve) == 100
        assert (curve[0].threshold, curve[-1].threshold) == (0.0, 1.0)
        assert [point.scores.precision for point in curve] == [1.0] * 100


def test_a_time_that_is_none_is_refused():
    for curve in (segment_curve, event_curve):
        with pytest.raises(ValueError, match="start <= end"):
            curve({}, {"a": [Event(3, 1, "x", 1.0)]}, "x")
