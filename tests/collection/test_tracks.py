"""Tracks: the same windows as by looking at each one, of whatever lengths; those asked for last are kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmasc.collection.tracks import SAME, Track, Tracks


def reader_of(seed, recordings=3, lanes=2, each=40, most_seconds=9):
    """Windows of whole seconds, so that edges often meet; in no order, of all lengths."""
    generator = np.random.default_rng(seed)
    n = recordings * lanes * each
    start = generator.integers(0, 30, n).astype(float)
    known = {
        "recording": generator.integers(0, recordings, n),
        "lane": generator.integers(0, lanes, n).astype(np.int16),
        "start": start,
        "end": start + generator.integers(1, most_seconds, n),
    }
    return SimpleNamespace(**known, of_recording=lambda one: np.flatnonzero(known["recording"] == one))


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_between_and_what_touches_are_those_of_a_look_at_each_window(seed):
    reader = reader_of(seed)
    generator = np.random.default_rng(seed)
    for recording in range(3):
        for lane in range(2):
            own = np.flatnonzero((reader.recording == recording) & (reader.lane == lane))
            track = Track(reader, recording, lane)
            order = sorted(own.tolist(), key=lambda one: (reader.start[one], reader.end[one], one))
            assert track.between(-np.inf, np.inf).tolist() == order
            assert len(track) == len(order)
            bounds = [(-np.inf, 8.0), (8.0, np.inf), *np.sort(generator.integers(0, 40, (30, 2)), axis=1).tolist()]
            for low, high in bounds:
                inside = [one for one in order if reader.start[one] >= low - SAME and reader.end[one] <= high + SAME]
                assert track.between(low, high).tolist() == inside
                if np.isfinite([low, high]).all() and low < high:
                    shared = [one for one in order if reader.start[one] < high and reader.end[one] > low]
                    assert track.touching(low, high).tolist() == shared


def test_no_windows_are_no_track():
    track = Track(reader_of(0), recording=99, lane=0)
    assert len(track) == 0
    assert track.between(-np.inf, np.inf).tolist() == track.touching(0, 9).tolist() == []


def test_tracks_asked_for_last_are_kept():
    reader = reader_of(0)
    lengths = [len(Track(reader, recording, 0)) for recording in range(3)]
    tracks = Tracks(reader, most=lengths[0] + lengths[2])
    first, second = tracks.of(0, 0), tracks.of(1, 0)
    assert tracks.of(0, 0) is first  # now the second one is the oldest
    third = tracks.of(2, 0)
    assert tracks.of(0, 0) is first
    assert tracks.of(2, 0) is third
    assert tracks.of(1, 0) is not second
    alone = Tracks(reader, most=1)
    assert alone.of(0, 0) is alone.of(0, 0)
