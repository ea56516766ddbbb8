"""What is derived from the tables and written wrong is named, and compacting makes it again."""

import numpy as np
import pytest

from mmasc.collection import Collection, columns, space
from mmasc.collection.derived import mistaken_segments, wrong_columns
from mmasc.collection.index import IndexPolicy, VectorIndex
from mmasc.collection.segment_files import drop_segments, save_segment, segment_names
from mmasc.collection.space import read_columns as real_read_columns
from tests.helpers.made import DIM, made

NAMES = ["row_ids", "recording", "lane", "start", "end"]
POLICY = IndexPolicy(flat_numbers=10 * DIM, memory_bytes=1 << 40, recall=1.0, segment_rows=40)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A small collection whose columns are saved as those of large ones are."""

    def mapped(store, head, outdated, mapped_windows=1):
        return real_read_columns(store, head, outdated, 1)

    monkeypatch.setattr(space, "read_columns", mapped)
    made_store = made(tmp_path / "c", list(range(40)), gone=(3, 20))
    Collection(tmp_path / "c", policy=POLICY).space()
    return made_store


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_a_number_that_differs_names_its_column(store, name, at_once):
    head = store.head().spaces["one"]
    assert wrong_columns(store, head, at_once) == []
    (path,) = store.space_folder(head.identity).glob(f"columns-*/{name}")
    kind = columns._KINDS[name]
    numbers = np.fromfile(path, kind)
    numbers[len(numbers) // 2] += 1
    numbers.tofile(path)
    assert wrong_columns(store, head, at_once) == [name]


def test_check_names_wrong_columns_and_compact_makes_them_again(store, tmp_path):
    (path,) = store.space_folder("a" * 32).glob("columns-*/start")
    np.fromfile(path, "<f8")[::-1].tofile(path)
    collection = Collection(tmp_path / "c", policy=POLICY)
    (found,) = [one.message for one in collection.check() if one.level == "error"]
    assert "'one': start of its windows differ from its table" in found
    assert "mmasc collection compact" in found
    collection.compact()
    assert [one for one in Collection(tmp_path / "c", policy=POLICY).check() if one.level == "error"] == []
    assert (Collection(tmp_path / "c").space().start == store.windows(store.head().spaces["one"])["start"]).all()


def test_a_segment_with_other_vectors_is_named_and_built_again(store, tmp_path):
    collection = Collection(tmp_path / "c", policy=POLICY)
    collection.index()
    reader = collection.space()
    assert mistaken_segments(reader) == {}
    folder = store.space_folder("a" * 32)
    first = reader.refresh_index().segments[0]
    # Whole by its checksums: the vectors are those of other windows
    wrong = VectorIndex(first.index.kind, first.index.index, first.index.row_ids[::-1].copy(), first.index.nprobe)
    wrong.curve, wrong.policy = first.index.curve, first.index.policy
    name = save_segment(folder, wrong)
    drop_segments(folder, [first.name])
    collection = Collection(tmp_path / "c", policy=POLICY)
    assert mistaken_segments(collection.space()).keys() == {name}
    assert any(f"{name} does not find" in one.message for one in collection.check())
    collection.compact()
    assert name not in segment_names(folder)
    assert [one for one in Collection(tmp_path / "c", policy=POLICY).check() if one.level == "error"] == []
