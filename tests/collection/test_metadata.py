"""Tables of own columns: which row a file gets, what is said of the others, which types columns have."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from mmasc.collection.metadata import Metadata, folder_columns, metadata_table, own_columns
from mmasc.errors import MmascError

NOTHING = pa.schema([])


def matched(tmp_path, text: str, given=("a.wav", "b.wav"), others=("c.wav", "d.wav"), schema=NOTHING) -> Metadata:
    (tmp_path / "m.csv").write_text(text)
    metadata = Metadata(tmp_path / "m.csv")
    root = tmp_path / "r"
    metadata.match([root / one for one in given], [str(root / one) for one in others], str(root), schema)
    return metadata


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a.wav,1\nb.wav,2\n", []),
        ("a.wav,1\n", ["1 of the files given has no row in "]),
        ("x.wav,1\n", ["1 of 1 row of T names no file here", "2 of the files given have no row in "]),
        ("x.wav,1\ny.wav,2\na.wav,1\nb.wav,2\n", ["2 of 4 rows of T name no file here"]),
        (
            "c.wav,1\na.wav,1\nb.wav,2\n",
            ["1 of 3 rows of T names a recording that was not given this time; it stays as it is"],
        ),
        (
            "c.wav,1\nd.wav,2\na.wav,1\nb.wav,2\n",
            ["2 of 4 rows of T name recordings that were not given this time; they stay as they are"],
        ),
    ],
)
def test_what_is_said_of_rows_without_a_file_and_files_without_a_row(tmp_path, rows, said):
    found = [line.replace(str(tmp_path / "m.csv"), "T") for line in matched(tmp_path, "path,n\n" + rows).remarks]
    assert len(found) == len(said)
    for line, beginning in zip(found, said, strict=True):
        assert line.startswith(beginning)


def test_values_are_of_the_type_of_their_column(tmp_path):
    metadata = matched(tmp_path, "path;n;x;t;e\na.wav;1;1,5;q;\nb.wav;2;2;;\n")
    assert metadata.types == {"n": pa.int64(), "x": pa.float64(), "t": pa.string(), "e": pa.string()}
    assert metadata.of(tmp_path / "r" / "a.wav") == {"n": 1, "x": 1.5, "t": "q"}
    assert metadata.of(tmp_path / "r" / "b.wav") == {"n": 2, "x": 2.0}  # an empty value says nothing
    assert metadata.of(tmp_path / "r" / "c.wav") == {}
    assert len(metadata) == 2
    # A stored column of text stays one, whatever the values look like
    stored = pa.schema([("n", pa.string()), ("x", pa.float64())])
    metadata = matched(tmp_path, "path,n,x\na.wav,1,2\nb.wav,2,3\n", schema=stored)
    assert metadata.of(tmp_path / "r" / "a.wav")["n"] == "1"
    assert metadata.types["n"] == pa.string()


@pytest.mark.parametrize(
    ("header", "key"),
    [("path,filename", "path"), ("file,n", "file"), ("FILE_NAME,n", "FILE_NAME"), ("n,Fname", "Fname")],
)
def test_the_column_that_names_the_file(tmp_path, header, key):
    names = header.split(",")
    metadata = matched(tmp_path, f"{header}\n{','.join('a.wav' if name == key else '7' for name in names)}\n")
    assert list(metadata.columns) == [name for name in names if name != key]
    assert metadata.of(tmp_path / "r" / "a.wav")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n,m\n1,2\n", r"m.csv: needs a column that names the file \(path, .*\); it has: n, m"),
        ("path,n\na.wav,1\n,2\n", "m.csv: line 3 has nothing in column 'path'; fix the line"),
        ("path,n\na.wav,1\n./a.wav,2\n", "m.csv: lines 2 and 3 are two rows for"),
    ],
)
def test_tables_that_cannot_be_used_are_one_line(tmp_path, text, said):
    with pytest.raises(MmascError, match=said):
        matched(tmp_path, text)


def test_folders_are_columns_outermost_first():
    path = Path("/r/2024/pond/left/a.wav")
    assert folder_columns(path, "/r", ["year", "place"]) == {"year": "2024", "place": "pond"}
    assert folder_columns(path, "/r", ["year", "place", "side"])["side"] == "left"
    assert folder_columns(path, "/r", []) == {}
    for root, count in (("/r/2024", 2), ("/elsewhere", 0)):
        with pytest.raises(MmascError, match=f"lies {count} folders under {root}, too few for the columns a, b, c"):
            folder_columns(path, root, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([1, None, 3], pa.int64(), [1, None, 3]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        (["a", 1], pa.string(), ["a", "1"]),
        ([2**63, 1], pa.string(), [str(2**63), "1"]),
        ([None, None], pa.string(), [None, None]),
    ],
)
def test_columns_that_are_not_stored_yet_are_of_the_widest_type(values, kind, stored):
    found = own_columns([{"x": value} for value in values], NOTHING)["x"]
    assert (found.type, found.to_pylist()) == (kind, stored)


def test_stored_types_count():
    rows = [{"n": 3.0, "t": 5, "x": 1, "at": "2024-05-01T04:00:00"}, {"more": "y"}]
    kinds = {"n": pa.int64(), "t": pa.string(), "x": pa.float64(), "at": pa.timestamp("us")}
    found = own_columns(rows, pa.schema(list(kinds.items())))
    assert {name: array.type for name, array in found.items()} == {**kinds, "more": pa.string()}
    moment = datetime(2024, 5, 1, 4)
    assert [found[name].to_pylist() for name in kinds] == [[3, None], ["5", None], [1.0, None], [moment, None]]
    table = metadata_table({9: rows[0], 4: rows[1]}, pa.schema(list(kinds.items())))
    assert table.column("id").to_pylist() == [9, 4]
    assert table.column_names == ["id", *kinds, "more"]
    with pytest.raises(MmascError, match=r"column 'n' holds whole numbers \(int64\) in this collection, not 3.5"):
        own_columns([{"n": 3.5}], pa.schema([("n", pa.int64())]))
    with pytest.raises(MmascError, match="column 'x' holds double in this collection"):
        own_columns([{"x": "much"}], pa.schema([("x", pa.float64())]))
    with pytest.raises(MmascError, match="a column of your own cannot be called 'start'; name it "):
        own_columns([{"start": 1}], NOTHING)
    with pytest.raises(MmascError, match="the name of a column must be a text, got int"):
        own_columns([{7: 1}], NOTHING)
