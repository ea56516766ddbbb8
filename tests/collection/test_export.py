"""An export is all windows by path, lane and start, however many are in memory together."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.collection.export import export
from tests.helpers.made import DIM, made

PIECES = [1, 4, 9, 10_000]


@pytest.fixture
def expected(tmp_path) -> list[tuple]:
    """Rows sorted by Python, of a collection `c`: its table in another order than its paths, and with holes."""
    numbers = [*range(20, 40), *range(19)]
    store = made(tmp_path / "c", numbers, gone=(3, 21, 38), site=[f"s{one % 2}" for one in numbers])
    recordings = {row["id"]: row for row in store.recordings().to_pylist()}
    table = store.dataset(store.head().spaces["one"]).to_table().to_pylist()
    root = str(tmp_path / "sounds")
    rows = []
    for row in table:
        own = recordings[row["recording"]]
        described = (f"{root}/{own['path']}", row["lane"], row["start"], row["end"], own["site"])
        rows.append((*described, np.array(row["vector"], np.float32)))
    return sorted(rows, key=lambda row: row[:3])


@pytest.mark.parametrize("at_once", PIECES)
def test_arrays_are_what_sorting_all_rows_gives(expected, tmp_path, at_once):
    collection = Collection(tmp_path / "c")
    export(collection, collection.space(), tmp_path / "x", "npy", at_once)
    assert "recordings" not in collection.__dict__  # not all of them were kept
    np.testing.assert_array_equal(np.load(tmp_path / "x/vectors.npy"), [row[5] for row in expected])
    table = pq.read_table(tmp_path / "x/windows.parquet")
    assert table.column_names == ["path", "start", "end", "lane", "site"]
    found = [(row["path"], row["lane"], row["start"], row["end"], row["site"]) for row in table.to_pylist()]
    assert found == [row[:5] for row in expected]


@pytest.mark.parametrize("at_once", PIECES)
def test_text_is_what_sorting_all_rows_gives(expected, tmp_path, at_once):
    collection = Collection(tmp_path / "c")
    export(collection, collection.space(), tmp_path / "x", "csv", at_once)
    with open(tmp_path / "x/windows.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "start", "end", "lane", "site", *(f"v{one}" for one in range(DIM))]
    assert [(row[0], int(row[3]), float(row[1])) for row in rows[1:]] == [row[:3] for row in expected]
    np.testing.assert_array_equal(np.array([row[5:] for row in rows[1:]], np.float32), [row[5] for row in expected])


def test_an_empty_space_is_an_empty_export(tmp_path):
    made(tmp_path / "c", [4], gone=(4,))
    collection = Collection(tmp_path / "c")
    collection.export(tmp_path / "x")
    assert np.load(tmp_path / "x/vectors.npy").shape == (0, DIM)
    assert pq.read_table(tmp_path / "x/windows.parquet").column_names == ["path", "start", "end", "lane"]


@pytest.mark.parametrize(
    ("file_format", "names"),
    [("npy", ["vectors.npy", "windows.parquet", "annotations.parquet"]), ("csv", ["windows.csv", "annotations.csv"])],
)
def test_files_are_called_by_what_they_hold(tmp_path, file_format, names):
    made(tmp_path / "c", [4])
    collection = Collection(tmp_path / "c")
    collection.annotations.add([Annotation(recording=996, start=0, end=1, label="frog")])
    written = collection.export(tmp_path / "x", file_format=file_format)
    assert written == [tmp_path / "x" / name for name in names]
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted(names)
    with pytest.raises(ValueError, match="file_format must be 'npy' or 'csv', got 'json'"):
        collection.export(tmp_path / "x", file_format="json")
