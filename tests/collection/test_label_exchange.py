"""Labels from files: recordings found however others wrote them, nothing twice, faults by line; out and in again."""

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.collection.label_exchange import (
    export_labels,
    import_column_labels,
    import_folder_labels,
    import_labels,
)
from mmasc.errors import MmascError
from tests.helpers.command import run

NAMES = ("siteA/x.wav", "siteB/x.wav", "siteB/deep/ünder.wav", "top.wav")


@pytest.fixture
def place(tmp_path, registered):
    for number, name in enumerate(NAMES):
        (tmp_path / "rec" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "rec" / name, np.full(80_000, 0.1 * number), 8_000)
    (tmp_path / "m.csv").write_text("path,kind\nsiteA/x.wav,frog\nsiteB/x.wav,owl\n")
    mmasc.embed(tmp_path / "rec", tmp_path / "c", registered, metadata=tmp_path / "m.csv")
    return tmp_path


def rows_of(collection, *names):
    annotations = collection.annotations
    return [
        (annotations.stored_path(one), *(getattr(one, name) for name in names or ("start", "end", "label")))
        for one in annotations.all()
    ]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("siteA/x.wav", "siteA/x.wav"),
        (r"D:\old\siteB\x.flac", "siteB/x.wav"),
        ("/elsewhere/rec/siteA/X.WAV", "siteA/x.wav"),
        ("u\u0308nder", "siteB/deep/ünder.wav"),
        ("top.mp3", "top.wav"),
    ],
)
def test_recordings_are_found_however_others_wrote_them(place, name, stored):
    (place / "labels.csv").write_text(f"path,start,end,label\n{name},1,2,wren\n")
    collection = Collection(place / "c")
    found = import_labels(collection, place / "labels.csv")
    assert (len(found.added), found.problems, found.missing, found.unclear) == (1, [], {}, {})
    assert rows_of(collection) == [(stored, 1.0, 2.0, "wren")]


def test_faults_are_said_by_line_and_the_rest_is_imported_once(place):
    (place / "labels.csv").write_text(
        "path,start,end,label\n"
        "siteA/x.wav,1,2,wren\n"
        "siteA/x.wav,3,2,wren\n"
        "siteA/x.wav,9,10.05,wren\n"
        "siteA/x.wav,9,12,wren\n"
        "siteA/x.wav,11,11.5,wren\n"
        "x.wav,1,2,wren\n"
        "other.wav,1,2,wren\n"
        "siteA/x.wav,1.0,2.0,wren\n"
        "top.wav,,,whole\n"
        "top.wav,1,2,a\x07b\n"
    )
    collection = Collection(place / "c")
    found = import_labels(collection, place / "labels.csv", by="ann")
    assert [problem.line for problem in found.problems] == [3, 5, 6, 11]
    assert "ends after the recording (9 to 12 s, it lasts 10 s)" in str(found.problems[1])
    assert "starts after the recording" in str(found.problems[2])
    assert (len(found.added), found.known, dict(found.missing)) == (3, 1, {"other.wav": 1})
    assert set(found.unclear) == {"x.wav"}
    expected = [
        ("siteA/x.wav", 1.0, 2.0, "wren", "ann"),
        ("siteA/x.wav", 9.0, 10.0, "wren", "ann"),
        ("top.wav", 0.0, 10.0, "whole", "ann"),
    ]
    assert rows_of(collection, "start", "end", "label", "by") == expected
    again = import_labels(collection, [place / "labels.csv"], by="ann")
    assert (again.added, again.known) == ([], 4)
    # another annotator, another verdict: other labels; undone in one step
    assert len(import_labels(collection, place / "labels.csv", by="bob").added) == 3
    assert len(import_labels(collection, place / "labels.csv", by="bob", verdict="absent").added) == 3
    collection.annotations.undo(2)
    assert rows_of(collection, "start", "end", "label", "by") == expected


EVERYTHING = [
    {"start": 0.1 + 0.2, "end": 1 / 3, "label": 'wren, "loud"', "note": "a\nb\tc", "by": "ann"},
    {"start": 2.0, "end": 2.0, "label": "click", "verdict": "absent", "at": "2024-05-01T04:13:20Z"},
    {"start": 1.0, "end": 10.0, "label": "rain", "score": 0.1234567890123, "by": "head", "identity": "abc"}
    | {"low_hz": 100.1, "high_hz": 1e4 / 3, "channel": 2},
    {"start": 1.0, "end": 9.0, "label": "rain", "verdict": "unsure", "question": "rain on leaves"},
]


