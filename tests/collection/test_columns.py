"""Mapped columns: always what the table says, whatever was added, removed, compacted, torn or refused meanwhile."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from mmasc.collection import Collection, columns
from mmasc.collection.derived import wrong_columns
from mmasc.collection.head import SpaceHead
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.store import Store

DIM = 2


def rows(first: int, count: int) -> pa.Table:
    starts = np.arange(first, first + count) * 1.0
    table = [np.arange(first, first + count) // 5, np.arange(count) % 2, starts, starts + 1, np.ones((count, DIM))]
    return pa.table([*table[:1], table[1].astype(np.int16), *table[2:4], vector_column(table[4])], windows_schema(DIM))


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store.create(tmp_path / "c", tmp_path)
    with made.transaction() as change:
        change.add_space("one", SpaceHead("a" * 32, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("one", rows(0, 60))
    return made


def read(store: Store, head=None, outdated: bool = False) -> columns.WindowColumns:
    space = (head or store.head()).spaces["one"]
    found = columns.read_columns(store, space, lambda: outdated, mapped_windows=1)
    table = store.windows(space, row_ids=True)
    for name, column in zip(["_rowid", "recording", "lane", "start", "end"], found, strict=True):
        np.testing.assert_array_equal(column, table.column(name).to_numpy())
    assert found.lane.dtype == np.int16
    return found


def homes(store: Store) -> list[str]:
    return sorted(one.name for one in store.space_folder("a" * 32).glob("columns-*"))


def test_columns_follow_the_table(store):
    first = read(store)
    (home,) = homes(store)
    old = store.head()
    with store.transaction() as change:
        change.append_windows("one", rows(60, 30))
    read(store)
    assert homes(store) == [home]  # appended
    read(store, old)  # a part of what is there now
    with store.transaction() as change:
        change.remove_windows("one", [3, 13])
    read(store)
    (other,) = homes(store)
    assert other != home
    np.testing.assert_array_equal(first.start, np.arange(60.0))  # files that were replaced are still mapped
    with store.transaction() as change:
        change.append_windows("one", rows(90, 7))
        change.compact()
    read(store)
    with store.transaction() as change:
        change.remove_windows("one", list(range(40)))
    assert len(read(store).start) == 0


def test_in_pieces_they_are_the_same(store, monkeypatch):
    monkeypatch.setattr(columns, "_ROWS_AT_ONCE", 7)
    read(store)
    with store.transaction() as change:
        change.append_windows("one", rows(60, 15))
        change.remove_windows("one", [5, 6, 20])
    read(store)
    assert wrong_columns(store, store.head().spaces["one"]) == []


def test_few_windows_are_in_memory(store):
    space = store.head().spaces["one"]
    found = columns.read_columns(store, space, lambda: False, mapped_windows=61)
    assert (len(found.start), homes(store)) == (60, [])
    columns.read_columns(store, space, lambda: False, mapped_windows=60)
    assert len(homes(store)) == 1


def test_an_older_reader_replaces_nothing_of_a_newer_one(store):
    old = store.head()
    with store.transaction() as change:
        change.remove_windows("one", [3])
    read(store)
    before = homes(store)
    read(store, old, outdated=True)
    assert homes(store) == before
    read(store, old)  # a backup was put back
    assert homes(store) != before


@pytest.mark.parametrize("harm", ["short", "gone", "header", "text"])
def test_damaged_files_are_written_again(store, harm):
    read(store)
    (home,) = store.space_folder("a" * 32).glob("columns-*")
    if harm == "short":
        (home / "start").write_bytes(b"12345678")
    elif harm == "gone":
        (home / "lane").unlink()
    else:
        (home.parent / "columns.json").write_text('{"format": 1, "folder": "../x"}' if harm == "header" else "[")
    read(store)
    (again,) = homes(store)
    assert again != home.name


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "../outside"}, {"folder": "columns-0000000g"}, {"folder": None}, {"format": 2}, {"version": "1"},
        {"version": True}, {"fragments": [["x", 1e999]]}, {"fragments": [["x", -1]]}, {"fragments": [["x", 10**30]]},
        {"fragments": {"x": 1}}, {"fragments": [[]]},
    ],
)  # fmt: skip
def test_a_header_that_nobody_wrote_counts_as_none(store, change):
    """Columns elsewhere that are whole, and other ones: they are not used."""
    read(store)
    folder = store.space_folder("a" * 32)
    (home,) = folder.glob("columns-*")
    for name in ("../outside", "columns-0000000g"):
        shutil.copytree(home, folder / name)
        (folder / name / "start").write_bytes(bytes((home / "start").stat().st_size))
    header = json.loads((folder / "columns.json").read_text())
    (folder / "columns.json").write_text(json.dumps(header | change))
    read(store)
    assert json.loads((folder / "columns.json").read_text())["folder"] not in (home.name, change.get("folder"))


@pytest.mark.parametrize("point", ["sync_file", "write_atomically"])
def test_a_writer_that_dies_while_it_appends_leaves_the_columns_as_they_were(store, monkeypatch, point):
    read(store)
    with store.transaction() as change:
        change.append_windows("one", rows(60, 30))

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(columns, point, dies)
    with pytest.raises(KeyboardInterrupt):
        read(store)
    monkeypatch.undo()
    # What it left behind the windows that count is written over
    with store.transaction() as change:
        change.append_windows("one", rows(200, 3))
    read(store)
    assert len(homes(store)) == 1


def test_where_nothing_can_be_written_columns_are_in_memory(store, monkeypatch):
    def refuses(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(columns, "write_atomically", refuses)
    read(store)
    assert homes(store) == []


def harm(file) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["row_ids", "recording", "lane", "start", "end"])
def test_a_flipped_bit_is_found_by_check_and_healed_by_compaction(store, name, monkeypatch):
    monkeypatch.setattr(columns.read_columns, "__defaults__", (1,))
    folder = store.space_folder("a" * 32)
    read(store)
    with store.transaction() as change:
        change.append_windows("one", rows(60, 30))
    read(store)
    (home,) = folder.glob("columns-*")
    with (home / name).open("ab") as file:
        file.write(b"left behind")  # by a writer that died: it does not count

    def said() -> list[str]:
        return [one.message for one in Collection(store.folder).check() if "differ from its table" in one.message]

    assert said() == []
    harm(home / name)
    (line,) = said()
    assert f"{name} of its windows" in line
    assert "mmasc collection compact" in line
    Collection(store.folder).compact()
    read(store)
    assert said() == []
