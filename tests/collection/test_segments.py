"""Segments of an index: which are built, that all answers are those of brute force, and what survives a fault."""

import itertools
import shutil

import numpy as np
import pyarrow as pa
import pytest

from mmasc.collection import Collection, index_upkeep, segment_files
from mmasc.collection.head import SpaceHead
from mmasc.collection.index import IndexPolicy, VectorIndex
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.segments import Piece, Placed, Places, _ascending, missing, outside, usable
from mmasc.collection.store import Store
from mmasc.windows.units import unit_float32

DIM = 8
# All lists are probed: answers are exact up to the rounding of fp16
POLICY = IndexPolicy(flat_numbers=100 * DIM, memory_bytes=1 << 40, recall=1.0, segment_rows=500)


def rows(first: int, count: int, each: int = 10) -> pa.Table:
    generator = np.random.default_rng(first)
    starts = np.arange(count) % each
    columns = [np.arange(first, first + count) // each, np.zeros(count, np.int16), starts * 1.0, starts + 1.0]
    return pa.table([*columns, vector_column(generator.normal(size=(count, DIM)))], schema=windows_schema(DIM))


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store.create(tmp_path / "c", tmp_path)
    with made.transaction() as change:
        change.add_space("one", SpaceHead("a" * 32, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("one", rows(0, 1_300))
    return made


def reader_of(store: Store):
    return Collection(store.folder, policy=POLICY).space()


def assert_brute_force(reader, allowed: np.ndarray | None = None) -> None:
    queries = unit_float32(np.random.default_rng(9).normal(size=(5, DIM)))
    vectors = unit_float32(np.concatenate([part for _, part in reader.store.vectors(reader.space)]))
    exact = queries @ vectors.T
    if allowed is not None:
        exact[:, ~allowed] = -np.inf
    scores, found = reader.search(queries, 20, allowed)
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :20], atol=2e-3)
    np.testing.assert_allclose(np.take_along_axis(exact, found, 1), scores, atol=2e-3)
    assert all(len(set(one)) == 20 for one in found.tolist())


def test_segments_answer_as_brute_force_while_windows_come_and_go(store, monkeypatch):
    built = []
    real = VectorIndex.build.__func__

    def build(cls, scan, count, *others, **named):
        index = real(cls, scan, count, *others, **named)
        built.append((index.kind, count))
        return index

    monkeypatch.setattr(VectorIndex, "build", classmethod(build))
    # Those that pass a filter are found by the segments too, not by looking at all of them
    monkeypatch.setattr("mmasc.collection.space._EXACT_ROWS", 0)
    allowed = np.random.default_rng(3).random(1_300) < 0.3
    reader = reader_of(store)
    assert_brute_force(reader)
    assert_brute_force(reader, allowed)
    assert built == [("ivf", 500), ("ivf", 500), ("ivf", 300)]
    built.clear()
    with store.transaction() as change:
        change.append_windows("one", rows(1_300, 30))
    assert_brute_force(reader_of(store))
    assert built == [("flat", 30)]
    built.clear()
    # One in the tail, one in a full segment; later more than a tenth of that one
    with store.transaction() as change:
        change.remove_windows("one", [3, 131])
    assert_brute_force(reader_of(store), np.arange(1_310) % 3 == 0)
    assert [kind for kind, _ in built if kind != "flat"] == []
    with store.transaction() as change:
        change.remove_windows("one", list(range(10, 20)))
    built.clear()
    assert_brute_force(reader_of(store))
    assert ("ivf", 390) in built
    assert len([kind for kind, _ in built if kind != "flat"]) == 1
    built.clear()
    assert_brute_force(reader_of(store))
    assert built == []
    collection = Collection(store.folder, policy=POLICY)
    assert [one.message for one in collection.check() if "index" in one.message] == []


def test_windows_in_no_segment_are_found_and_nothing_twice(store):
    for first, count in ((1_300, 30), (1_330, 5)):  # a segment, and so few more that they lie in none
        with store.transaction() as change:
            change.append_windows("one", rows(first, count))
        reader_of(store).refresh_index()
    reader = reader_of(store)
    index = reader.refresh_index()
    assert index.rest.tolist() == list(range(1_330, 1_335))
    wanted = [5, 700, 1_310, 1_332]
    queries = unit_float32(reader.vectors(np.array(wanted)))
    assert reader.search(queries, 3)[1][:, 0].tolist() == wanted
    # Of fewer windows than are asked for, each is found once
    for few in (wanted, wanted[3:], wanted[:2]):
        scores, found = index.search(queries, 20, np.isin(np.arange(1_335), few), False, reader.vectors)
        for row in found:
            assert sorted(row[row >= 0].tolist()) == few
        assert np.isfinite(scores[:, : len(few)]).all()


def test_an_index_built_in_processes_is_the_same_and_its_recall_is_told(store):
    told = Collection(store.folder, policy=POLICY).index(workers=2)
    assert [(row["kind"], row["windows"], row["gone"]) for row in told] == [("ivf", 500, 0)] * 2 + [("ivf", 300, 0)]
    assert all(row["recall"] >= 0.99 for row in told)
    reader = reader_of(store)
    assert reader.refresh_index().recall == min(row["recall"] for row in told)
    assert (reader.kind_of_search(), reader.kind_of_search(5)) == ("ivf", "exact")
    assert_brute_force(reader)
    names = segment_files.segment_names(store.space_folder("a" * 32))
    with store.transaction() as change:
        change.append_windows("one", rows(1_300, 400))
    Collection(store.folder, policy=POLICY).index()
    joined = Collection(store.folder, policy=POLICY).index()
    assert [row["windows"] for row in joined][:3] == [500, 500, 500]
    assert len(set(names) & set(segment_files.segment_names(store.space_folder("a" * 32)))) == 2


@pytest.mark.parametrize(
    ("fault", "call"),  # all in the second segment, but the last: it dies when the first has its name
    [("write_index", 1), ("sync_file", 3), ("write_atomically", 1), ("sync_folder", 2), ("sync_folder", 1)],
)
def test_a_builder_that_dies_leaves_what_was_built_and_the_next_goes_on(store, monkeypatch, fault, call):
    module = segment_files
    real, count = getattr(module, fault), itertools.count()

    def dies(*arguments):
        if next(count) == call:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, fault, dies)
    # A process that is killed removes nothing
    monkeypatch.setattr(module.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        reader_of(store).refresh_index()
    monkeypatch.undo()
    folder = store.space_folder("a" * 32)
    before = set(segment_files.segment_names(folder))
    assert len(before) == 1
    assert len(list((folder / "segments").glob("new-*"))) == (call != 1 or fault != "sync_folder")
    assert_brute_force(reader_of(store))
    assert before <= set(segment_files.segment_names(folder))
    assert list((folder / "segments").glob("new-*")) == []
    assert len(segment_files.segment_names(folder)) == 3


def test_what_a_builder_left_that_died_before_it_deleted_goes_with_the_next_search(store, monkeypatch):
    folder = store.space_folder("a" * 32)
    small = VectorIndex.build(lambda: store.vectors(store.head().spaces["one"], last=90), 90, DIM, POLICY)
    small.save(folder, 1)  # that of a space which was small
    reader_of(store).refresh_index()
    first = segment_files.segment_names(folder)
    with store.transaction() as change:
        change.remove_windows("one", list(range(60, 90)))
    with monkeypatch.context() as dying:
        dying.setattr(index_upkeep, "drop_segments", lambda *_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            reader_of(store).refresh_index()
    small.save(folder, 1)
    assert set(first) < set(segment_files.segment_names(folder))
    assert_brute_force(reader_of(store))
    held = {one.name for one in reader_of(store).refresh_index().segments}
    assert held == set(segment_files.segment_names(folder))
    assert not (folder / "index.json").exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "../..", "segment-1/..", "segment-1/../..", "new-12345678", "segments"]
)
def test_only_segments_are_dropped(store, name):
    reader_of(store).refresh_index()
    folder = store.space_folder("a" * 32)
    before = segment_files.segment_names(folder)
    with pytest.raises(ValueError, match="is not the name of a segment of"):
        segment_files.drop_segments(folder, [before[0], name])
    with pytest.raises(ValueError, match="is not the name of a segment of"):
        segment_files.drop_segments(folder, [str(folder / "segments" / before[0])])
    assert segment_files.segment_names(folder) == before
    assert_brute_force(reader_of(store))