def filled(place):
    collection = Collection(place / "c")
    ids = collection.recordings.column("id").to_pylist()
    collection.annotations.add(
        Annotation(recording=one, **values) for place, one in enumerate(ids) for values in EVERYTHING[: 4 - place]
    )
    return collection


FIELDS = ("start", "end", "label", "verdict", "by", "identity", "score", "at", "question", "note")
FIELDS += ("low_hz", "high_hz", "channel")


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "raven", "audacity"])
def test_an_export_imported_is_the_same(place, format, each):
    collection = filled(place)
    before = rows_of(collection, *FIELDS)
    target = place / ("out" if each else "out.txt" if format in ("raven", "audacity") else f"out.{format}")
    written = export_labels(collection, format, target, each)
    # what is there is known
    again = import_labels(collection, target, by="unnamed")
    if format != "audacity":
        assert (again.added, again.problems, again.known) == ([], [], len(before))
    annotations = collection.annotations
    annotations.remove([one.id for one in annotations.all()])
    found = import_labels(collection, target)
    assert (found.problems, found.missing, found.unclear) == ([], {}, {})
    after = rows_of(collection, *FIELDS)
    if format == "audacity":
        assert written.left_out == sum(row[4] != "present" for row in before)
        present = sorted(row[:4] for row in before if row[4] == "present")
        assert sorted(row[:4] for row in after) == present
    elif format == "raven":
        # blanks for line breaks, and the first channel where none is said
        assert after == [
            tuple(
                " ".join(v.split()) if n == "note" else v or 1 if n == "channel" else v
                for n, v in zip(("path", *FIELDS), row, strict=True)
            )
            for row in before
        ]
    else:
        assert after == before


COLUMNS = (
    "Selection,View,Channel,Begin Time (s),End Time (s),Low Freq (Hz),High Freq (Hz),Begin File,Begin Path,Annotation"
)
BOXES = [
    "1,Spectrogram 1,1,1.000000,2.500000,5000.0,9000.0,x.wav,{path},frame",
    "2,Spectrogram 1,2,1.000000,2.500000,800.5,4000.0,x.wav,{path},frame",
]


def test_frequencies_and_channels_come_in_and_go_out_as_they_are(place):
    collection = Collection(place / "c")
    boxes = [line.format(path=place / "rec/siteA/x.wav") for line in BOXES]
    (place / "boxes.txt").write_text("\n".join([COLUMNS, *boxes, ""]).replace(",", "\t"))
    # Two boxes at one time are two labels; again, they are known
    assert len(import_labels(collection, place / "boxes.txt").added) == 2
    assert import_labels(collection, place / "boxes.txt").known == 2
    assert set(rows_of(collection, "low_hz", "high_hz", "channel")) == {
        ("siteA/x.wav", 5000.0, 9000.0, 1),
        ("siteA/x.wav", 800.5, 4000.0, 2),
    }
    export_labels(collection, "raven", place / "out.txt")
    # Whatever the order, and with who said it at the end
    told = [line.split("\t") for line in (place / "out.txt").read_text().splitlines()[1:]]
    assert sorted(fields[1:10] for fields in told) == sorted(line.split(",")[1:] for line in boxes)
    collection.annotations.undo(1)
    track = "1.000000\t2.500000\tframe\n\\\t800.500000\t-1.000000\n"
    (place / "top.txt").write_text(track)
    assert len(import_labels(collection, place / "top.txt").added) == 1
    export_labels(collection, "audacity", place / "tracks", each=True)
    assert (place / "tracks/top.wav.audacity.txt").read_text() == track


def test_labels_that_came_without_frequencies_get_them_when_they_are_imported_again(place):
    collection = Collection(place / "c")
    recording = collection.annotations.recording_id("top.wav")
    (made,) = collection.annotations.add([Annotation(recording=recording, start=1.0, end=2.0, label="wren")])
    (place / "top.csv").write_text("path,start,end,label,low_hz,high_hz\ntop.wav,1,2,wren,3000,6000\n")
    found = import_labels(collection, place / "top.csv")
    assert (found.added, found.known) == ([], 1)
    (one,) = collection.annotations.all()
    assert (one.id, one.low_hz, one.high_hz) == (made, 3000.0, 6000.0)
    assert import_labels(collection, place / "top.csv").known == 1
    collection.annotations.undo(1)
    assert collection.annotations.all()[0].low_hz is None


