"""Windows hold every sample, and the way back counts every moment once."""

import itertools

import numpy as np
import pytest
import torch

from mmasc.windows.cut import WindowStream, cut_segments, window_starts
from mmasc.windows.pooling import added_seconds, recording_scores, recording_vector
from mmasc.windows.timeline import Event, class_seconds, find_events, timeline_cells


def random_windows(generator, n_windows):
    """Windows with gaps, overlaps and equal edges, in no order."""
    starts = np.round(generator.uniform(0, 20, n_windows), 1)
    return starts, starts + np.round(generator.uniform(0.1, 4, n_windows), 1)


# --- windows ---


@pytest.mark.parametrize("seed", range(200))
def test_windows_hold_every_sample(seed):
    generator = np.random.default_rng(seed)
    rate = int(generator.choice([8_000, 11_025, 22_050, 32_000, 44_100]))
    window = int(generator.integers(1, 3 * rate))
    n_samples = int(generator.integers(1, 20 * rate))
    hop = window / rate if seed % 2 else float(generator.uniform(max(1 / rate, window / rate / 50), window / rate))
    starts = window_starts(n_samples, window, hop, rate)
    heard = np.zeros(n_samples, bool)
    for start in starts:
        assert start >= 0
        heard[start : start + window] = True
    assert heard.all()
    assert starts == sorted(set(starts))
    if n_samples > window:
        assert starts[-1] + window == n_samples
        assert all(start == round(k * hop * rate) for k, start in enumerate(starts[:-1]))
    else:
        assert starts == [0]


def test_starts_do_not_drift():
    # 0.1 s at 22,050 Hz is 2,205 samples; a third of a second is 7,350; 0.07 s is 1,543.5: summing a rounded hop would
    # be half a sample off each time, 5,000 samples after 10,000 windows.
    starts = window_starts(22_050 * 701, 22_050, 0.07, 22_050)
    assert starts[10_000] == 15_435_000
    assert abs(starts[9_999] - 9_999 * 1543.5) <= 0.5


def test_last_window_is_moved_back_and_never_doubled():
    assert window_starts(25, 10, 1.0, 10) == [0, 10, 15]
    assert window_starts(30, 10, 1.0, 10) == [0, 10, 20]
    assert window_starts(10, 10, 1.0, 10) == [0]
    assert window_starts(3, 10, 1.0, 10) == [0]


def test_window_of_no_whole_number_of_samples_takes_its_own_hop():
    window = round(0.97 * 22_050)
    starts = window_starts(10 * 22_050, window, 0.97, 22_050)
    assert np.diff(starts).max() <= window


@pytest.mark.parametrize("hop", [0.0, -1.0, 1.01, float("nan"), 1e-9])
def test_hop_outside_the_window_is_refused(hop):
    with pytest.raises(ValueError, match="hop_seconds must be"):
        window_starts(50_000, 8_000, hop, 8_000)
    with pytest.raises(ValueError, match="hop_seconds must be"):
        WindowStream(8_000, hop, 8_000)


@pytest.mark.parametrize(
    ("n_samples", "window", "rate"), [(0, 10, 10), (-1, 10, 10), (10, 0, 10), (10, -5, 10), (10, 10, 0), (10, 10, -1)]
)
def test_lengths_must_be_positive(n_samples, window, rate):
    with pytest.raises(ValueError, match="must be positive"):
        window_starts(n_samples, window, 1.0, rate)


def test_hop_is_a_sample_at_least_and_half_a_sample_over_a_window_at_most():
    assert window_starts(1, 1, 1.0, 1) == [0]
    assert window_starts(6, 3, 1.0, 1) == [0, 1, 2, 3]
    assert window_starts(6, 3, 1.5, 1) == [0, 2, 3]
    assert window_starts(6, 3, 3.5, 1) == [0, 3]  # taken as the window
    for hop in (0.75, 3.75):
        with pytest.raises(ValueError, match="hop_seconds must be"):
            window_starts(6, 3, hop, 1)


def test_segments_are_the_waveform_at_their_starts():
    waveform = torch.arange(25, dtype=torch.float32)
    segments, starts = cut_segments(waveform, 10, 1.0, 0.5)
    assert starts == [0.0, 0.5, 1.0, 1.5]
    for segment, start in zip(segments, starts, strict=True):
        torch.testing.assert_close(segment, waveform[round(start * 10) : round(start * 10) + 10])


