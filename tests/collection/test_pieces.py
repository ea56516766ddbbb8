"""Rows that are written as they come, and the small structures that stand for all paths and ids."""

import numpy as np
import pyarrow as pa
import pytest

from mmasc.collection import path_digests
from mmasc.collection.id_map import IdMap, is_in
from mmasc.collection.path_digests import PathDigests, stretches
from mmasc.errors import MmascError
from tests.helpers.made import made, recordings, windows


def test_pieces_are_one_write_and_empty_ones_are_none(tmp_path):
    store = made(tmp_path / "c", [1])
    before = store.head()
    with store.transaction() as change:
        assert change.append_recordings(iter([])) == 0
        assert change.append_windows("one", iter([windows([2]).slice(0, 0)])) == 0
    assert store.head() == before
    with store.transaction() as change:
        pieces = [recordings([2]).slice(0, 0), recordings([2, 3]), recordings([4, 5]).slice(0, 0), recordings([6])]
        assert change.append_recordings(iter(pieces)) == 3
        assert change.append_windows("one", (windows([one]) for one in (2, 3, 6))) == 10
    assert store.recordings().column("id").to_pylist() == [999, 998, 997, 994]
    assert store.head().spaces["one"].windows == 2 + 10
    assert len(store.dataset(store.head().spaces["one"]).get_fragments()) == 2


@pytest.mark.parametrize(
    "fault", [MmascError("of the other one"), KeyboardInterrupt(), OSError(5, "Input/output error")]
)
@pytest.mark.parametrize("whole", [0, 2])
def test_a_fault_in_a_piece_is_raised_as_it_is_and_nothing_counts(tmp_path, fault, whole):
    store = made(tmp_path / "c", [1])
    before = store.head()

    def fails():
        yield from [recordings([2]), recordings([3])][:whole]
        raise fault

    with pytest.raises((MmascError, KeyboardInterrupt)) as caught, store.transaction() as change:
        change.append_recordings(fails())
    # What the system refuses becomes one line of ours, as everywhere
    assert caught.value is fault or (isinstance(fault, OSError) and "Input/output" in str(caught.value))
    assert store.head() == before
    with store.transaction() as change:
        change.append_recordings(recordings([2]))
    assert store.recordings().column("id").to_pylist() == [999, 998]


def test_rows_are_taken_where_the_table_has_them(tmp_path):
    store = made(tmp_path / "c", list(range(30)), gone=(0, 8, 9, 29), site=[str(one) for one in range(30)])
    head, table = store.head(), store.recordings()
    rows = np.random.default_rng(0).integers(0, len(table), 50)
    assert store.take_recordings(head, rows).to_pylist() == table.take(pa.array(rows)).to_pylist()
    assert store.take_recordings(head, rows[:0], ["path"]).column_names == ["path"]
    for at_once in (1, 4, 100):
        pieces = list(store.recording_batches(head, at_once=at_once))
        assert max(map(len, pieces)) <= at_once
        assert pa.concat_tables(pieces).to_pylist() == table.to_pylist()
    wanted = [999, 992, 5]  # the second was removed, the third never was
    assert store.recordings_by_id(head, wanted) == {999: table.to_pylist()[0]}


@pytest.mark.parametrize("kinds", [1, 3, 1 << 40])
def test_digests_name_all_rows_where_a_path_may_stand(monkeypatch, kinds):
    def digests(paths):
        return np.array([hash(one) % kinds for one in paths.to_pylist()], np.int64)

    monkeypatch.setattr(path_digests, "digests_of", digests)
    paths = ["a", "b", "c", "b", "d", "a"]
    known = PathDigests([pa.chunked_array([paths[:2]]), pa.chunked_array([paths[2:]])])
    asked = ["b", "x", "a", "d"]
    places, rows = known.candidates(asked)
    named = {(place, row) for place, row in zip(places.tolist(), rows.tolist(), strict=True)}
    assert {(one, row) for one, row in named if asked[one] == paths[row]} == {(0, 1), (0, 3), (2, 0), (2, 5), (3, 4)}
    groups = [sorted(one.tolist()) for one in known.doubles()]
    assert all(any({first, second} <= set(one) for one in groups) for first, second in [(1, 3), (0, 5)])


def test_stretches_and_maps_are_loops():
    generator = np.random.default_rng(1)
    first, counts = generator.integers(0, 50, 9), np.array([0, 3, 1, 0, 0, 4, 2, 1, 0])
    loop = [one + step for one, count in zip(first, counts, strict=True) for step in range(count)]
    assert stretches(first, counts).tolist() == loop
    assert stretches(first[:0], counts[:0]).tolist() == []
    ids, values = generator.permutation(100)[:40], generator.integers(0, 9, 40)
    plain, known = dict(zip(ids.tolist(), values.tolist(), strict=True)), IdMap(ids, values)
    assert dict(known) == plain
    found, there = known.find(np.arange(100))
    assert {one: int(found[one]) for one in np.flatnonzero(there)} == plain
    with pytest.raises(KeyError):
        known[next(one for one in range(100) if one not in plain)]
    assert is_in(np.arange(100), np.sort(ids)).tolist() == [one in plain for one in range(100)]


@pytest.mark.parametrize("batch", [1, 3, 1_000])
def test_any_stretch_of_vectors_is_read_in_order(tmp_path, batch):
    store = made(tmp_path / "c", list(range(12)), gone=(0, 5, 8), step=4)
    space = store.head().spaces["one"]
    ids = store.windows(space, row_ids=True).column("_rowid").to_pylist()
    whole = store.take_vectors(space, np.array(ids))
    count = len(ids)
    for first in (0, 1, 6, count - 1, count):
        for last in (None, 0, 1, 7, count - 1, count, count + 5):
            pieces = list(store.vectors(space, batch, first, last))
            end = count if last is None else last
            assert [one for some, _ in pieces for one in some.tolist()] == ids[first:end]
            assert all(0 < len(some) == len(vectors) <= batch for some, vectors in pieces)
            found = np.concatenate([np.zeros((0, 4), np.float32), *(vectors for _, vectors in pieces)])
            np.testing.assert_array_equal(found, whole[first:end])
    order = np.random.default_rng(0).permutation(count)
    np.testing.assert_array_equal(store.take_vectors(space, np.array(ids)[order]), whole[order])
    assert store.take_vectors(space, np.zeros(0, np.int64)).shape == (0, 4)
    assert store.recordings_in(space).tolist() == sorted(set(store.windows(space)["recording"].to_pylist()))
