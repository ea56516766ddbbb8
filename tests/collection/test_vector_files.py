"""Vectors of one's own from files: the command stores what `Collection.add_vectors` stores of the same arrays."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmasc.collection import Collection
from mmasc.collection.vector_files import read_durations
from mmasc.errors import MmascError
from tests.helpers.command import run

NAMES = ["pond/a.wav"] * 4 + ["b.wav"] * 3
STARTS = np.array([0, 3, 6, 9, 0, 3, 6.0])
LENGTHS = [11.5] * 4 + [9.0] * 3
VECTORS = np.random.default_rng(0).normal(size=(7, 8)).astype(np.float32)
TARGET = ("--space", "net", "--identity", "some net")


def rows(extra=""):
    lines = [f"{name},{start},{start + 3},{length}" for name, start, length in zip(NAMES, STARTS, LENGTHS, strict=True)]
    return "path,start,end,duration\n" + "\n".join(lines) + "\n" + extra


def write_npy(folder):
    np.save(folder / "v.npy", VECTORS)
    (folder / "rows.csv").write_text(rows())
    return [folder / "v.npy", "--table", folder / "rows.csv"]


def write_pair(folder):
    """As `mmasc collection export` writes them."""
    np.save(folder / "vectors.npy", VECTORS)
    table = {"path": NAMES, "start": STARTS, "end": STARTS + 3, "lane": [0] * 7, "duration": LENGTHS}
    pq.write_table(pa.table(table), folder / "windows.parquet")
    return [folder / "vectors.npy", "--table", folder / "windows.parquet"]


def write_npz(folder):
    named = {"recordings": np.array(NAMES), "starts": STARTS, "ends": STARTS + 3, "durations": np.array(LENGTHS)}
    np.savez_compressed(folder / "v.npz", embeddings=VECTORS, **named)
    return [folder / "v.npz"]


def write_lists(folder):
    table = {"path": NAMES, "start": STARTS, "end": STARTS + 3, "duration": LENGTHS, "vector": list(VECTORS)}
    pq.write_table(pa.table(table), folder / "v.parquet")
    return [folder / "v.parquet"]


def write_columns(folder):
    table = {"path": NAMES, "start": STARTS, "end": STARTS + 3, "duration": LENGTHS}
    table |= {f"v{place}": VECTORS[:, place] for place in range(8)}
    pq.write_table(pa.table(table), folder / "v.parquet")
    return [folder / "v.parquet"]


def stored(folder) -> dict[tuple[str, float, float], bytes]:
    collection = Collection(folder)
    reader = collection.space("net")
    paths = [collection.path_of_id(int(one)) for one in reader.recording]
    moments = zip(paths, reader.start.tolist(), reader.end.tolist(), strict=True)
    return dict(zip(moments, map(bytes, reader.vectors()), strict=True))


@pytest.fixture
def wanted(tmp_path):
    collection = Collection.create(tmp_path / "wanted", tmp_path / "field")
    collection.add_vectors(VECTORS, NAMES, STARTS, STARTS + 3, "net", "some net", LENGTHS)
    return stored(tmp_path / "wanted")


def command(*words, capsys):
    return run("collection", "add-vectors", *words, capsys=capsys)


@pytest.mark.parametrize("write", [write_npy, write_pair, write_npz, write_lists, write_columns])
def test_every_kind_of_file_gives_what_python_gives(tmp_path, wanted, capsys, write):
    words = [tmp_path / "c", *write(tmp_path), *TARGET]
    status, said, _ = command(*words, "--root", tmp_path / "field", capsys=capsys)
    assert (status, said) == (0, f"7 vectors added, 0 replaced, 0 already there; 2 new recordings → {tmp_path / 'c'}\n")
    assert stored(tmp_path / "c") == wanted
    assert [one.message for one in Collection(tmp_path / "c").check()] == []
    status, said, _ = command(*words, "--format", "json", capsys=capsys)
    assert (status, json.loads(said)["known"], json.loads(said)["added"]) == (0, 7, 0)


def test_what_is_exported_comes_back(tmp_path, wanted, capsys):
    assert run("collection", "export", tmp_path / "wanted", "--to", tmp_path / "out", capsys=capsys)[0] == 0
    pair = [tmp_path / "out" / "vectors.npy", "--table", tmp_path / "out" / "windows.parquet"]
    assert command(tmp_path / "wanted", *pair, "--space", "net", capsys=capsys)[0] == 0
    assert stored(tmp_path / "wanted") == wanted


def test_other_vectors_take_their_place_when_that_is_said(tmp_path, wanted, capsys):
    words = [tmp_path / "c", *write_npy(tmp_path), *TARGET, "--root", tmp_path / "field"]
    assert command(*words, capsys=capsys)[0] == 0
    np.save(tmp_path / "v.npy", VECTORS * 2)
    status, _, said = command(*words, capsys=capsys)
    assert (status, "--replace" in said, said.count("\n")) == (1, True, 1)
    assert stored(tmp_path / "c") == wanted
    status, said, _ = command(*words, "--replace", capsys=capsys)
    assert (status, said.startswith("0 vectors added, 7 replaced")) == (0, True)
    assert stored(tmp_path / "c") != wanted


def bad(name):
    """A way to spoil a folder with v.npy and rows.csv, by name."""
    csv = {
        "few rows": lambda text: text.rsplit("\n", 2)[0] + "\n",
        "no column": lambda text: text.replace("start", "begin", 1),
        "no number": lambda text: text.replace(",3.0,6.0", ",soon,6.0", 1),
        "two lengths": lambda text: text.replace("b.wav,3.0,6.0,9.0", "b.wav,3.0,6.0,10.0"),
        "backwards": lambda text: text.replace(",3.0,6.0", ",6.0,6.0", 1),
    }
    arrays = {
        "nan": np.where(np.arange(7)[:, None] == 3, np.nan, VECTORS),
        "texts": np.array(["a"] * 7),
        "one row": VECTORS[0],
        "objects": np.array([{}] * 7, object),
    }

    def spoil(folder):
        if name in csv:
            (folder / "rows.csv").write_text(csv[name](rows()))
        else:
            np.save(folder / "v.npy", arrays[name], allow_pickle=name == "objects")

    return spoil


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("few rows", "rows.csv has 6 rows, {}/v.npy has 7 vectors; give a row per vector"),
        ("no column", "rows.csv has no column start; its columns are "),
        ("no number", "rows.csv, row 2: start is 'soon', not a number"),
        ("two lengths", "rows.csv, row 6: b.wav lasts 10 s here and 9 s in another row"),
        ("backwards", "v.npy: starts[1] is 6 s, its end 6 s: not after it"),
        ("nan", "v.npy: vectors[3] holds NaN or infinity"),
        ("texts", "v.npy holds <U1 [7]; vectors must be numbers [row, dim]"),
        ("one row", "v.npy holds float32 [8]; vectors must be numbers [row, dim]"),
        ("objects", "v.npy is not a whole array (it holds objects)"),
    ],
)
def test_bad_input_is_one_line_that_names_the_file(tmp_path, wanted, capsys, name, line):
    words = write_npy(tmp_path)
    bad(name)(tmp_path)
    status, _, said = command(tmp_path / "wanted", *words, *TARGET, capsys=capsys)
    assert status == 1
    assert line.format(tmp_path) in said
    assert said.count("\n") == 1
    assert stored(tmp_path / "wanted") == wanted


def test_what_cannot_be_read_is_one_line(tmp_path, wanted, capsys):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "a.npz").write_bytes(b"PK no")
    (tmp_path / "a.txt").write_text("1")
    np.savez(tmp_path / "b.npz", other=VECTORS)
    pq.write_table(pa.table({"path": NAMES}), tmp_path / "b.parquet")
    uneven = {"path": NAMES, "start": STARTS, "end": STARTS + 3, "vector": [[1.0] * (1 + n % 2) for n in range(7)]}
    pq.write_table(pa.table(uneven), tmp_path / "c.parquet")
    (tmp_path / "empty").mkdir()
    for source, line in (
        ("a.parquet", "cannot be read as parquet"),
        ("a.npz", "is not a whole archive of arrays"),
        ("a.txt", "vectors come as .npy, .npz or .parquet"),
        ("b.npz", "has no array vectors; its arrays are"),
        ("b.parquet", "has no column vector; its columns are"),
        ("c.parquet", "vectors must be numbers, as many in each row"),
        ("gone.npy", "cannot be read (No such file or directory)"),
        ("empty", "holds no hoplite database"),
    ):
        status, _, said = command(tmp_path / "wanted", tmp_path / source, *TARGET, capsys=capsys)
        assert (status, line in said, source in said, said.count("\n")) == (1, True, True, 1), said
    np.save(tmp_path / "v.npy", VECTORS)
    status, _, said = command(tmp_path / "wanted", tmp_path / "v.npy", *TARGET, capsys=capsys)
    assert (status, "give their moments with --table CSV" in said) == (1, True)
    status, _, said = command(tmp_path / "gone", *write_npy(tmp_path), *TARGET, capsys=capsys)
    assert status == 1
    assert not (tmp_path / "gone").exists()
    assert stored(tmp_path / "wanted") == wanted


def test_a_database_of_hoplite_by_command(tmp_path, wanted, capsys):
    pytest.importorskip("perch_hoplite.db.sqlite_usearch_impl", reason="the extra hoplite is not installed")
    export = ("collection", "export", tmp_path / "wanted", "--to", tmp_path / "h", "--format", "hoplite")
    assert run(*export, capsys=capsys)[0] == 0
    (tmp_path / "lengths.csv").write_text("path,duration\npond/a.wav,11.5\nb.wav,9\n")
    words = [tmp_path / "c", tmp_path / "h", *TARGET, "--root", tmp_path / "field", "--table", tmp_path / "lengths.csv"]
    status, said, _ = command(*words, capsys=capsys)
    assert (status, said.startswith("7 vectors added")) == (0, True)
    assert stored(tmp_path / "c").keys() == wanted.keys()


def test_one_root_is_that_of_the_collection(tmp_path, wanted, capsys):
    status, _, said = command(
        tmp_path / "wanted", *write_npy(tmp_path), *TARGET, "--root", tmp_path / "x", capsys=capsys
    )
    assert (status, "has the root" in said) == (1, True)
    (tmp_path / "x.csv").write_text("name,duration\na,1\n")
    with pytest.raises(MmascError, match="has no column path"):
        read_durations(tmp_path / "x.csv")
