"""Tables for people: what has no room stands beneath its row, whole, and nothing is wider than the terminal."""

import pytest

from mmasc.cli import output
from mmasc.cli.output import print_table

TEXT = "where is said in a sentence, which takes some room, what it is and what it is good for"
ROWS = [
    {"name": "a-name", "kind": "encoder", "dim": 256, "description": TEXT},
    {"name": "another-name-that-is-long", "kind": "network", "dim": 1_024, "description": "short"},
    {"name": "[bold]", "kind": "network", "dim": None, "description": TEXT + "; " + TEXT},
]
NAMES = ["name", "kind", "dim", "description"]


def drawn(width, capsys, monkeypatch, rows=ROWS, names=NAMES):
    monkeypatch.setattr(output, "TABLE_WIDTH", width)
    print_table(rows, names)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [48, 60, 72])
def test_sentences_without_room_stand_beneath_their_rows(width, capsys, monkeypatch):
    lines = drawn(width, capsys, monkeypatch)
    assert max(map(len, lines)) <= width
    assert lines[0].split() == ["name", "kind", "dim"]
    assert lines[1].split() == ["a-name", "encoder", "256"]
    ends = {line.index("256") + 3 for line in lines if "256" in line} | {lines[0].index("dim") + 3}
    assert len(ends) == 1  # numbers stand to the right
    said: list[str] = []
    for line in lines[1:]:
        if line.startswith("    "):
            said[-1] += line[3:]
        else:
            said.append("")
    assert [one.strip() for one in said] == [row["description"] for row in ROWS]


def test_with_room_they_are_a_column(capsys, monkeypatch):
    lines = drawn(100, capsys, monkeypatch)
    assert lines[0].split() == NAMES
    at = lines[0].index("description")
    assert " ".join(line[at:].strip() for line in lines[1:3]) == TEXT
    assert max(map(len, lines)) <= 100


def test_short_texts_are_never_moved(capsys, monkeypatch):
    rows = [{"path": "a/" * 20, "label": "rain"}, {"path": "b", "label": "wind"}]
    lines = drawn(30, capsys, monkeypatch, rows, ["path", "label"])
    assert lines[0].split() == ["path", "label"]
    assert drawn(30, capsys, monkeypatch, [], ["path"]) == ["path"]


def test_a_blank_less_between_columns_is_better_than_a_broken_one(capsys, monkeypatch):
    rows = [{"label": "rooster", "precision": 0.25, "range": "0.00-0.64", "files": 3}]
    names = list(rows[0])
    wide = drawn(38, capsys, monkeypatch, rows, names)
    assert wide == ["label    precision  range      files", "rooster      0.250  0.00-0.64      3"]
    tight = drawn(35, capsys, monkeypatch, rows, names)
    assert tight == ["label   precision range     files", "rooster     0.250 0.00-0.64     3"]
