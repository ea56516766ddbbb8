"""Labels against labels: files and collections alike, recordings under their names, what is left out is said."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.errors import MmascError
from mmasc.evaluation.label_comparison import compare_labels, comparison_rows
from mmasc.label_files.formats import write_rows
from mmasc.label_files.rows import LabelRow
from mmasc.metrics.events import event_counts, label_scores, macro_scores, micro_scores, segment_counts
from mmasc.windows.timeline import Event
from tests.helpers.command import run

TRUTH = [
    LabelRow("a.wav", 0.0, 2.0, "wren"),
    LabelRow("a.wav", 3.0, 4.0, "rain"),
    LabelRow("b.wav", 1.0, 2.0, "wren"),
    LabelRow("c.wav", 0.0, 1.0, "rain", verdict="absent"),
]
GUESS = [
    LabelRow("a.wav", 0.1, 2.1, "wren", 0.9),
    LabelRow("a.wav", 3.0, 4.0, "wren", 0.4),
    LabelRow("b.wav", 1.0, 1.5, "rain", 0.3),
    LabelRow("c.wav", 2.0, 3.0, "rain", 0.2),
    LabelRow("d.wav", 2.0, 3.0, "rain", 0.2),
]


def events_of(rows, names):
    return {
        name: [
            Event(row.start, row.end, row.label, row.score or 1.0)
            for row in rows
            if row.path == name and row.verdict == "present"
        ]
        for name in names
    }


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rows(TRUTH, "csv", "truth.csv")
    write_rows(GUESS, "jsonl", "guess.jsonl")
    return tmp_path


def test_figures_are_those_of_the_events(place):
    found = compare_labels("truth.csv", "guess.jsonl")
    true, said = events_of(TRUTH, ["a.wav", "b.wav", "c.wav"]), events_of(GUESS, ["a.wav", "b.wav", "c.wav"])
    for figures, counts in ((found.segments, segment_counts(true, said)), (found.events, event_counts(true, said))):
        assert figures.micro == micro_scores(counts)
        assert figures.macro == macro_scores(counts)
        assert figures.labels == label_scores(counts)
        assert figures.best["wren"].threshold == 0.9
        for value, (low, high) in zip(figures.micro, figures.micro_interval, strict=True):
            assert low <= value <= high
    assert found.recordings == 3
    assert found.remarks == [
        "1 recording of guess.jsonl has no labels in truth.csv and was left out, the first is d.wav"
    ]
    whole = compare_labels("truth.csv", "guess.jsonl", all_recordings=True)
    assert whole.recordings == 4
    assert whole.segments.totals["rain"][1] == found.segments.totals["rain"][1] + 1
    assert compare_labels("truth.csv", "truth.csv").events.micro.f1 == 1.0


def test_folders_of_tracks_and_other_names_compare_alike(place):
    moved = [LabelRow("C:\\old\\" + row.path.replace(".wav", ".flac"), row.start, row.end, row.label) for row in GUESS]
    write_rows(moved, "raven", "guess.txt")
    write_rows(TRUTH, "audacity", "tracks", each=True)
    (place / "tracks" / "c.wav.audacity.txt").write_text("")
    # names under a folder of another machine: nothing is guessed
    with pytest.raises(MmascError, match="have no recording in common"):
        compare_labels("tracks", "guess.txt")
    moved = [LabelRow(row.path.replace(".wav", ".flac"), row.start, row.end, row.label) for row in GUESS]
    write_rows(moved, "raven", "guess.txt")
    found, expected = compare_labels("tracks", "guess.txt"), compare_labels("truth.csv", "guess.jsonl")
    assert (found.recordings, found.events.labels) == (expected.recordings, expected.events.labels)
    assert found.events.best == {}


def test_collections_compare_by_annotator(place, registered):
    for name in ("a.wav", "b.wav", "c.wav"):
        (place / "rec").mkdir(exist_ok=True)
        soundfile.write(place / "rec" / name, np.full(48_000, 0.1 + 0.1 * ord(name[0]) / 1000), 8_000)
    mmasc.embed(place / "rec", place / "c", registered)
    collection = Collection(place / "c")
    ids = {name: collection.annotations.recording_id(name) for name in ("a.wav", "b.wav", "c.wav")}
    for by, rows in (("ann", TRUTH), ("net", GUESS[:4])):
        collection.annotations.add(
            Annotation(
                recording=ids[row.path],
                start=row.start,
                end=row.end,
                label=row.label,
                verdict=row.verdict,
                score=row.score,
                by=by,
            )
            for row in rows
        )
    expected = compare_labels("truth.csv", "guess.jsonl")
    for truth, guess in (("c:ann", "c:net"), ("truth.csv", "c:net"), ("c:ann", "guess.jsonl")):
        found = compare_labels(truth, guess)
        assert (found.segments, found.events) == (expected.segments, expected.events)
    assert "has labels by ann, net, all of which count" in compare_labels("c", "c:net").remarks[0]
    with pytest.raises(MmascError, match="has no labels by 'bob'; annotators: ann, net"):
        compare_labels("c:bob", "c:net")
    # a label of the whole recording ends where the recording ends
    (place / "whole.csv").write_text("path,label\na.wav,wren\n")
    assert compare_labels("whole.csv", "c:net").segments.totals["wren"][0] == 6
    with pytest.raises(MmascError, match="nothing says where"):
        compare_labels("whole.csv", "whole.csv")


def test_the_command_prints_table_csv_and_json(place, capsys):
    status, out, err = run("label", "compare", "truth.csv", "guess.jsonl", capsys=capsys)
    assert status == 0
    assert "d.wav" in err
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[:3] == ["3 recordings", "", "segments of 1 s"]
    assert "events that begin within 0.2 s and end within 0.2 s or 50% of their length" in out
    assert "chosen on these data" in out
    found = compare_labels("truth.csv", "guess.jsonl")
    out = run("label", "compare", "truth.csv", "guess.jsonl", "--format", "csv", "-q", capsys=capsys)[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["counted"], row["over"], row["label"]) for row in rows[:4]] == [
        ("segments", "micro", ""),
        ("segments", "macro", ""),
        ("segments", "label", "rain"),
        ("segments", "label", "wren"),
    ]
    assert [float(row["f1"]) for row in rows] == [row["f1"] for row in comparison_rows(found)]
    out = run("label", "compare", "truth.csv", "guess.jsonl", "--format", "json", "-q", capsys=capsys)[1]
    value = json.loads(out)
    assert value["events"]["micro"]["f1"] == found.events.micro.f1
    assert [point["threshold"] for point in value["events"]["curves"]["wren"]] == [0.4, 0.9]
    options = ("--onset-only", "--collar", "1.5", "--segment", "0.5", "--length", "0", "--format", "json", "-q")
    value = json.loads(run("label", "compare", "truth.csv", "guess.jsonl", *options, capsys=capsys)[1])
    same = compare_labels("truth.csv", "guess.jsonl", 0.5, 1.5, 0.0, with_offset=False)
    assert value["events"]["micro"] == same.events.micro._asdict()
    assert value["segments"]["micro"] == same.segments.micro._asdict()
    assert run("label", "compare", "truth.csv", "no.csv", capsys=capsys)[0] == 1
