"""The map from Python and the command line: the page's own, and computed a second way."""

import csv

import numpy as np
import pytest

from mmasc import map_windows
from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32
from tests.helpers.command import run
from tests.helpers.web import annotate, ids, server

__all__ = ["server"]  # a fixture


def axes_of(collection: Collection) -> np.ndarray:
    """Two principal axes by another way: singular values of all windows at once, in the order of the space."""
    units = unit_float32(collection.space().vectors()).astype(np.float64)
    centred = units - units.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1)
    return places / np.abs(places).max()


def read(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def drawn(capsys, *words) -> tuple[int, str, str]:
    return run("collection", "map", *words, capsys=capsys)


def test_the_table_is_the_map_that_the_page_shows(server, tmp_path, capsys):
    said = drawn(capsys, server.folder, "--to", tmp_path / "map.csv")
    assert said == (0, "", f"36 windows of space standin → {tmp_path / 'map.csv'}\n")
    rows = read(tmp_path / "map.csv")
    while True:
        answer = server.client.get("/api/map")
        if answer.headers["x-ready"] == "1":
            break
    shown = np.frombuffer(answer.content[4 + 4 * 36 : 4 + 12 * 36], np.float32).reshape(-1, 2)
    collection = Collection(server.folder)
    reader, wanted = collection.space(), axes_of(collection)
    paths = [collection.path_of_id(int(one)) for one in reader.recording]
    place = {(path, float(reader.start[number])): number for number, path in enumerate(paths)}
    order = [place[row["path"], float(row["start"])] for row in rows]
    assert sorted(order) == list(range(36))
    assert [(row["path"], float(row["start"])) for row in rows] == sorted(place)
    found = np.array([[row["x"], row["y"]] for row in rows], np.float32)
    assert (found == shown[order]).all()
    np.testing.assert_allclose(found, wanted[order], atol=1e-3)


def test_a_condition_chooses_points_and_moves_none(server, tmp_path, capsys):
    collection = Collection(server.folder)
    everything = map_windows(collection)
    some = map_windows(collection, where="site = 'site1' and start < 2")
    rows = everything.windows.to_pylist()
    kept = [n for n, row in enumerate(rows) if row["site"] == "site1" and row["start"] < 2]
    assert 0 < len(kept) < len(rows)
    assert some.windows.to_pylist() == [rows[n] for n in kept]
    assert (some.places == everything.places[kept]).all()


def test_colours_are_those_of_columns_and_of_annotations(server, tmp_path, capsys):
    annotate(server, ids(server)[0], 0, 2, "fr\u00f6g")
    assert run(
        "collection", "map", server.folder, "--to", tmp_path / "a.csv", "--colour", "site", "--quiet", capsys=capsys
    ) == (0, "", "")
    assert all(row["colour"] == row["site"] for row in read(tmp_path / "a.csv"))
    assert drawn(capsys, server.folder, "--to", tmp_path / "b.csv", "--colour", "label")[0] == 0
    touched = {(row["path"], row["start"]) for row in read(tmp_path / "b.csv") if row["colour"] == "fr\u00f6g"}
    path = Collection(server.folder).path_of_id(int(ids(server)[0]))
    assert touched == {(path, "0.0"), (path, "1.0")}


def test_a_picture_is_the_same_bytes_and_shows_every_point(server, tmp_path, capsys):
    said = drawn(capsys, server.folder, "--to", tmp_path / "a.png", "--colour", "site")
    assert said == (0, "", f"36 windows of space standin → {tmp_path / 'a.png'}\n")
    found = map_windows(Collection(server.folder), colour="site")
    assert found.write(tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    plain = map_windows(Collection(server.folder))
    assert plain.write(tmp_path / "c.png").read_bytes() != (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--to", "map.txt"], "map.txt: a map is a table or a picture; name a file that ends in .csv or .png"),
        (["--to", "map.csv", "--space", "x"], "has no space 'x'"),
        (["--to", "map.csv", "--colour", "x"], "has no column 'x'"),
        (["--to", "map.csv", "--where", "start > 1000"], "has no windows that meet the condition"),
        (["--to", "map.csv", "--where", "strat > 1"], "there is no column 'strat'"),
        (["--to", "."], ". is a folder; name a file that ends in .csv or .png"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(server, tmp_path, monkeypatch, capsys, words, line):
    monkeypatch.chdir(tmp_path)
    code, _, said = drawn(capsys, server.folder, *words)
    assert code == 1
    assert line in said
    assert said.count("\n") == 1
    assert not (tmp_path / "map.csv").exists()


def test_an_empty_space_has_no_map(server):
    collection = Collection(server.folder)
    collection.remove(where="duration > 0")
    with pytest.raises(MmascError, match="has no windows"):
        map_windows(Collection(server.folder))
