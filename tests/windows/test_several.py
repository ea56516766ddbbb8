"""Timelines of several recordings at once are those of each alone."""

import numpy as np
import pytest

from mmasc.windows import several
from mmasc.windows.several import bounds_of, cells_of_several, events_of_several, heard_seconds, joined_of_several
from mmasc.windows.timeline import class_seconds, find_events, joined_cells, timeline_cells

LABELS = ["a", "b", "c"]


def recordings(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, starts, ends and bounds: none, one or many windows, side by side, with gaps, or overlapping."""
    generator = np.random.default_rng(seed)
    starts, ends, lengths = [], [], []
    for item in range(count):
        n = int(generator.integers(0, 9))
        hop = [1.0, 1.0, 0.5, 1.7][item % 4]
        begin = 3.0 * (item % 3) + hop * np.arange(n)
        end = begin + 1.0
        if n and item % 11 == 0:
            end[n // 2] = begin[n // 2]  # a window without time has no cell of its own
        if n > 1 and item % 5 == 0:
            begin[-1] -= 0.3  # the last window ends with the recording
            end[-1] -= 0.3
        order = generator.permutation(n) if item % 7 == 0 else np.arange(n)
        starts.append(begin[order])
        ends.append(end[order])
        lengths.append(n)
    scores = generator.dirichlet(np.full(3, 0.4), size=sum(lengths))
    return scores, np.concatenate(starts), np.concatenate(ends), np.concatenate([[0], np.cumsum(lengths)])


@pytest.mark.parametrize("axis_seconds", [2.0**24, 30.0, 0.0])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"threshold": 0.6},
        {"threshold": 0.4, "multi_label": True},
        {"threshold": 0.5, "gap_seconds": 0.8, "minimum_seconds": 1.2},
        {"threshold": 0.4, "multi_label": True, "gap_seconds": 100.0},
    ],
)
def test_events_are_those_of_each_recording_alone(how, axis_seconds, monkeypatch):
    monkeypatch.setattr(several, "_AXIS_SECONDS", axis_seconds)
    for seed in range(5):
        scores, starts, ends, bounds = recordings(seed)
        cells = cells_of_several((scores, 2 * scores), starts, ends, bounds)
        found = events_of_several(cells.measures[0], cells, LABELS, **how)
        assert len(found) == len(bounds) - 1
        for item, events in enumerate(found):
            own = slice(bounds[item], bounds[item + 1])
            begin, end, means = timeline_cells(scores[own], starts[own], ends[own])
            here = slice(cells.bounds[item], cells.bounds[item + 1])
            np.testing.assert_array_equal(cells.starts[here], begin)
            np.testing.assert_array_equal(cells.ends[here], end)
            np.testing.assert_allclose(cells.measures[0][here], means, atol=1e-12)
            np.testing.assert_allclose(cells.measures[1][here], 2 * means, atol=1e-12)
            expected = find_events(means, begin, end, LABELS, **how)
            assert [(one.start, one.end, one.label) for one in events] == [
                (one.start, one.end, one.label) for one in expected
            ]
            np.testing.assert_allclose([one.score for one in events], [one.score for one in expected], rtol=1e-9)
            assert heard_seconds(events, LABELS) == pytest.approx(class_seconds(events, LABELS))


@pytest.mark.parametrize("seconds", [0.0, 0.6, 1.5])
def test_joined_cells_are_those_of_each_recording_alone(seconds):
    scores, starts, ends, bounds = recordings(3)
    cells = cells_of_several((scores, 2 * scores), starts, ends, bounds)
    joined = joined_of_several(cells, seconds)
    assert len(joined.bounds) == len(bounds)
    for first, last, *here in zip(cells.bounds, cells.bounds[1:], joined.bounds, joined.bounds[1:], strict=False):
        own, there = slice(first, last), slice(*here)
        for measure, into in zip(cells.measures, joined.measures, strict=True):
            alone = joined_cells(measure[own], cells.starts[own], cells.ends[own], seconds)
            for one, other in zip(alone, (joined.starts[there], joined.ends[there], into[there]), strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measures": (np.zeros((2, 1)), np.array([[0.0], [np.nan]]))}, "scores must be finite"),
        ({"starts": np.array([0.0, 3.0])}, "must not end before it starts, got 3 to 2"),
    ],
)
def test_windows_are_checked(change, message):
    given = {"measures": (np.zeros((2, 1)),), "starts": np.arange(2.0), "ends": np.arange(1.0, 3.0)} | change
    with pytest.raises(ValueError, match=message):
        cells_of_several(**given, bounds=np.array([0, 2]))


def test_nothing_is_nothing():
    none = np.zeros(0)
    cells = cells_of_several((np.zeros((0, 3)),), none, none, np.array([0, 0, 0]))
    assert events_of_several(cells.measures[0], cells, LABELS, threshold=0.0) == [[], []]
    cells = cells_of_several((np.zeros((0, 3)),), none, none, np.array([0]))
    assert events_of_several(cells.measures[0], cells, LABELS) == []


def test_bounds_of_what_is_left():
    chosen = np.array([True, False, True, True, False])
    assert bounds_of(chosen, np.array([0, 2, 2, 5])).tolist() == [0, 1, 1, 3]