def test_short_waveform_is_one_segment_of_its_own_length():
    segments, starts = cut_segments(torch.ones(7), 10, 1.0)
    assert segments.shape == (1, 7)
    assert starts == [0.0]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_segments_have_a_length(seconds):
    with pytest.raises(ValueError, match="seconds must be positive"):
        cut_segments(torch.ones(100), 10, seconds)


@pytest.mark.parametrize("seed", range(100))
def test_stream_cuts_as_the_whole_for_any_blocks(seed):
    generator = np.random.default_rng(seed)
    rate, window = 100, int(generator.integers(1, 300))
    n_samples = int(generator.integers(1, 3_000))
    hop = float(generator.uniform(1 / rate, window / rate)) if seed % 3 else window / rate
    waveform = generator.standard_normal(n_samples).astype(np.float32)
    stream, windows, position = WindowStream(window, hop, rate), [], 0
    while position < n_samples:
        size = int(generator.choice([0, 1, 2, 7, 100, 5_000]))
        windows += stream.push(waveform[position : position + size])
        position += size
    windows += stream.finish()
    starts = window_starts(n_samples, window, hop, rate)
    assert [cut.start for cut in windows] == starts
    for cut in windows:
        assert cut.end == min(cut.start + window, n_samples)
        assert cut.samples.dtype == np.float32
        np.testing.assert_array_equal(cut.samples, waveform[cut.start : cut.end])


def test_stream_gives_a_window_as_soon_as_it_is_complete():
    stream = WindowStream(10, 1.0, 10)
    assert stream.push(np.zeros(9, np.float32)) == []
    assert [cut.start for cut in stream.push(np.zeros(1, np.float32))] == [0]
    assert stream.finish() == []


def test_windows_of_a_stream_do_not_change_later():
    stream = WindowStream(4, 1.0, 4)
    first = stream.push(np.ones(4, np.float32))[0]
    stream.push(np.zeros(40, np.float32))
    assert first.samples.tolist() == [1, 1, 1, 1]


def test_stream_holds_two_windows_at_most():
    stream = WindowStream(1_000, 0.5, 1_000)
    for _ in range(1_000):
        stream.push(np.zeros(977, np.float32))
    held = sum(value.nbytes for value in vars(stream).values() if isinstance(value, np.ndarray))
    assert held <= 2 * 1_000 * 4


def test_finished_stream_takes_nothing():
    stream = WindowStream(4, 1.0, 4)
    assert stream.finish() == []
    with pytest.raises(ValueError, match="finished"):
        stream.push(np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="finished"):
        stream.finish()


# --- time that windows add ---


def test_moved_back_window_adds_only_its_new_part():
    np.testing.assert_allclose(added_seconds([0, 5, 7], [5, 10, 12]), [5, 5, 2])


@pytest.mark.parametrize("seed", range(50))
def test_added_time_sums_to_the_covered_time(seed):
    generator = np.random.default_rng(seed)
    starts, ends = random_windows(generator, int(generator.integers(1, 30)))
    # second way: count tenths of a second
    tenths = set(itertools.chain(*(range(round(10 * a), round(10 * b)) for a, b in zip(starts, ends, strict=True))))
    added = added_seconds(starts, ends)
    assert added.sum() == pytest.approx(len(tenths) / 10)
    assert (added >= 0).all()
    assert (added <= ends - starts + 1e-12).all()
    order = generator.permutation(len(starts))
    assert added_seconds(starts[order], ends[order]).sum() == pytest.approx(len(tenths) / 10)


