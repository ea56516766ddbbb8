"""Moments: laws, and the same worked out a second way, over all windows without an index."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.head import SpaceHead
from mmasc.collection.index import IndexPolicy
from mmasc.collection.moments import Wanted, find_moments
from mmasc.collection.rows import recordings_table
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.store import Store
from mmasc.windows.units import unit_float32
from tests.helpers.collections import write

DIM, HOP = 4, 1.0
INVERTED = IndexPolicy(flat_numbers=1, memory_bytes=1 << 40, recall=1.0)


def make(folder, tracks, window=1.0, vectors=None):
    """A collection of one space; `tracks` are (recording, lane, windows), a window every HOP seconds."""
    generator = np.random.default_rng(0)
    parts = {"recording": [], "lane": [], "start": []}
    walks = []
    for recording, lane, count in tracks:
        parts["recording"] += [recording] * count
        parts["lane"] += [lane] * count
        parts["start"] += [HOP * place for place in range(count)]
        # Neighbours are alike, as in recordings
        walks.append(np.cumsum(generator.normal(size=(count, DIM)), axis=0) + generator.normal(size=DIM))
    vectors = np.concatenate(walks) if vectors is None else np.asarray(vectors)
    start = np.array(parts["start"])
    store = Store.create(folder, folder.parent)
    known = {
        "size": 1,
        "mtime_ns": 1,
        "duration": 99.0,
        "sample_rate": 8_000,
        "channels": 1,
        "status": "ok",
        "reason": "",
    }
    rows = [{"id": one, "path": f"{one}.wav", "reason": "", **known} for one in sorted({track[0] for track in tracks})]
    with store.transaction() as change:
        change.append_recordings(recordings_table(rows, [{}] * len(rows), pa.schema([])))
        change.add_space("one", SpaceHead("a" * 32, "standin", DIM, window, HOP, "mix"))
        columns = [np.array(parts["recording"]), np.array(parts["lane"], np.int16), start, start + window]
        columns.append(vector_column(vectors.astype(np.float32)))
        change.append_windows("one", pa.table(columns, schema=windows_schema(DIM)))
    return folder


def by_hand(reader, target, wanted, allowed=None):
    """(best window, start, end) of moments: the rule read literally, with the scores of all windows at hand."""
    scores = (unit_float32(reader.vectors()).astype(float) @ target.astype(float)).round(9)
    usual = float(np.median(scores))
    gap = HOP if wanted.gap is None else wanted.gap
    allowed = np.ones(len(reader), bool) if allowed is None else allowed
    taken, moments, number = ~allowed, [], {}
    of = list(zip(reader.recording.tolist(), reader.lane.tolist(), strict=True))

    def overlaps(item, start, end):
        return reader.start[item] < end - 1e-6 and reader.end[item] > start + 1e-6

    for seed in np.lexsort((np.arange(len(scores)), -scores)).tolist():
        full = wanted.spread is not None and number.get(of[seed][0], 0) >= wanted.spread
        if taken[seed] or full or len(moments) == wanted.k:
            continue
        floor = usual + (scores[seed] - usual) / 2
        own = [item for item in range(len(scores)) if of[item] == of[seed]]
        earlier = [moment for moment in moments if of[moment[0]] == of[seed]]
        lower = max([end for _, start, end in earlier if start < reader.start[seed]], default=-1e9)
        upper = min([start for _, start, _ in earlier if start > reader.start[seed]], default=1e9)
        good = {
            item
            for item in own
            if allowed[item]
            and scores[item] >= floor
            and reader.start[item] >= lower - 1e-6
            and reader.end[item] <= upper + 1e-6
        }
        start, end = reader.start[seed], reader.end[seed]
        while near := [
            item for item in good if reader.start[item] <= end + gap + 1e-6 and reader.end[item] >= start - gap - 1e-6
        ]:
            start = min(start, *reader.start[near]) if len(near) > 1 else min(start, reader.start[near[0]])
            end = max(end, reader.end[near].max())
            good -= set(near)
        moments.append((seed, float(start), float(end)))
        number[of[seed][0]] = number.get(of[seed][0], 0) + 1
        for item in own:
            taken[item] |= overlaps(item, start, end)
    return moments


TRACKS = [(1, 0, 30), (2, 0, 1), (2, 1, 17), (3, 0, 60), (4, 0, 25), (4, 1, 25)]
WANTED = [Wanted(5), Wanted(3, gap=0.0), Wanted(12, gap=3.5), Wanted(4, spread=1), Wanted(400), Wanted(9, spread=2)]


@pytest.mark.parametrize("policy", [None, INVERTED])
@pytest.mark.parametrize("window", [0.7, 1.0, 2.0, 2.5])
@pytest.mark.parametrize(
    "wanted",
    [Wanted(5), Wanted(3, gap=0.0), Wanted(12, gap=3.5), Wanted(4, spread=1), Wanted(400), Wanted(9, spread=2)],
)
def test_moments_are_those_worked_out_by_hand(tmp_path, window, wanted, policy):
    reader = Collection(make(tmp_path / "c", TRACKS, window), policy).space()
    generator = np.random.default_rng(1)
    for allowed in (None, generator.random(len(reader)) < 0.8):
        target = unit_float32(generator.normal(size=DIM))
        found = find_moments(reader, target, wanted, allowed)
        assert [(one.best, one.start, one.end) for one in found] == by_hand(reader, target, wanted, allowed)
        assert found == find_moments(reader, target, wanted, allowed)


@pytest.mark.parametrize("windows", [False, True])
def test_hits_of_one_lane_share_no_time_unless_windows_are_asked(tmp_path, windows):
    collection = Collection(make(tmp_path / "c", TRACKS, 2.5))
    hits = collection.search(vectors=np.ones(DIM), k=400, windows=windows)
    spans = sorted((hit.path, hit.lane, hit.start, hit.end) for hit in hits)
    overlapping = [one for one, two in pairwise(spans) if one[:2] == two[:2] and two[2] < one[3]]
    assert bool(overlapping) == windows
    assert len(hits) == sum(count for *_, count in TRACKS) if windows else len(hits) < 158
    for hit in hits:
        assert hit.start <= hit.best_start < hit.best_end <= hit.end
        assert not windows or (hit.start, hit.end) == (hit.best_start, hit.best_end)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_an_hour_is_one_moment_with_its_best_point(tmp_path):
    """1,400 like windows in 3,000 others: no limit of candidates cuts a moment."""
    vectors = np.tile([0.0, 1.0, 0.0, 0.0], (4_400, 1))
    vectors[1_000:2_400, 0] = 3
    vectors[2_000, 0] = 30
    collection = Collection(make(tmp_path / "c", [(1, 0, 4_400)], 1.0, vectors))
    hits = collection.search(vectors=[1.0, 0, 0, 0], k=2)
    assert (hits[0].start, hits[0].end, hits[0].best_start) == (1_000, 2_400, 2_000)
    assert hits[1].score < 0.1
    scores = [hit.score for hit in collection.search(vectors=[1.0, 0, 0, 0], k=1_500, windows=True)]
    assert sum(score > 0.9 for score in scores) == 1_400


def test_the_gap_decides_what_is_one(tmp_path):
    vectors = np.tile([0.0, 1.0, 0.0, 0.0], (40, 1))
    vectors[[3, 5, 8]] = [1.0, 0, 0, 0]
    collection = Collection(make(tmp_path / "c", [(1, 0, 40)], 1.0, vectors))

    def spans(**options):
        hits = collection.search(vectors=[1.0, 0, 0, 0], k=9, **options)
        return sorted((hit.start, hit.end) for hit in hits if hit.score > 0.5)

    assert spans() == [(3, 6), (8, 9)]
    assert spans(gap=0) == [(3, 4), (5, 6), (8, 9)]
    assert spans(gap=2) == [(3, 9)]
    assert spans(spread=1) == [(3, 6)]
    with pytest.raises(ValueError, match="gap must be 0 seconds or more"):
        spans(gap=-1)
    with pytest.raises(ValueError, match="spread must be at least 1"):
        spans(spread=0)


def test_silence_and_damage_join_nothing(tmp_path, standin):
    """Sound, silence and sound again: words find two moments unless the gap is wide; a sound finds the silence, too."""
    write(tmp_path / "s" / "a.wav", 0.5, 3.0)
    soundfile.write(tmp_path / "s" / "b.wav", np.repeat([0.25, 0.0, 0.0, 0.0, 0.25, 0.25], 8_000), 8_000)
    mmasc.embed(tmp_path / "s", tmp_path / "c", standin)
    collection = Collection(tmp_path / "c")
    for gap, spans in ((0, [(0, 1), (4, 6)]), (3, [(0, 6)])):
        hits = collection.search(text="d", encoder=standin, k=9, gap=gap, where="path = 'b.wav'")
        assert sorted((hit.start, hit.end) for hit in hits) == spans
