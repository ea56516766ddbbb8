"""Clips: where each comes from is in the table, a second run changes nothing, nothing of others is replaced."""

import csv
import os

import numpy as np
import pytest
import soundfile

from mmasc.collection import clip_files
from mmasc.collection.clip_files import Cut, write_cuts
from mmasc.collection.clips import ClipReport, clip_name, cut_clips
from mmasc.errors import MmascError
from mmasc.label_files.rows import LabelRow

RATE = 8_000


@pytest.fixture
def sounds(tmp_path):
    for number, name in enumerate(["a/x.wav", "b/x.wav", "b/y.wav"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.random.default_rng(number).uniform(-1, 1, 3 * RATE), RATE, "PCM_24")
    return tmp_path


def table(folder):
    with open(folder / "clips.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def state(folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def rows_of(sounds):
    return [
        LabelRow(str(sounds / "a" / "x.wav"), 1.0, 1.5, "rain", 0.5),
        LabelRow(str(sounds / "b" / "x.wav"), 1.0, 1.5, "rain", 0.5),
        LabelRow(str(sounds / "b" / "y.wav"), 0.25, 3.0, "a/b: c?", None),
        LabelRow(str(sounds / "b" / "y.wav"), 0.25, 3.0, "a/b: c?", None),
        LabelRow(str(sounds / "b" / "y.wav"), 0.5, 1.0, "owl", None, "absent"),
    ]


def test_clips_are_what_their_table_says(sounds, tmp_path):
    durations = {row.path: 3.0 for row in rows_of(sounds)}
    report = cut_clips(rows_of(sounds), tmp_path / "clips", 0.5, 0.25, durations)
    assert (report.cut, len(report.clips), report.failed) == (3, 3, [])
    found = table(tmp_path / "clips")
    assert [row["clip"] for row in found] == [clip.clip for clip in report.clips]
    assert len({row["clip"].casefold() for row in found}) == 3, "two recordings of one name and one time are two clips"
    assert {path.name for path in (tmp_path / "clips").iterdir()} == {"clips.csv", *(row["clip"] for row in found)}
    for row in found:
        whole, _ = soundfile.read(row["path"], dtype="int32")
        first, stop = (round(float(row[name]) * RATE) for name in ("padded_start", "padded_end"))
        np.testing.assert_array_equal(
            soundfile.read(tmp_path / "clips" / row["clip"], dtype="int32")[0], whole[first:stop]
        )
    edges = [
        (float(row["start"]), float(row["end"]), float(row["padded_start"]), float(row["padded_end"])) for row in found
    ]
    assert edges == [(1.0, 1.5, 0.5, 1.75), (1.0, 1.5, 0.5, 1.75), (0.25, 3.0, 0.0, 3.0)]


def test_a_second_run_changes_nothing_and_more_clips_join(sounds, tmp_path):
    rows = rows_of(sounds)
    cut_clips(rows[:2], tmp_path / "clips")
    before = state(tmp_path / "clips")
    for some in (rows[:2], rows[1:2], rows[1::-1]):
        report = cut_clips(some, tmp_path / "clips")
        assert (report.cut, len(report.clips)) == (0, len(some))
    assert {name: content for name, (_, content) in state(tmp_path / "clips").items()} == {
        name: content for name, (_, content) in before.items()
    }
    assert cut_clips(rows, tmp_path / "clips").cut == 1
    after = state(tmp_path / "clips")
    assert {name: after[name] for name in before if name != "clips.csv"} == {
        name: value for name, value in before.items() if name != "clips.csv"
    }
    assert len(table(tmp_path / "clips")) == 3


def test_a_clip_that_is_gone_is_cut_again(sounds, tmp_path):
    report = cut_clips(rows_of(sounds), tmp_path / "clips")
    os.unlink(tmp_path / "clips" / report.clips[1].clip)
    again = cut_clips(rows_of(sounds), tmp_path / "clips")
    assert (again.cut, again.clips) == (1, report.clips)


def test_files_of_others_are_kept_unless_forced(sounds, tmp_path):
    rows = rows_of(sounds)[:1]
    name = clip_name(rows[0], ".wav")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / name).write_text("mine")
    with pytest.raises(MmascError, match=r"not in its clips.csv: x_0001.00_0001.50_rain_0.50.wav; .*--force"):
        cut_clips(rows, tmp_path / "clips")
    assert {path.name for path in (tmp_path / "clips").iterdir()} == {name}
    assert (tmp_path / "clips" / name).read_text() == "mine"
    assert cut_clips(rows, tmp_path / "clips", force=True).cut == 1
    with pytest.raises(MmascError, match="clips with other paddings: x_.*--force"):
        cut_clips(rows, tmp_path / "clips", before=0.5)
    assert cut_clips(rows, tmp_path / "clips", before=0.5, force=True).cut == 1
    assert soundfile.info(tmp_path / "clips" / name).frames == RATE
    (tmp_path / "clips" / "clips.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MmascError, match="another table than mmasc clips writes"):
        cut_clips(rows, tmp_path / "clips")


def test_recordings_that_are_gone_are_named_and_the_rest_is_cut(sounds, tmp_path):
    os.unlink(sounds / "a" / "x.wav")
    rows = [*rows_of(sounds), LabelRow(str(sounds / "b" / "y.wav"), 7.0, 8.0, "late")]
    report = cut_clips(rows, tmp_path / "clips")
    assert [path for path, _ in report.failed] == [str(sounds / "a" / "x.wav"), str(sounds / "b" / "y.wav")]
    assert "no such file" in report.failed[0][1]
    assert "ends before 7 s" in report.failed[1][1]
    assert report.cut == len(report.clips) == len(table(tmp_path / "clips")) == 2
    with pytest.raises(MmascError, match="not known where 'rain' ends"):
        cut_clips([LabelRow("a.wav", 0.0, float("inf"), "rain")], tmp_path / "clips")
    with pytest.raises(ValueError, match="0 seconds or more"):
        cut_clips(rows, tmp_path / "clips", before=-1)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/r/CON.wav", 'a<b>c:"d/e\\f|g?h*'),
        ("/r/" + "ü" * 200 + ".wav", "é" * 300),
        ("/r/\udcff.wav", "\udcfe"),
        ("/r/ ..wav", "..."),
        ("/r/line\nbreak\x1b.wav", "\u202e"),
    ],
)
def test_names_fit_every_file_system(path, label):
    name = clip_name(LabelRow(path, 0.0, 123_456.789, label, -0.5), ".wav", "1" * 8)
    assert len(name.encode()) <= 255
    assert not set(name) & set('<>:"/\\|?*\0 \n')
    assert name.isprintable()
    assert name.split(".")[0].upper() not in ("CON", "NUL", "AUX", "PRN")
    assert name.endswith(".wav")
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(("label", "kept"), [("x" * 60, "x" * 60), ("x" * 61, "x" * 60), ("é" * 31, "é" * 30)])
def test_sixty_bytes_of_a_label_are_in_the_name(label, kept):
    assert f"_{kept}" in clip_name(LabelRow("/r/a.wav", 0.0, 1.0, label, None), ".wav")
    assert f"_{kept}{kept[0]}" not in clip_name(LabelRow("/r/a.wav", 0.0, 1.0, label, None), ".wav")


