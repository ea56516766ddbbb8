"""Windows of a space by their recordings: as a look at each window gives them, however many are looked at together."""

import numpy as np
import pytest

from mmasc.collection import space
from mmasc.collection.head import SpaceHead
from mmasc.collection.space import SpaceReader, space_summary


def reader_of(recordings: list[int], lanes: list[int] | None = None, seed: int = 0) -> SpaceReader:
    """A reader that has these windows and nothing else."""
    reader = SpaceReader.__new__(SpaceReader)
    reader.recording = np.array(recordings, np.int64)
    reader.row_ids = np.arange(len(recordings))
    reader.lane = np.array(lanes if lanes is not None else [0] * len(recordings), np.int16)
    reader.held = np.random.default_rng(seed).normal(size=(len(recordings), 4)).astype(np.float32)
    reader.space = SpaceHead("a" * 32, "standin", 4, 1.0, 1.0, "mix")
    reader.__dict__["_silence"] = None
    return reader


CASES = [[], [5], [5, 5, 5], [5, 5, 2, 9, 9, 9, 2, 2, 7], [1, 2, 1, 2, 1], list(range(9, 0, -1))]


@pytest.mark.parametrize("recordings", CASES)
@pytest.mark.parametrize("at_once", [1, 2, 1 << 20])
def test_windows_of_recordings(recordings, at_once, monkeypatch):
    monkeypatch.setattr(space, "_AT_ONCE", at_once)
    reader = reader_of(recordings)
    ids = sorted(set(recordings))
    assert reader.recordings.tolist() == ids
    assert len(reader) == len(recordings)
    for one in range(11):
        wanted = [place for place, recording in enumerate(recordings) if recording == one]
        assert reader.of_recording(one).tolist() == wanted
    for some in ([], [2], [2, 9], [5, 100], ids):
        assert reader.windows_of(np.array(some, np.int64)).tolist() == [one in some for one in recordings]


@pytest.mark.parametrize("recordings", CASES)
@pytest.mark.parametrize("most", [1, 2, 4, 100])
@pytest.mark.parametrize("asked", [[], [2, 5, 9, 7], [9, 8, 2], [7]])
def test_whole_recordings_at_a_time(recordings, most, asked):
    reader = reader_of(recordings)
    pieces = [
        (positions.tolist(), places.tolist())
        for positions, places in reader.recording_by_recording(np.array(asked, np.int64), most)
    ]
    wanted = [[place for place, recording in enumerate(recordings) if recording == one] for one in asked]
    assert [one for positions, _ in pieces for one in positions] == [one for own in wanted for one in own]
    assert [one for _, places in pieces for one in places] == [n for n, own in enumerate(wanted) for _ in own]
    for positions, places in pieces:
        assert len(positions) == len(places)
        assert len(positions) <= most or len(set(places)) == 1
    # As few pieces as can be
    sizes, expected = [len(own) for own in wanted], []
    for size in sizes:
        if expected and expected[-1] + size <= most:
            expected[-1] += size
        else:
            expected.append(size)
    assert [len(positions) for positions, _ in pieces] == expected


def test_lanes_are_several_where_there_is_another_than_the_first(monkeypatch):
    monkeypatch.setattr(space, "_AT_ONCE", 2)
    for lanes, several in (([], False), ([0, 0, 0], False), ([0, 0, 1], True), ([1, 0, 0], True)):
        assert reader_of([1] * len(lanes), lanes).several_lanes == several


@pytest.mark.parametrize(("count", "most"), [(1, 1_000), (7, 1_000), (1_000, 1_000), (2_501, 1_000)])
def test_the_usual_window_is_one_of_a_thousand_spread_evenly(count, most):
    reader = reader_of([1] * count)
    units, silent = reader.spread
    assert len(units) == len(silent) == min(count, most)
    places = np.unique(np.linspace(0, count - 1, len(units)).round().astype(int))
    wanted = reader.held[places] / np.linalg.norm(reader.held[places], axis=1, keepdims=True)
    np.testing.assert_allclose(units, wanted, rtol=1e-5)
    reader = reader_of([1] * count)
    reader.held[0, 2] = np.nan
    assert len(reader.spread[0]) == min(count, most) - 1  # without damaged ones


def test_vectors_in_memory_are_not_those_that_are_given_out():
    reader = reader_of([1, 2, 3])
    reader.vectors()[:] = 0
    reader.vectors(np.array([1]))[:] = 0
    assert (reader.held != 0).all()
    assert reader.hold(0)  # they are kept already
    reader.held, kept = None, reader.held
    reader.vectors = lambda: kept
    assert not reader.hold(4 * 3 * 4 - 1)
    assert reader.hold(4 * 3 * 4)
    assert reader.held is kept


def test_a_space_in_a_summary():
    head = SpaceHead("a" * 32, "standin", 4, 1.5, 0.5, "each")
    assert space_summary("one", head) == {
        "identity": "a" * 32, "encoder": "standin", "dim": 4, "windows": head.windows, "window_seconds": 1.5,
        "hop_seconds": 0.5, "channels": "each",
    }  # fmt: skip
