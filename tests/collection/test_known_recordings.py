"""Recordings known by digests: the same as a dictionary of all rows, and read again only where the tables changed."""

import numpy as np
import pyarrow as pa
import pytest

from mmasc.collection import known_recordings, path_digests
from mmasc.collection.head import SpaceHead
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.schema import RECORDING_FIELDS, vector_column, windows_schema
from mmasc.collection.stamps import Stamp
from mmasc.collection.store import Store


def recordings(first: int, count: int) -> pa.Table:
    names = {"path": "a/{}.wav", "status": "ok", "reason": ""}
    rows = []
    for one in range(first, first + count):
        row = {item.name: one for item in RECORDING_FIELDS} | {key: text.format(one) for key, text in names.items()}
        rows.append(row | {"duration": 1.0, "mmasc_digest": b"%d" % one, "mmasc_clock": None, "size": one % 7})
    return pa.Table.from_pylist(rows, pa.schema(RECORDING_FIELDS))


def windows(ids: list[int]) -> pa.Table:
    ones = np.ones(len(ids))
    columns = [np.array(ids), ones.astype(np.int16), ones, ones, vector_column(np.ones((len(ids), 2)))]
    return pa.table(columns, schema=windows_schema(2))


def plain(store: Store, space: str | None = "one") -> dict[str, Known]:
    """The same from all rows of both tables."""
    head = store.head()
    there = set() if space is None else set(store.windows(head.spaces[space]).column("recording").to_pylist())
    table = store.recordings(head).to_pylist()
    return {row["path"]: Known(row["id"], Stamp.of_row(row), row["id"] in there) for row in table}


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store.create(tmp_path / "c", tmp_path)
    with made.transaction() as change:
        change.add_space("one", SpaceHead("a" * 32, "standin", 2, 1.0, 1.0, "mix"))
        change.append_recordings(recordings(0, 40))
        change.append_windows("one", windows(list(range(0, 40, 2)) * 2))
    return made


def test_it_is_the_dictionary_of_all_rows_after_every_foreign_commit(store, monkeypatch):
    known = KnownRecordings(store, store.head(), "one")
    assert dict(known) == plain(store)
    assert dict(KnownRecordings(store, store.head())) == plain(store, None)
    assert known.get("never.wav") is None
    with pytest.raises(KeyError):
        known["never.wav"]
    pieces: list[int] = []
    real = Store.recordings

    def counted(self, head=None, columns=None, fragments=None):
        table = real(self, head, columns, fragments)
        pieces.append(len(table))
        return table

    other = Store(store.folder)
    for change_it in (
        lambda change: change.append_recordings(recordings(100, 5)),
        lambda change: change.append_windows("one", windows([1, 100])),
        lambda change: change.update_recordings(pa.table({"id": [3, 102], "size": pa.array([99, 98], pa.int64())})),
        lambda change: change.remove_recordings([4, 5, 101]),
        lambda change: change.remove_windows("one", [0]),
        lambda change: change.compact(),
    ):
        with other.transaction() as change:
            change_it(change)
        monkeypatch.setattr(Store, "recordings", counted)
        known.see(store.head())
        monkeypatch.setattr(Store, "recordings", real)
        assert dict(known) == plain(store)
    assert pieces[0] == 5  # of 45
    assert "a/4.wav" not in known
    assert known.get("nowhere") is None


def test_windows_are_read_again_only_where_they_changed(store, monkeypatch):
    known = KnownRecordings(store, store.head(), "one")
    counts: list[int] = []
    real = Store.batches

    def counted(self, *arguments):
        for batch in real(self, *arguments):
            counts.append(len(batch))
            yield batch

    monkeypatch.setattr(Store, "batches", counted)
    with Store(store.folder).transaction() as change:
        change.append_windows("one", windows([1, 3, 3]))
    known.see(store.head())
    assert sum(counts) == 3  # of 43
    assert known["a/3.wav"].embedded
    assert not known["a/5.wav"].embedded


def test_a_few_at_a_time_they_are_the_same(store, monkeypatch):
    monkeypatch.setattr(known_recordings, "_AT_ONCE", 7)
    monkeypatch.setattr(path_digests, "_AT_ONCE", 7)
    with store.transaction() as change:
        change.append_recordings(recordings(100, 15))
    known = KnownRecordings(store, store.head(), "one")
    assert list(known) == list(plain(store))
    assert all(known[path] == one for path, one in plain(store).items())
    assert len(known) == 55
    paths = pa.chunked_array([[f"{n}.wav" for n in range(20)], [], ["x"]])
    assert path_digests.digests_of(paths).tolist() == [hash(path) for path in paths.to_pylist()]


def test_many_changes_are_taken_from_the_tables_again(store, monkeypatch):
    monkeypatch.setattr(known_recordings, "_CHANGED", 2)
    known = KnownRecordings(store, store.head(), "one")
    del known["a/1.wav"]
    known.see(store.head())
    assert "a/1.wav" not in known  # one change is kept
    del known["a/2.wav"]
    assert (len(known), "a/2.wav" in known) == (38, False)
    known.see(store.head())
    assert dict(known) == plain(store)


def test_paths_of_one_digest_are_told_apart(store, monkeypatch):
    monkeypatch.setattr(path_digests, "digests_of", lambda paths: np.full(len(paths), hash("a/7.wav")))
    known = KnownRecordings(store, store.head(), "one")
    assert known["a/7.wav"] == plain(store)["a/7.wav"]
    assert len(known) == 40


def test_what_is_set_here_counts_until_the_tables_are_seen_again(store):
    known, rows = KnownRecordings(store, store.head(), "one"), plain(store)
    moved = known.pop("a/3.wav")
    known["b/3.wav"] = moved
    known["a/2.wav"] = changed = rows["a/2.wav"]._replace(stamp=Stamp(5, 5))
    assert "a/3.wav" not in known
    assert (len(known), known["b/3.wav"], known["a/2.wav"]) == (40, moved, changed)
    assert dict(known) == {name: one for name, one in rows.items() if name != "a/3.wav"} | {
        "b/3.wav": moved,
        "a/2.wav": changed,
    }
    assert dict(known.of_sizes({5})) == {name: one for name, one in known.items() if one.stamp.size == 5}
    with pytest.raises(KeyError):
        del known["a/3.wav"]
    known.see(store.head())
    assert known["a/2.wav"] == changed
    with Store(store.folder).transaction() as change:
        change.set_root("/elsewhere")
    known.see(store.head())
    assert dict(known) == rows