def test_progress_counts_recordings(sounds, tmp_path):
    said = []
    cut_clips(rows_of(sounds), tmp_path / "out", progress=lambda done, all_: said.append((done, all_)))
    assert said == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("subtype", "width"), [("PCM_16", 2), ("PCM_24", 3), ("PCM_32", 4), ("FLOAT", 4), ("DOUBLE", 8)]
)
def test_what_wav_cannot_hold_becomes_rf64(tmp_path, monkeypatch, subtype, width):
    soundfile.write(tmp_path / "x.wav", np.zeros((RATE, 2)), RATE, subtype)
    for room, form in ((RATE * width, "WAV"), (RATE * width - 1, "RF64")):  # half a second of two channels
        monkeypatch.setattr(clip_files, "_MOST_WAV_BYTES", room)
        (cut,) = write_cuts(tmp_path / "x.wav", [Cut(0.0, 0.5, tmp_path / f"{form}.wav")])
        assert (soundfile.info(cut.target).format, soundfile.info(cut.target).subtype) == (form, subtype)


@pytest.mark.parametrize(("stem", "kept"), [("x" * 100, 100), ("x" * 101, 100), ("é" * 51, 50)])
def test_a_hundred_bytes_of_a_recording_are_in_the_name(stem, kept):
    name = clip_name(LabelRow(f"/r/{stem}.wav", 1.0, 12_345.678, "", -0.126), ".flac")
    assert name == f"{stem[:kept]}_0001.00_12345.68_-0.13.flac"
    assert clip_name(LabelRow("/r/a.wav", 0.004, 9.995, "", None), ".wav", "1234") == "a_0000.00_0009.99_1234.wav"