def test_added_time_refuses_what_is_no_window():
    with pytest.raises(ValueError, match="must not end before it starts, got 2 to 1"):
        added_seconds([0.0, 2.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="ends must be finite"):
        added_seconds([0.0], [np.inf])
    assert added_seconds([], []).tolist() == []


def test_recording_is_the_mean_by_added_time():
    vectors = np.array([[1, 0], [0, 1], [4, 4]], np.float32)
    np.testing.assert_allclose(recording_vector(vectors, [0, 5, 7], [5, 10, 12]), [13 / 12, 13 / 12], rtol=1e-6)
    np.testing.assert_allclose(recording_scores(vectors, [0, 5, 7], [5, 10, 12]), [13 / 12, 13 / 12], rtol=1e-6)
    assert recording_vector(vectors, [0, 5, 7], [5, 10, 12]).dtype == np.float64
    assert recording_scores(vectors, [0, 5, 7], [5, 10, 12]).dtype == np.float32


def test_lanes_of_a_recording_count_alike_and_silence_does_not():
    vectors = np.array([[1, 0], [0, 1], [6, 6], [9, 9]], np.float32)
    starts, ends, lanes = np.array([0, 1, 0, 1]), np.array([1, 2, 2, 2]), np.array([0, 0, 1, 1])
    np.testing.assert_allclose(recording_vector(vectors, starts, ends, lanes), [3.25, 3.25])
    # The one window of lane 1 that adds no time has no weight; lanes in any order
    backwards = recording_vector(vectors[::-1], starts[::-1], ends[::-1], lanes[::-1])
    np.testing.assert_allclose(backwards, [3.25, 3.25])
    heard = np.array([True, False, False, False])
    np.testing.assert_array_equal(recording_vector(vectors, starts, ends, lanes, heard), [1, 0])
    np.testing.assert_array_equal(recording_vector(vectors, starts, ends, heard=heard), [1, 0])
    everything = recording_vector(vectors, starts, ends, lanes)
    np.testing.assert_array_equal(recording_vector(vectors, starts, ends, lanes, np.zeros(4, bool)), everything)
    with pytest.raises(ValueError, match="must cover some time, got 0 windows"):
        recording_vector(vectors[:0], starts[:0], ends[:0], lanes[:0])


def test_recording_of_equal_windows_is_that_window():
    generator = np.random.default_rng(0)
    starts, ends = random_windows(generator, 20)
    vector = generator.standard_normal(16).astype(np.float32)
    np.testing.assert_allclose(recording_vector(np.tile(vector, (20, 1)), starts, ends), vector, rtol=1e-6)


def test_recording_without_time_is_refused():
    with pytest.raises(ValueError, match="must cover some time, got 0 windows"):
        recording_vector(np.zeros((0, 4), np.float32), [], [])
    with pytest.raises(ValueError, match="must cover some time, got 1 window"):
        recording_scores(np.zeros((1, 4), np.float32), [1.0], [1.0])


# --- timeline ---


@pytest.mark.parametrize("seed", range(50))
def test_cells_are_the_mean_of_their_windows(seed):
    generator = np.random.default_rng(seed)
    n_windows = int(generator.integers(1, 30))
    starts, ends = random_windows(generator, n_windows)
    scores = generator.uniform(size=(n_windows, 3))
    cell_starts, cell_ends, cell_scores = timeline_cells(scores, starts, ends)
    for start, end, cell in zip(cell_starts, cell_ends, cell_scores, strict=True):
        middle = (start + end) / 2
        np.testing.assert_allclose(cell, scores[(starts < middle) & (middle < ends)].mean(axis=0), atol=1e-12)
    assert (cell_starts[1:] >= cell_ends[:-1]).all()
    assert (cell_ends - cell_starts).sum() == pytest.approx(added_seconds(starts, ends).sum())


def test_cells_by_hand():
    scores = np.array([[1.0, 0.0], [0.0, 1.0]])
    starts, ends, means = timeline_cells(scores, [0.0, 2.0], [4.0, 6.0])
    assert starts.tolist() == [0, 2, 4]
    assert ends.tolist() == [2, 4, 6]
    assert means.tolist() == [[1, 0], [0.5, 0.5], [0, 1]]


def test_time_without_window_has_no_cell():
    starts, ends, _ = timeline_cells(np.ones((2, 1)), [0.0, 5.0], [1.0, 6.0])
    assert list(zip(starts, ends, strict=True)) == [(0, 1), (5, 6)]


def test_edges_that_differ_by_rounding_are_one():
    starts, ends, _ = timeline_cells(np.ones((2, 1)), [0.0, 0.1 + 0.2], [0.3, 0.6])
    assert starts == pytest.approx([0, 0.3])
    assert ends == pytest.approx([0.3, 0.6])


def test_no_windows_no_cells():
    starts, ends, scores = timeline_cells(np.zeros((0, 3)), [], [])
    assert len(starts) == len(ends) == 0
    assert scores.shape == (0, 3)


def test_scores_must_be_finite():
    with pytest.raises(ValueError, match="scores must be finite"):
        timeline_cells(np.array([[np.nan]]), [0.0], [1.0])


# --- events ---

EDGES = np.arange(7, dtype=float)


def cells(*rows):
    scores = np.array(rows, float)
    return scores, EDGES[: len(scores)], EDGES[1 : len(scores) + 1]


def test_equal_neighbours_are_one_event():
    scores, starts, ends = cells([0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.6, 0.4])
    events = find_events(scores, starts, ends, ["a", "b"])
    assert [(event.start, event.end, event.label) for event in events] == [(0, 2, "a"), (2, 3, "b"), (3, 4, "a")]
    assert [event.score for event in events] == pytest.approx([0.8, 0.8, 0.6])


def test_score_is_weighted_by_time():
    events = find_events(np.array([[1.0], [0.5]]), np.array([0.0, 3.0]), np.array([3.0, 4.0]), ["a"])
    assert events == [Event(0.0, 4.0, "a", 3.5 / 4)]


def test_cells_below_the_threshold_carry_nothing():
    scores, starts, ends = cells([0.9, 0.1], [0.4, 0.3], [0.5, 0.2])
    assert [(event.start, event.end) for event in find_events(scores, starts, ends, ["a", "b"], threshold=0.5)] == [
        (0, 1),
        (2, 3),
    ]


def test_every_label_at_or_above_the_threshold_is_heard():
    scores, starts, ends = cells([0.9, 0.5], [0.2, 0.6], [0.49, 0.1])
    events = find_events(scores, starts, ends, ["a", "b"], threshold=0.5, multi_label=True)
    assert [(event.label, event.start, event.end) for event in events] == [("a", 0, 1), ("b", 0, 2)]


def test_gaps_are_bridged_up_to_their_length():
    scores, starts, ends = cells([0.9], [0.1], [0.9], [0.1], [0.1], [0.9])
    for gap, expected in [(0.0, [(0, 1), (2, 3), (5, 6)]), (1.0, [(0, 3), (5, 6)]), (2.0, [(0, 6)])]:
        for multi_label in (False, True):
            events = find_events(scores, starts, ends, ["a"], 0.5, multi_label, gap_seconds=gap)
            assert [(event.start, event.end) for event in events] == expected
            assert all(event.score == pytest.approx(0.9) for event in events)


def test_gap_with_another_label_stays_a_gap():
    scores, starts, ends = cells([0.9, 0.1], [0.1, 0.9], [0.9, 0.1])
    events = find_events(scores, starts, ends, ["a", "b"], gap_seconds=5.0)
    assert [(event.label, event.start, event.end) for event in events] == [("a", 0, 1), ("b", 1, 2), ("a", 2, 3)]


def test_short_events_are_dropped_after_bridging():
    scores, starts, ends = cells([0.9], [0.1], [0.9], [0.1], [0.1], [0.9])
    events = find_events(scores, starts, ends, ["a"], 0.5, gap_seconds=1.0, minimum_seconds=2.0)
    assert [(event.start, event.end) for event in events] == [(0, 3)]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("gap_seconds", [0.0, 1.5])
def test_seconds_of_single_labels_sum_to_the_covered_time(seed, gap_seconds):
    generator = np.random.default_rng(seed)
    n_windows = int(generator.integers(1, 40))
    starts, ends = random_windows(generator, n_windows)
    labels = ["rain", "wind", "birds"]
    cell_starts, cell_ends, scores = timeline_cells(generator.uniform(size=(n_windows, 3)), starts, ends)
    events = find_events(scores, cell_starts, cell_ends, labels)
    seconds = class_seconds(events, labels)
    assert list(seconds) == labels
    assert sum(seconds.values()) == pytest.approx(added_seconds(starts, ends).sum())
    # events of one label at a time never overlap, bridged or not
    bridged = find_events(scores, cell_starts, cell_ends, labels, gap_seconds=gap_seconds)
    assert {event.label for event in bridged} == {event.label for event in events}
    assert all(later.start >= earlier.end - 1e-9 for earlier, later in itertools.pairwise(bridged))


@pytest.mark.parametrize("seed", range(30))
def test_seconds_of_many_labels_are_the_cells_at_or_above_the_threshold(seed):
    generator = np.random.default_rng(seed)
    starts, ends = random_windows(generator, 25)
    cell_starts, cell_ends, scores = timeline_cells(generator.uniform(size=(25, 4)), starts, ends)
    labels = list("abcd")
    seconds = class_seconds(find_events(scores, cell_starts, cell_ends, labels, 0.6, multi_label=True), labels)
    for column, label in enumerate(labels):
        heard = scores[:, column] >= 0.6
        assert seconds[label] == pytest.approx((cell_ends - cell_starts)[heard].sum())


def test_no_moment_counts_twice_for_a_label():
    events = [Event(0.0, 4.0, "a", 1.0), Event(2.0, 5.0, "a", 1.0), Event(0.0, 1.0, "b", 1.0)]
    assert class_seconds(events, ["b", "a", "c"]) == {"b": 1.0, "a": 5.0, "c": 0.0}


def test_seconds_are_never_more_than_the_recording():
    # 448 s in windows of 0.96 s with half overlap: counted windows would give twice the recording
    starts = np.arange(0, 447.04, 0.48)
    scores = np.tile([0.9, 0.1], (len(starts), 1))
    cell_starts, cell_ends, means = timeline_cells(scores, starts, starts + 0.96)
    seconds = class_seconds(find_events(means, cell_starts, cell_ends, ["clapping", "speech"]), ["clapping", "speech"])
    assert seconds["clapping"] == pytest.approx(starts[-1] + 0.96)
    assert seconds["speech"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a"]}, "labels must be 2 different names"),
        ({"labels": ["a", "a"]}, "labels must be 2 different names"),
        ({"multi_label": True}, "multi_label needs a threshold"),
        ({"gap_seconds": -1.0}, "must not be negative, got -1.0"),
        ({"minimum_seconds": -1.0}, "must not be negative"),
        ({"cell_starts": np.array([0.0, 0.5])}, "must not overlap"),
        ({"cell_scores": np.array([[0.1, np.nan], [0.0, 0.0]])}, "cell_scores must be finite"),
    ],
)
def test_events_refuse_what_makes_no_sense(change, message):
    arguments = {
        "cell_scores": np.array([[0.1, 0.9], [0.5, 0.5]]),
        "cell_starts": np.array([0.0, 1.0]),
        "cell_ends": np.array([1.0, 2.0]),
        "labels": ["a", "b"],
    }
    with pytest.raises(ValueError, match=message):
        find_events(**(arguments | change))