def test_folders_and_columns_label_whole_recordings(place):
    collection = Collection(place / "c")
    found = import_folder_labels(collection, by="me")
    assert (len(found.added), dict(found.missing)) == (3, {"top.wav": 1})
    assert rows_of(collection) == [
        ("siteA/x.wav", 0.0, 10.0, "siteA"),
        ("siteB/deep/ünder.wav", 0.0, 10.0, "deep"),
        ("siteB/x.wav", 0.0, 10.0, "siteB"),
    ]
    assert import_folder_labels(collection, by="me").known == 3
    found = import_column_labels(collection, "kind", verdict="unsure")
    assert (len(found.added), len(found.missing)) == (2, 2)
    assert {one.label for one in collection.annotations.all(verdict="unsure")} == {"frog", "owl"}
    with pytest.raises(MmascError, match="has no column 'species' of your own; it has: kind"):
        import_column_labels(collection, "species")


def test_folders_in_columns_tell_files_of_one_name_apart(place):
    (place / "k.csv").write_text(
        "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,MANUAL ID\nD:\\r,siteB,x.wav,0,1,2,owl\n"
    )
    collection = Collection(place / "c")
    found = import_labels(collection, place / "k.csv")
    assert (len(found.added), found.unclear) == (1, {})
    assert rows_of(collection, "start", "end", "label", "channel") == [("siteB/x.wav", 1.0, 3.0, "owl", 1)]


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_a_path_in_another_encoding_is_no_recording_that_is_missing(place, encoding):
    text = "path;start;end;label\nsiteB/deep/ünder.wav;1,5;2;wren\ntop.wav;1;2;wren\n"
    (place / "excel.csv").write_bytes(text.encode(encoding))
    found = import_labels(Collection(place / "c"), place / "excel.csv")
    assert (len(found.added), found.missing) == (1, {})
    (problem,) = found.problems
    assert (problem.line, problem.reason) == (
        2,
        "not UTF-8; save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')",
    )


def test_a_file_without_labels_is_no_error_and_one_whose_labels_are_lost_is(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    for name, text in {"none.csv": "path,start,end,label\n", "top.wav.txt": ""}.items():
        (place / name).write_text(text)
        status, out, err = run("label", "import", "c", name, capsys=capsys)
        assert (status, out) == (0, "0 added, 0 already there, 0 lines not usable\n")
        assert err == "no labels there: nothing to add\n"
    for text in ("path,start,end,label\ntop.wav,2,1,x\n", "path,clip,label,verdict\ntop.wav,a.wav,x,\n"):
        (place / "lost.csv").write_text(text)
        assert run("label", "import", "c", "lost.csv", capsys=capsys)[0] == 1


def test_the_commands_import_and_export(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    (place / "t.txt").write_text("1.0\t2.0\twren\nx\t1\ty\n")
    (place / "top.wav.txt").write_text("1.0\t2.0\twren\n3\t1\ty\n")
    status, out, err = run("label", "import", "c", "top.wav.txt", "t.txt", "--by", "ann", capsys=capsys)
    assert (status, out) == (0, "1 added, 0 already there, 2 lines not usable, 1 of recordings that are not here\n")
    assert "top.wav.txt: line 2: starts after it ends (3 s, 1 s)" in err
    assert "t is not in the collection: 1 label left out" in err
    assert "add recordings with: mmasc embed PATH --into c" in err
    status, out, _ = run("label", "export", "c", "--format", "audacity", capsys=capsys)
    assert (status, out) == (0, "1.000000\t2.000000\twren\ttop.wav\n")
    assert run("label", "export", "c", "--to", "out", "--each", capsys=capsys)[1] == "1 label in 1 file → out\n"
    assert (place / "out" / "top.wav.csv").is_file()
    status, out, _ = run("label", "import", "c", "out", capsys=capsys)
    assert out == "0 added, 1 already there, 0 lines not usable\n"
    (place / "far.csv").write_text("path,start,end,label\nD:\\a\\b\\top.wav,4,5,wren\n")
    assert run("label", "import", "c", "far.csv", capsys=capsys)[0] == 1
    assert run("label", "import", "c", "far.csv", "--names-only", capsys=capsys)[0] == 0
    for wrong in ([], ["far.csv", "--from-folders"], ["--from-folders", "--from-column", "kind"]):
        assert run("label", "import", "c", *wrong, capsys=capsys)[0] == 2
    assert run("label", "import", "c", "--from-folders", capsys=capsys)[0] == 0
    assert run("label", "export", "c", "--each", capsys=capsys)[0] == 2
    assert run("label", "export", "c", "--to", "out", capsys=capsys)[0] == 1
    status, _, err = run("label", "import", "c", "nothing.csv", capsys=capsys)
    assert status == 1
    assert "nothing.csv cannot be read" in err
