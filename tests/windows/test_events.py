"""Events that begin at one threshold and go on to another, moments too short to count alone, events as windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmasc.windows.timeline import Event, class_seconds, find_events, joined_cells, timeline_cells, trimmed_events


def events_of(scores, starts=None, **options):
    scores = np.array(scores, float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    starts = np.arange(len(scores), dtype=float) if starts is None else np.array(starts, float)
    labels = list("abcd"[: scores.shape[1]])
    found = find_events(scores, starts, starts + 1, labels, multi_label=True, **options)
    return [(event.start, event.end, event.label) for event in found]


def test_an_event_begins_at_the_onset_and_goes_on_to_the_offset():
    scores = [0.4, 0.4, 0.8, 0.4, 0.5, 0.2, 0.4, 0.3, 0.9]
    assert events_of(scores, threshold=0.7, offset_threshold=0.4) == [(2, 5, "a"), (8, 9, "a")]
    assert events_of(scores, threshold=0.7) == [(2, 3, "a"), (8, 9, "a")]
    assert events_of(scores, threshold=0.4, offset_threshold=0.4) == events_of(scores, threshold=0.4)
    # nobody knows what was in a stretch without windows
    assert events_of([0.8, 0.5], starts=[0, 3], threshold=0.7, offset_threshold=0.4) == [(0, 1, "a")]


def test_labels_have_thresholds_of_their_own():
    scores = [[0.5, 0.5], [0.3, 0.3]]
    options = {"threshold": {"a": 0.6, "b": 0.5}, "offset_threshold": {"a": 0.1, "b": 0.2}}
    assert events_of(scores, **options) == [(0, 2, "b")]
    with pytest.raises(ValueError, match=r"threshold must have every label, it lacks \['b'\]"):
        events_of(scores, threshold={"a": 0.5})
    for wrong in (
        {"threshold": 0.5, "offset_threshold": 0.6},
        {"threshold": 0.5, "offset_threshold": {"a": 0, "b": 1}},
    ):
        with pytest.raises(ValueError, match="offset_threshold must be at most threshold"):
            events_of(scores, **wrong)
    with pytest.raises(ValueError, match="offset_threshold must be at most threshold"):
        find_events(np.ones((1, 1)), np.zeros(1), np.ones(1), ["a"], offset_threshold=0.5)


def test_with_a_single_label_another_one_ends_the_event():
    scores = np.array([[0.8, 0.2], [0.5, 0.45], [0.4, 0.6], [0.55, 0.4]])
    found = find_events(scores, np.arange(4.0), np.arange(1.0, 5), ["a", "b"], 0.7, offset_threshold=0.3)
    assert [(event.start, event.end, event.label) for event in found] == [(0, 2, "a")]
    assert found[0].score == pytest.approx(0.65)


SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(scores=SCORES, thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_hysteresis_lies_between_its_thresholds(scores, thresholds):
    """Each event begins where the strict threshold allows it, none is cut short, and none is in two."""
    low, high = sorted(thresholds)
    strict = events_of(scores, threshold=high)
    loose = events_of(scores, threshold=low)
    found = events_of(scores, threshold=high, offset_threshold=low)
    for start, end, _ in strict:
        assert any(a <= start and end <= b for a, b, _ in found)
    for start, end, _ in found:
        assert scores[int(start)] >= high
        assert start == 0 or scores[int(start) - 1] < high
        assert end == len(scores) or scores[int(end)] < low
        assert any(a <= start and end == b for a, b, _ in loose)


@st.composite
def cell_rows(draw):
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=20))
    gaps = draw(st.lists(st.sampled_from([0, 0, 0, 5]), min_size=len(lengths), max_size=len(lengths)))
    starts = np.cumsum([0, *lengths[:-1]]) + np.cumsum(gaps)
    scores = draw(st.lists(st.floats(0, 1), min_size=len(lengths), max_size=len(lengths)))
    return np.array(scores)[:, None], starts / 4, (starts + lengths) / 4


@settings(max_examples=100, deadline=None)
@given(cells=cell_rows(), quarters=st.integers(0, 12))
def test_joined_cells_cover_the_same_time_with_the_same_mean(cells, quarters):
    scores, starts, ends = cells
    seconds = quarters / 4
    first, last, means = joined_cells(scores, starts, ends, seconds)
    assert (last - first).sum() == pytest.approx((ends - starts).sum())
    assert ((last - first) @ means) == pytest.approx((ends - starts) @ scores)
    assert set(first) <= set(starts)
    assert set(last) <= set(ends)
    touching = {edge for edge in first if edge in last}
    for begin, end in zip(first, last, strict=True):
        assert end - begin >= seconds or (begin not in touching and end not in touching)
    again = joined_cells(means, first, last, seconds)
    for one, other in zip(again, (first, last, means), strict=True):
        assert np.array_equal(one, other)


def test_a_sliver_is_no_event_of_its_own():
    """3.3 s in windows of 1 s: the last one is moved back, and leaves cells of 0.3 s."""
    starts = np.array([0.0, 1.0, 2.0, 2.3])
    cells = timeline_cells(np.array([[0.1], [0.1], [0.2], [0.6]]), starts, starts + 1)
    assert len(find_events(cells[2], *cells[:2], ["a"], 0.5)) == 1
    joined = joined_cells(cells[2], *cells[:2], 1.0)
    assert joined[0].tolist() == [0, 1, 2]
    assert find_events(joined[2], *joined[:2], ["a"], 0.5) == []
    # cells as long as the hop stay as they are, to the digit
    even = timeline_cells(np.array([[0.1], [0.7], [0.3]]), [0.0, 0.5, 1.0], [1.0, 1.5, 2.0])
    kept = joined_cells(even[2], *even[:2], 0.5)
    for one, other in zip(kept, (even[0], even[1], even[2]), strict=True):
        assert np.array_equal(one, other)


def test_edges_move_inwards_except_those_of_what_was_heard():
    events = [Event(0.0, 4.0, "a", 0.9), Event(2.0, 4.0, "b", 0.5), Event(6.0, 16.0, "a", 0.7)]
    assert trimmed_events(events, 1.0, 0.0, 16.0) == [
        Event(0.0, 3.0, "a", 0.9),
        Event(2.5, 3.5, "b", 0.5),  # a quarter of it
        Event(7.0, 16.0, "a", 0.7),
    ]
    assert trimmed_events(events, 0.0, 0.0, 16.0) == events
    assert trimmed_events([], 1.0, 0.0, 16.0) == []
    for wrong in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="seconds must be 0 or more"):
            trimmed_events(events, wrong, 0.0, 16.0)


@pytest.mark.parametrize("begin", [3.1, 4.7, 5.2, 6.6])
@pytest.mark.parametrize("length", [4.0, 8.0])
def test_half_a_hop_undoes_what_windows_that_overlap_by_half_stretch(begin, length):
    """Windows of 4 s that hear a sound as loud as the share of them that it fills, found from a quarter on."""
    starts = np.arange(0.0, 20.0, 2.0)
    shares = np.clip(np.minimum(starts + 4, begin + length) - np.maximum(starts, begin), 0, None) / 4
    cells = timeline_cells(shares[:, None], starts, starts + 4)
    (event,) = find_events(cells[2], *cells[:2], ["a"], 0.25)
    (trimmed,) = trimmed_events([event], 1.0, 0.0, 22.0)

    def error(one):
        return abs(one.start - begin) + abs(one.end - begin - length)

    assert event.start < begin < begin + length < event.end
    assert error(trimmed) < error(event)


@settings(max_examples=100, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.sampled_from("abc")), min_size=1, max_size=12)
)
def test_events_turned_into_windows_and_back_cover_the_same_seconds(spans):
    events = [Event(start / 4, (start + length) / 4, label, 1.0) for start, length, label in spans]
    labels = list("abc")
    windows = np.array([[float(event.label == label) for label in labels] for event in events])
    starts, ends, scores = timeline_cells(windows, [one.start for one in events], [one.end for one in events])
    found = find_events(scores, starts, ends, labels, 1e-6, multi_label=True)
    assert class_seconds(found, labels) == pytest.approx(class_seconds(events, labels))
    for label in labels:
        own = [event for event in found if event.label == label]
        assert all(one.end < other.start for one, other in itertools.pairwise(own))