def test_events_of_unknown_labels_are_refused():
    with pytest.raises(ValueError, match=r"not in labels: \['z'\]"):
        class_seconds([Event(0.0, 1.0, "z", 1.0)], ["a"])


def test_edges_of_cells_and_lengths_of_events_are_compared_up_to_rounding():
    """Overlaps, gaps and missing time far below a sample are none; what is longer is one."""
    tiny, scores, ends = 1e-9, np.full((2, 1), 0.9), np.array([1.0, 2.0])
    for shift in (-tiny, tiny):
        events = find_events(scores, np.array([0.0, 1.0 + shift]), ends, ["a"], 0.5, minimum_seconds=2.0 + tiny)
        assert [(event.start, event.end) for event in events] == [(0.0, 2.0)]
        events = find_events(
            scores - [[0.0], [0.5]], np.array([0.0, 1.0 + shift]), ends, ["a"], 0.8, offset_threshold=0.3
        )
        assert [(event.start, event.end) for event in events] == [(0.0, 2.0)]
    with pytest.raises(ValueError, match="must not overlap"):
        find_events(scores, np.array([0.0, 1.0 - 1e-6]), ends, ["a"])
    apart = np.array([0.0, 1.0 + 1e-6])
    assert len(find_events(scores, apart, ends, ["a"])) == 2
    assert len(find_events(scores - [[0.0], [0.5]], apart, ends, ["a"], 0.8, offset_threshold=0.3)) == 1
    assert find_events(scores[:1], np.zeros(1), np.ones(1), ["a"], minimum_seconds=1.0 + 1e-6) == []


