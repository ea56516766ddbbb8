"""`mmasc label`: what it prints, and what it refuses in one line."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from tests.helpers.collections import write
from tests.helpers.command import run


@pytest.fixture
def label(labelled, capsys):
    """`mmasc label COMMAND COLLECTION ...`; returns status, stdout, stderr."""

    def call(command: str, *words: str) -> tuple[int, str, str]:
        return run("label", command, labelled / "c", *words, capsys=capsys)

    return call


def listed(label, *words: str) -> list[dict]:
    status, out, _ = label("list", "--format", "json", *words)
    assert status == 0
    return json.loads(out)


def test_labels_are_added_listed_changed_and_undone(label, labelled, capsys):
    status, out, err = label("add", "y.wav", "--start", "0.25", "--end", "0.5", "--label", "frog", "--by", "ann")
    assert (status, err) == (0, "")
    name = out.split()[-1]
    assert out == f"1 annotation added: {name}\n"
    assert len(name) == 32
    status, out, _ = label("add", labelled / "s/a/x.wav", "--label", "rain", "--verdict", "absent", "--note", "dry")
    assert status == 0
    first, second = listed(label)
    assert {**first, "id": "", "at": "", "recording": 0} == {
        "id": "", "recording": 0, "path": str(labelled / "s/a/x.wav"), "start": 0.0, "end": 1.0, "label": "rain",
        "verdict": "absent", "by": "unnamed", "identity": None, "score": None, "at": "", "question": "", "note": "dry",
        "low_hz": None, "high_hz": None, "channel": None,
    }  # fmt: skip
    assert second["id"] == name
    assert listed(label, "--by", "ann") == listed(label, "--label", "frog") == [second]
    assert listed(label, "--verdict", "absent") == listed(label, "--recording", "a/x.wav") == [first]
    assert len(list(csv.DictReader(io.StringIO(label("list", "--format", "csv")[1])))) == 2
    assert [json.loads(line) for line in label("list", "--format", "jsonl")[1].splitlines()] == [first, second]
    lines = label("list")[1].splitlines()
    assert lines[0].split() == ["id", "path", "start", "end", "label", "verdict", "by"]
    assert lines[2].split() == [name[:8], "b/y.wav", "0.250", "0.500", "frog", "present", "ann"]
    assert max(map(len, lines)) <= 80

    assert label("rename", "frog", "toad")[1] == "1 annotation has the label toad now\n"
    assert label("rename", "toad", "newt", name[:8])[1] == "1 annotation has the label newt now\n"
    assert [item["label"] for item in listed(label)] == ["rain", "newt"]
    assert label("remove", name[:8])[1] == "1 annotation removed of 2\n"
    assert label("undo", "-n", "2")[1] == "undone: 1 annotation removed\nundone: toad renamed to newt\n"
    assert [item["label"] for item in listed(label)] == ["rain", "toad"]
    assert label("redo")[1] == "brought back: 1 annotation removed\nbrought back: toad renamed to newt\n"
    assert [item["label"] for item in listed(label)] == ["rain"]
    assert label("redo")[1] == "nothing to bring back\n"
    label("undo")
    assert label("remove", "--label", "rain", "--by", "unnamed")[1] == "1 annotation removed of 2\n"
    assert [item["label"] for item in listed(label)] == ["newt"]
    assert run("collection", "check", labelled / "c", capsys=capsys)[0] == 0


def test_labels_have_the_clock_of_their_recording(label, labelled, registered):
    (labelled / "m.csv").write_text("path,recorded_at\nb/y.wav,2024-05-01 23:59:59\n")
    mmasc.embed(labelled / "s", labelled / "c", registered, metadata=labelled / "m.csv")
    label("add", "y.wav", "--start", "0.5", "--end", "1", "--label", "frog")
    label("add", "y.wav", "--start", "1", "--end", "1", "--label", "owl")
    label("add", "a/x.wav", "--label", "rain")
    rain, frog, owl = listed(label)
    assert (rain.get("clock"), frog["clock"], owl["clock"]) == (None, "2024-05-01 23:59:59", "2024-05-02 00:00:00")
    header, *rows = label("list")[1].splitlines()
    assert header.split()[-1] == "clock"
    assert [row.split()[-1] for row in rows] == ["unnamed", "23:59:59", "00:00:00"]


def test_info_says_how_many(label, labelled, capsys):
    assert "annotations" not in run("collection", "info", labelled / "c", capsys=capsys)[1]
    label("add", "y.wav", "--label", "frog")
    assert "annotations: 1\n" in run("collection", "info", labelled / "c", capsys=capsys)[1]
    found = json.loads(run("collection", "info", labelled / "c", "--format", "json", capsys=capsys)[1])
    assert found["annotations"] == 1


def test_nothing_is_said_where_nothing_is(label, labelled):
    assert label("list") == (0, "no annotations\n", "")
    assert listed(label) == []
    assert label("list", "--format", "csv")[1].startswith("id,recording,path,start,end,label,verdict,by,")
    assert label("undo") == (0, "nothing to undo\n", "")
    assert not (labelled / "c" / "annotations" / "journal.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["add", "x.wav", "--label", "a"], 1, "could be several recordings"),
        (["add", "z.wav", "--label", "a"], 1, "no recording of the collection lies there"),
        (["add", "y.wav", "--label", "a", "--end", "1.2"], 1, "y.wav lasts 1.000 s"),
        (["add", "y.wav", "--label", "a", "--start", "nan"], 2, "nan is not a finite number"),
        (["add", "y.wav", "--label", "a\x1b"], 1, "control characters"),
        (["add", "y.wav"], 2, "--label"),
        (["add", "y.wav", "--label", "a", "--verdict", "no"], 2, "--verdict"),
        (["remove"], 2, "name the annotations to remove"),
        (["remove", "ab", "--label", "a"], 2, "name the annotations to remove"),
        (["remove", "ab"], 1, "no annotation has an id that begins with 'ab'"),
        (["rename", "a", "b"], 1, "no annotation has the label 'a'"),
        (["undo", "-n", "0"], 2, "-n"),
    ],
)
def test_what_cannot_be_done_is_one_line(label, labelled, words, status, said):
    got, out, err = label(words[0], *words[1:])
    assert (got, out) == (status, "")
    assert said in err
    assert "Traceback" not in err
    assert "\x1b" not in err
    assert len(Collection(labelled / "c").annotations) == 0


def test_a_merge_says_what_annotations_it_took(label, labelled, registered, capsys):
    label("add", "y.wav", "--label", "frog")
    run("embed", labelled / "s", "--into", labelled / "d", "--encoder", "standin", "-q", capsys=capsys)
    out = run("collection", "merge", labelled / "d", labelled / "c", capsys=capsys)[1]
    assert "1 annotation added" in out.splitlines()


def test_labels_are_a_parquet_table_as_well(label, labelled, tmp_path):
    label("add", "y.wav", "--start", "0.25", "--end", "0.5", "--label", "frog", "--by", "ann")
    target = tmp_path / "labels.parquet"
    assert label("export", "--format", "parquet", "--to", target)[:2] == (0, f"1 label in 1 file → {target}\n")
    row = pq.read_table(target).to_pylist()[0]
    assert (row["path"], row["start"], row["end"], row["label"]) == (str(labelled / "s/b/y.wav"), 0.25, 0.5, "frog")
    for options in (["--each", "--to", tmp_path / "new"], []):
        status, out, err = label("export", "--format", "parquet", *options)
        assert (status, out) == (2, "")
        assert "--to FILE" in err


@pytest.mark.parametrize("command", ["label", "search"])
def test_a_name_that_a_selection_table_cannot_hold_is_said(tmp_path, registered, capsys, command):
    write(tmp_path / "s" / "new\nline.wav", 0.25)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    recording = Collection(tmp_path / "c").annotations.recording_id(tmp_path / "s" / "new\nline.wav")
    Collection(tmp_path / "c").annotations.add(Annotation(recording=recording, start=0.0, end=0.5, label="frog"))
    words = ("label", "export", tmp_path / "c") if command == "label" else ("search", tmp_path / "c", "frog")
    status, _, err = run(*words, "--format", "raven", capsys=capsys)
    assert status == 0
    assert "line.wav: its name contains a tab or a line break, which a selection table cannot hold" in err


def test_labels_that_tables_take_for_missing_are_said_where_they_are_written(label, tmp_path):
    for name in ("NA", "null", "frog"):
        assert label("add", "y.wav", "--label", name)[0] == 0
    for form, said in {"csv": True, "raven": True, "json": False, "jsonl": False, "audacity": False}.items():
        status, _, err = label("export", "--format", form, "--to", str(tmp_path / f"out.{form}"))
        assert status == 0
        assert (f"programs that read the {form} take the labels NA, null for missing values" in err) == said