@pytest.mark.parametrize("identity", ["", ".", "..", "../x", "/x", "a/b"])
def test_no_space_is_made_beside_the_others(store, identity):
    with pytest.raises(ValueError, match="is not a plain name"), store.transaction() as change:
        change.add_space("two", SpaceHead(identity, "standin", DIM, 1.0, 1.0, "mix"))
    assert_brute_force(reader_of(store))


def test_where_nothing_can_be_written_the_index_is_in_memory(store, monkeypatch):
    def refuses(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(index_upkeep, "save_segment", refuses)
    reader = reader_of(store)
    assert_brute_force(reader)
    assert [len(one.index) for one in reader.refresh_index().segments] == [500, 500, 300]
    assert "is in memory alone" in reader.store.remarks[0]


def test_damaged_segments_are_built_again(store):
    reader_of(store).refresh_index()
    folder = store.space_folder("a" * 32)
    first, second, third = segment_files.segment_names(folder)
    (folder / "segments" / first / "vectors.faiss").write_bytes(b"half")
    (folder / "segments" / second / "segment.json").write_text("{}")
    assert_brute_force(reader_of(store))
    names = segment_files.segment_names(folder)
    assert len(names) == 3
    assert third in names
    file = folder / "segments" / third / "vectors.faiss"
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    assert segment_files.damaged_segments(folder) == [third]
    collection = Collection(store.folder, policy=POLICY)
    assert any("collection compact" in one.message for one in collection.check())
    collection.compact()
    assert segment_files.damaged_segments(folder) == []
    assert set(names) - {third} <= set(segment_files.segment_names(folder))


def test_an_index_of_an_earlier_version_is_the_first_segment(store):
    """Versions before segments kept one index of all windows in index.json."""
    reader = reader_of(store)
    folder = store.space_folder("a" * 32)
    whole = VectorIndex.build(lambda: store.vectors(reader.space), 1_300, DIM, POLICY)
    assert whole.save(folder, reader.space.version)
    with store.transaction() as change:
        change.append_windows("one", rows(1_300, 5))
    reader = reader_of(store)
    assert_brute_force(reader)
    (old, new) = reader.refresh_index().segments
    assert (old.name, len(old.index), new.index.kind, len(new.index)) == ("", 1_300, "flat", 5)


def placed(*bounds: tuple[int, int, str]) -> list[Placed]:
    found = []
    for first, last, kind in bounds:
        index = VectorIndex(kind, None, np.arange(first, last))
        found.append(Placed(f"{first}", index, first, last, None))
    return found


@pytest.mark.parametrize(
    ("there", "count", "join", "expected"),
    [
        ([], 1_300, False, [(0, 500, "ivf"), (500, 1_000, "ivf"), (1_000, 1_300, "ivf")]),
        ([(0, 500, "ivf")], 500, False, []),
        ([(0, 500, "ivf")], 501, False, []),  # so few are looked through in memory
        ([(0, 500, "ivf")], 511, False, [(500, 511, "flat")]),
        ([(0, 500, "ivf"), (500, 509, "flat")], 511, False, []),
        ([(0, 500, "ivf"), (500, 511, "flat")], 512, False, [(500, 512, "ivf")]),
        ([(0, 500, "ivf"), (400, 503, "flat")], 511, False, [(500, 511, "flat")]),  # 3 of its windows are new
        ([(0, 400, "ivf")], 449, False, [(400, 449, "flat")]),
        ([(0, 400, "ivf")], 450, False, [(400, 450, "ivf")]),
        ([(0, 400, "ivf"), (400, 600, "ivf")], 600, False, []),
        ([(0, 400, "ivf"), (400, 600, "ivf")], 600, True, [(0, 500, "ivf"), (500, 600, "ivf")]),
        ([(0, 500, "ivf"), (1_000, 1_500, "ivf")], 1_500, False, [(500, 1_000, "ivf")]),
        ([(0, 900, "ivf")], 900, True, []),
    ],
)
def test_what_is_built(there, count, join, expected):
    pieces, _ = missing(placed(*there), count, DIM, POLICY, join)
    assert pieces == [Piece(*one) for one in expected]


@pytest.mark.parametrize(("more", "kind"), [(65_535, "flat"), (65_536, "ivf")])
def test_a_trained_segment_has_rows_enough_for_its_lists(more, kind):
    full = 1_250_000
    policy = IndexPolicy(flat_numbers=8 * full, memory_bytes=1 << 40, segment_rows=full)
    pieces, replaced = missing(placed((0, full, "ivf")), full + more, DIM, policy)
    assert (pieces, replaced) == ([Piece(full, full + more, kind)], [])


def test_a_tenth_of_a_segment_may_be_gone():
    def worn(gone: int) -> Placed:
        return Placed("x", VectorIndex("ivf", None, np.arange(20)), 0, 20, np.where(np.arange(20) < gone, -1, 0))

    assert [len(usable([worn(gone)])) for gone in (0, 2, 3)] == [1, 1, 0]
    nothing = Placed("x", VectorIndex("ivf", None, np.arange(20)), 7, 7, None)
    assert usable([nothing]) == []


def test_row_ids_ascend_or_not_wherever_it_ends():
    ids = np.arange((1 << 20) + 3)
    assert _ascending(ids)
    for place in (1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 2):
        wrong = ids.copy()
        wrong[place] = wrong[place - 1]
        assert not _ascending(wrong)
    assert _ascending(ids[:1])
    assert _ascending(ids[:0])


def test_rows_are_placed_by_their_ids_in_any_order():
    ids = np.array([4, 7, 9, 12, 30, 31])
    index = VectorIndex("ivf", None, np.array([9, 12]))
    just = Places(ids).place("x", index)
    assert (just.first, just.last, just.places) == (2, 4, None)
    gone = VectorIndex("ivf", None, np.array([7, 8, 12]))
    found = Places(ids).place("x", gone)
    assert (found.first, found.last, found.gone, found.places.tolist()) == (1, 4, 1, [1, -1, 3])
    turned = Places(ids[::-1].copy()).place("x", gone)
    assert (turned.first, turned.last, turned.places.tolist()) == (2, 5, [4, -1, 2])
    assert outside([found], 6).tolist() == [0, 2, 4, 5]
    none = Places(ids).place("x", VectorIndex("ivf", None, np.zeros(0, np.int64)))
    assert (none.first, none.last, none.places.tolist()) == (0, 0, [])
    # A third is gone: it is not searched
    assert usable([found]) == []
    both = placed((0, 500, "ivf"), (300, 700, "ivf"), (500, 600, "flat"))
    assert [one.name for one in usable(both)] == ["0", "500"]


def test_segments_of_a_space_that_is_made_again_are_gone(store):
    reader_of(store).refresh_index()
    folder = store.space_folder("a" * 32)
    shutil.copytree(folder / "segments", store.folder / "kept")
    with store.transaction() as change:
        change.add_space("two", SpaceHead("b" * 32, "standin", DIM, 1.0, 1.0, "mix"))
    shutil.copytree(store.folder / "kept", store.space_folder("b" * 32) / "segments")
    with store.transaction() as change:
        change.add_space("three", SpaceHead("b" * 32, "standin", DIM, 1.0, 1.0, "mix"))
    assert segment_files.segment_names(store.space_folder("b" * 32)) == []


def test_the_exact_index_of_a_small_space_is_built_again_when_a_quarter_is_new(tmp_path, monkeypatch):
    made = Store.create(tmp_path / "c", tmp_path)
    with made.transaction() as change:
        change.add_space("one", SpaceHead("a" * 32, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("one", rows(0, 100))
    counts, plain = [], VectorIndex.build
    monkeypatch.setattr(
        VectorIndex, "build", lambda get, count, *more: counts.append(count) or plain(get, count, *more)
    )
    # What is new is searched in an index in memory, until it is more than a quarter
    for first, count, built in ((100, 0, [100]), (100, 0, [100]), (100, 25, [100, 25]), (125, 1, [100, 25, 126])):
        if count:
            with made.transaction() as change:
                change.append_windows("one", rows(first, count))
        reader = Collection(made.folder).space()
        assert_brute_force(reader)
        assert counts == built