def test_cells_without_time_count_alike():
    moments = np.ones(3)
    events = find_events(np.array([[0.2], [0.4], [0.9]]), moments, moments, ["a"])
    assert [(event.start, event.end, event.score) for event in events] == [(1.0, 1.0, pytest.approx(0.5))]


def test_no_cells_no_events():
    assert find_events(np.zeros((2, 0)), np.arange(2.0), np.arange(1.0, 3.0), []) == []
    assert find_events(np.zeros((0, 2)), np.zeros(0), np.zeros(0), ["a", "b"]) == []
    assert class_seconds([], ["a"]) == {"a": 0.0}


@pytest.mark.parametrize("option", ["gap_seconds", "minimum_seconds"])
@pytest.mark.parametrize("value", [-0.5, -1.0, float("nan")])
def test_events_have_no_negative_gaps_or_lengths(option, value):
    with pytest.raises(ValueError, match="must not be negative"):
        find_events(np.ones((1, 1)), np.zeros(1), np.ones(1), ["a"], **{option: value})


@pytest.mark.parametrize("seed", range(20))
def test_rounding_makes_no_cell_leave_the_range_of_its_windows(seed):
    starts, ends = random_windows(np.random.default_rng(seed), 40)
    _, _, means = timeline_cells(np.full((40, 1), 0.1), starts, ends)
    assert (means == 0.1).all()