@pytest.mark.parametrize(("label", "named"), [("owl", " of 'owl'"), ("", "")])
def test_a_moment_behind_the_end_of_its_recording_is_named(sounds, tmp_path, label, named):
    path = str(sounds / "b" / "y.wav")
    rows = [LabelRow(path, start, 9.0, label) for start in (2.5, 3.0, 4.5)]
    report = cut_clips(rows, tmp_path / "clips", durations={path: 3.0})
    assert [(clip.start, clip.end) for clip in report.clips] == [(2.5, 3.0)]
    assert [reason.split(": ")[1] for _, reason in report.failed] == [
        f"a moment{named} begins at {start:g} s, and the recording lasts 3 s" for start in (3.0, 4.5)
    ]
    # What is not there is cut from nowhere, wherever it is said to be
    assert cut_clips([LabelRow(path, 9.0, 9.5, label, verdict="absent")], tmp_path / "no", durations={path: 3.0}) == (
        ClipReport([], 0, [])
    )


def test_paddings_are_the_same_up_to_a_millisecond(sounds, tmp_path):
    rows = rows_of(sounds)[:1]
    for before, after in ((0.1011, 0.1), (0.0989, 0.1), (0.1, 0.1011), (0.1, 0.0989)):
        cut_clips(rows, tmp_path / "clips", before=0.1, after=0.1)
        with pytest.raises(MmascError, match="clips with other paddings"):
            cut_clips(rows, tmp_path / "clips", before=before, after=after)
    assert cut_clips(rows, tmp_path / "clips", before=0.1009, after=0.0991).cut == 0


def test_moments_that_differ_by_less_than_a_millisecond_are_one_clip(sounds, tmp_path):
    path = str(sounds / "b" / "y.wav")
    for other, count in (((1.0009, 2.0), 1), ((1.0, 2.0009), 1), ((1.0011, 2.0), 2), ((1.0, 2.0011), 2)):
        folder = tmp_path / f"{other}"
        report = cut_clips([LabelRow(path, 1.0, 2.0, "a"), LabelRow(path, *other, "a")], folder)
        assert (report.cut, len(report.clips)) == (count, count)
    report = cut_clips([LabelRow(path, 1.0, 2.0, "a b"), LabelRow(path, 1.0, 2.0, "a-b")], tmp_path / "two")
    assert report.cut == 2  # labels whose names are one are two


@pytest.mark.parametrize("paddings", [(-0.1, 0.0), (0.0, -0.1), (float("nan"), 0.0), (0.0, float("nan"))])
def test_paddings_are_not_negative(tmp_path, paddings):
    with pytest.raises(ValueError, match="paddings must be 0 seconds or more"):
        cut_clips([], tmp_path / "clips", *paddings)
