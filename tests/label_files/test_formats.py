"""Label files: what is written reads back exactly, what others write is understood, bad lines are named."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmasc.errors import MmascError
from mmasc.label_files.formats import format_of, read_rows, rows_text, write_rows
from mmasc.label_files.raven import raven_text
from mmasc.label_files.rows import VERDICTS, LabelRow, recording_named_by
from mmasc.label_files.texts import cell
from mmasc.storage.values import MISSING

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12).map(str.strip)
KNOWN = WORDS.filter(lambda word: word not in MISSING)
LABELS = KNOWN.filter(bool)
PATHS = st.sampled_from(["a.wav", "sub/a.wav", "sub/deep/ü b.flac", "c"])
SECONDS = st.floats(0, 1e7, allow_nan=False)
AMOUNTS = st.none() | st.floats(0, 1e6, allow_nan=False)


@st.composite
def label_rows(draw):
    start, end = sorted([draw(SECONDS), draw(SECONDS)])
    texts = {name: draw(KNOWN) for name in ("by", "at", "note", "clock", "identity", "question")}
    return LabelRow(
        draw(PATHS),
        start,
        end,
        draw(LABELS),
        draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        draw(st.sampled_from(VERDICTS)),
        draw(AMOUNTS),
        draw(AMOUNTS),
        draw(st.none() | st.integers(1, 64)),
        **texts,
    )


def by_recording(rows):
    """Rows of one recording keep their order, recordings do not."""
    return sorted(rows, key=lambda row: row.path)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(label_rows(), min_size=1, max_size=6), whole=st.booleans())
def test_what_is_written_reads_back_exactly(tmp_path_factory, rows, whole):
    folder = tmp_path_factory.mktemp("labels")
    if whole:
        rows = [*rows, LabelRow("sub/a.wav", 0.0, math.inf, "all of it"), LabelRow("a.wav", 2.5, math.inf, "rest")]
    for format in ("csv", "json", "jsonl"):
        written = write_rows(rows, format, folder / f"all.{format}")
        found = read_rows(folder / f"all.{format}")
        assert (found.rows, found.problems, found.format) == (rows, [], format)
        assert written.files == [folder / f"all.{format}"]
        write_rows(rows, format, folder / format, each=True)
        assert by_recording(read_rows(folder / format).rows) == by_recording(rows)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(label_rows(), min_size=1, max_size=6))
def test_tables_without_quotes_keep_all_that_they_can_hold(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("labels")
    rows = [LabelRow(**{**vars(row), "label": cell(row.label), "channel": row.channel or 1}) for row in rows]
    write_rows(rows, "raven", folder / "all.txt")
    assert read_rows(folder / "all.txt").rows == rows
    write_rows(rows, "raven", folder / "raven", each=True)
    assert by_recording(read_rows(folder / "raven").rows) == by_recording(rows)
    written = write_rows(rows, "audacity", folder / "track.txt")
    present = [
        LabelRow(row.path, row.start, row.end, row.label, low_hz=row.low_hz, high_hz=row.high_hz)
        for row in rows
        if row.verdict == "present"
    ]
    assert written.left_out == len(rows) - len(present)
    assert read_rows(folder / "track.txt").rows == present
    if present:
        write_rows(rows, "audacity", folder / "audacity", each=True)
        assert by_recording(read_rows(folder / "audacity").rows) == by_recording(present)


def read_text(tmp_path, text, name="labels.txt", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(path, **options)


SELECTION = {
    "Selection": "1",
    "View": "Spectrogram 1",
    "Channel": "1",
    "Begin Time (s)": "1.5",
    "End Time (s)": "2.25",
    "Low Freq (Hz)": "500.0",
    "High Freq (Hz)": "4000.0",
    "Begin File": "x.wav",
    "Species": "wren",
}


def selections(*rows, order=None):
    names = order or list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    return "\r\n".join("\t".join(line) for line in lines)


def test_a_selection_in_two_views_counts_once_and_columns_may_stand_in_any_order(tmp_path):
    wave = SELECTION | {"View": "Waveform 1", "Low Freq (Hz)": "0.0"}
    text = selections(wave, SELECTION, order=sorted(SELECTION, reverse=True))
    expected = LabelRow("x.wav", 1.5, 2.25, "wren", low_hz=500.0, high_hz=4000.0, channel=1)
    assert read_text(tmp_path, text).rows == [expected]
    # another selection at the same place, and the same number again in a table that was joined, are others
    more = selections(SELECTION, SELECTION | {"Selection": "2"}, SELECTION | {"Begin Time (s)": "0.5"}, SELECTION)
    assert len(read_text(tmp_path, more).rows) == 4


@pytest.mark.parametrize("column", ["Annotation", "Label", "Species", "Common Name", "Tag", "annotation", "Class"])
def test_common_names_of_columns_are_understood(tmp_path, column):
    row = {("Begin Time (s)"): "1", "End Time (s)": "2", column: "wren"}
    found = read_text(tmp_path, selections(row), "x.Table.1.selections.txt")
    assert found.rows == [LabelRow("x", 1.0, 2.0, "wren")]
    assert read_text(tmp_path, f"file,onset,offset,{column}\nx.wav,1,2,wren\n", "x.csv").rows[0].label == "wren"


def test_a_decimal_comma_is_read_where_no_point_stands(tmp_path):
    row = SELECTION | {"Begin Time (s)": "1,5", "End Time (s)": "2,25", "Low Freq (Hz)": "500,5"}
    (found,) = read_text(tmp_path, selections(row)).rows
    assert (found.start, found.end, found.low_hz) == (1.5, 2.25, 500.5)
    assert read_text(tmp_path, "path;start;end;label\na;1,5;2;x\n", "t.csv").rows == [LabelRow("a", 1.5, 2.0, "x")]
    mixed = read_text(tmp_path, "path;start;end;label\na;1,5;2;x\na;1.5;2;x\n", "t.csv")
    assert [str(problem) for problem in mixed.problems] == ["line 2: the start is not a number: 1,5"]
    assert read_text(tmp_path, "0,5\t1,5\tx\n").rows[0].end == 1.5


def test_a_table_over_several_files_counts_from_the_file_that_it_names(tmp_path):
    rows = [
        SELECTION | {"Begin Path": "D:\\r\\x.wav", "File Offset (s)": "1.5"},
        SELECTION
        | {"Begin Time (s)": "3600.1", "End Time (s)": "3600.3", "Begin Path": "D:\\r\\y.wav", "Begin File": "y.wav"}
        | {"File Offset (s)": "0.1"},
        SELECTION | {"Begin Path": "/r/deep", "Begin File": "z.wav"},
    ]
    found = read_text(tmp_path, selections(*rows)).rows
    assert [(row.path, row.start, row.end) for row in found] == [
        ("D:\\r\\x.wav", 1.5, 2.25),
        ("D:\\r\\y.wav", 0.1, 0.3),
        ("/r/deep/z.wav", 1.5, 2.25),
    ]


def test_label_tracks_have_ranges_points_and_frequencies(tmp_path):
    text = "1.0\t2.0\train\n\\\t100.0\t900.5\n3.0\tclick\n4.0\t4.0\tpoint ü\n5\t6\tlast\n\\\t-1.0\t50\n"
    assert read_text(tmp_path, text, "a.wav.txt").rows == [
        LabelRow("a.wav", 1.0, 2.0, "rain", low_hz=100.0, high_hz=900.5),
        LabelRow("a.wav", 3.0, 3.0, "click"),
        LabelRow("a.wav", 4.0, 4.0, "point ü"),
        LabelRow("a.wav", 5.0, 6.0, "last", high_hz=50.0),
    ]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("t.csv", "path,start,end,label\na,3,2,x\na,one,2,x\na,1,2,\na,1\na,1,2,x\n", {2, 3, 4, 5}),
        ("t.csv", 'path,start,end,label\na,1,2,"x\na,1,2,y\n', {2}),
        ("t.csv", "path,start,end,label,score\na,-1,2,x,\na,1,,x,\na,,2,x,\na,1,2,x,high\na,1,2,x,\n", {2, 3, 4, 5}),
        ("t.txt", "2\t1\tx\n1\t2\t\nx\ty\tz\n1\t2\tx\n", {1, 2, 3}),
        (
            "t.txt",
            "Begin Time (s)\tEnd Time (s)\tLabel\n2\t1\tx\nx\t1\tx\n\t2\tx\n1\t2\t\n1\n1\t2\tx\n",
            {2, 3, 4, 5, 6},
        ),
        ("t.jsonl", '{"path": "a", "start": 2, "end": 1, "label": "x"}\n{\n[]\n{"label": "x"}\n', {1, 2, 3}),
        ("t.json", '[{"start": 1, "end": 0, "label": "x"},\n 3,\n {"start": 0, "end": 1, "label": "x"}]', {1, 2}),
        ("t.csv", b"path,start,end,label\na,1,2,caf\xe9\na,1,2,x\n", {2}),
    ],
)
def test_bad_lines_are_named_and_the_rest_is_read(tmp_path, name, text, faults):
    found = read_text(tmp_path, text, name)
    assert {problem.line for problem in found.problems} == faults
    assert len(found.problems) == len(faults)
    assert len(found.rows) == len(found.lines) == 1
    assert found.lines[0] not in faults


def test_whole_recordings_have_no_times(tmp_path):
    found = read_text(tmp_path, "file,species,note\na.wav,wren,loud\n", "t.csv").rows
    assert found == [LabelRow("a.wav", 0.0, math.inf, "wren", note="loud")]
    with pytest.raises(MmascError, match="needs the end of each label"):
        rows_text(found, "audacity")


def test_spreadsheets_and_analysers_are_understood(tmp_path):
    text = "path\tstart\tend\tlabel\nä.wav\t0:59.5\t1:00:00\tx\n"
    assert read_text(tmp_path, text.encode("utf-16"), "t.csv").rows == [LabelRow("ä.wav", 59.5, 3600.0, "x")]
    analyser = (
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n0,3,Turdus merula,Blackbird,0.9,/r/a.wav\n"
    )
    assert read_text(tmp_path, analyser, "t.csv").rows == [LabelRow("/r/a.wav", 0.0, 3.0, "Blackbird", 0.9)]
    named = read_text(tmp_path, analyser, "t.csv", label_column="Scientific name").rows
    assert named[0].label == "Turdus merula"
    lengths = "INFILE,OFFSET,DURATION,MANUAL ID\na.wav,1.5,2,bat\n"
    assert read_text(tmp_path, lengths, "t.csv").rows == [LabelRow("a.wav", 1.5, 3.5, "bat")]
    classified = [{"path": "a.wav", "labels": ["x"], "events": [{"start": 0, "end": 1, "label": "x", "score": 0.5}]}]
    assert read_text(tmp_path, json.dumps(classified), "t.json").rows == [LabelRow("a.wav", 0.0, 1.0, "x", 0.5)]


@pytest.mark.parametrize(
    ("file", "recording"),
    [
        ("rain.wav.audacity.txt", "rain.wav"),
        ("rain.txt", "rain"),
        ("2024.05.01.Table.1.selections.txt", "2024.05.01"),
        ("x.BirdNET.results.csv", "x"),
        ("x.BirdNET.selection.table.txt", "x"),
        ("raven.txt", "raven"),
    ],
)
def test_a_file_is_named_after_its_recording(file, recording):
    assert recording_named_by(file) == recording


def test_formats_are_told_by_content(tmp_path):
    for text, format in [
        (selections(SELECTION), "raven"),
        ("1.0\t2.0\tx\n", "audacity"),
        ("", "audacity"),
        ('[{"label": "x"}]', "json"),
        ('{"label": "x"}\n', "jsonl"),
        ("path,label\na,x\n", "csv"),
    ]:
        for name in ("t.txt", "t.csv"):
            (tmp_path / name).write_text(text)
            assert format_of(tmp_path / name) == format
    (tmp_path / "t.m3u8").write_text("#EXTM3U\n")
    with pytest.raises(MmascError, match="playlist"):
        format_of(tmp_path / "t.m3u8")
    with pytest.raises(MmascError, match=r"no column of labels.*its columns are path, start"):
        read_text(tmp_path, "path,start\na,1\n", "t.csv")


def test_files_of_their_own_mirror_the_folders_and_stay_below_the_target(tmp_path):
    rows = [LabelRow("/r/sub/a.wav", 0.0, 1.0, "x"), LabelRow("/r/../r/b.wav", 0.0, 1.0, "y")]
    files = write_rows(rows, "audacity", tmp_path / "out", each=True).files
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "out/sub/a.wav.audacity.txt",
        "out/b.wav.audacity.txt",
    ]
    files = write_rows([LabelRow("../x.wav", 0.0, 1.0, "x")], "csv", tmp_path / "out", each=True).files
    assert files == [tmp_path / "out" / "x.wav.csv"]


def test_a_file_of_another_kind_in_a_folder_stops_nothing(tmp_path):
    (tmp_path / "README.txt").write_text("what lies here\n")
    (tmp_path / "a.wav.txt").write_text("1\t2\tx\n")
    found = read_rows(tmp_path)
    assert found.rows == [LabelRow("a.wav", 1.0, 2.0, "x")]
    (problem,) = found.problems
    assert str(
        problem
    ) == f"{tmp_path / 'README.txt'}: line 1: has no column of labels (label, annotation, species " + (
        "...); its columns are what lies here; name the one that holds labels (--label-column)"
    )


def test_playlists_name_spans(tmp_path):
    rows = [LabelRow(str(tmp_path / "sub" / "a.wav"), 1.5, 3.0, "wren", 0.5), LabelRow("#b.wav", 0.0, math.inf, "x")]
    assert rows_text(rows, "m3u").splitlines() == [
        "#EXTM3U",
        "#EXTINF:2,wren 0.50 (a.wav at 1.5 s)",
        "#EXTVLCOPT:start-time=1.500",
        "#EXTVLCOPT:stop-time=3.000",
        str(tmp_path / "sub" / "a.wav"),
        "#EXTINF:-1,x (#b.wav at 0.0 s)",
        "#EXTVLCOPT:start-time=0.000",
        "./#b.wav",
    ]
    from mmasc.label_files.playlist import m3u_text

    assert "sub/a.wav" in m3u_text(rows[:1], tmp_path).splitlines()


def test_a_word_that_is_another_fields_default_is_kept(tmp_path):
    rows = [LabelRow("a.wav", 0.0, 1.0, "x", channel=1, note="present")]
    write_rows(rows, "raven", tmp_path / "t.txt")
    assert read_rows(tmp_path / "t.txt").rows == rows


def test_raven_tables_without_more_columns_are_what_they_were():
    row = LabelRow("/r/a.wav", 0.1 + 0.2, 1.0, "x", 0.98765, low_hz=0.0, high_hz=4000.0, channel=1)
    assert raven_text([row], decimals=6).splitlines()[1].split("\t") == [
        *("1", "Spectrogram 1", "1", "0.300000", "1.000000", "0.0", "4000.0", "a.wav", "/r/a.wav", "x", "0.9877"),
    ]


@pytest.mark.parametrize(
    "names",
    ["start_ms,end_ms", "Start (ms),End (ms)", "begin_sample,end_sample", "t_start,t_end", "Segment Start,Segment End",
     "start_minutes,end_minutes", "onset_frame,offset_frame"],
)  # fmt: skip
def test_times_that_are_not_understood_never_make_a_label_of_the_whole_recording(tmp_path, names):
    first, second = names.split(",")
    (tmp_path / "x.csv").write_text(f"path,{names},label\na.wav,1000,2000,frog\n")
    with pytest.raises(MmascError, match="look like times that cannot be read; call such columns start") as said:
        read_rows(tmp_path / "x.csv")
    assert f"{first}, {second}" in str(said.value)
    (tmp_path / "x.jsonl").write_text(json.dumps({"path": "a.wav", first: 1000, second: 2000, "label": "frog"}))
    found = read_rows(tmp_path / "x.jsonl")
    assert found.rows == []
    assert f"{first}, {second} look like times" in found.problems[0].reason


@pytest.mark.parametrize("names", ["start_date,end_date", "endangered,site", "recorder,gain"])
def test_other_columns_stand_beside_labels_of_whole_recordings(tmp_path, names):
    (tmp_path / "x.csv").write_text(f"path,{names},label\na.wav,1,2,frog\n")
    assert read_rows(tmp_path / "x.csv").rows == [LabelRow("a.wav", 0.0, math.inf, "frog")]


def test_a_score_that_is_none_is_null_in_json(tmp_path):
    row = LabelRow("a.wav", np.float64(0.25), np.float64(0.5), "frog", score=float("nan"), channel=1)
    for form in ("json", "jsonl"):
        write_rows([row], form, tmp_path / f"x.{form}")
        json.loads((tmp_path / f"x.{form}").read_text(), parse_constant=pytest.fail)
        assert read_rows(tmp_path / f"x.{form}").rows == [LabelRow("a.wav", 0.25, 0.5, "frog", channel=1)]
