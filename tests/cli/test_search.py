"""`mmasc search` and `mmasc clips`: forms of the answer, files for other programs, and sounds cut out."""

import csv
import json

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.cli.output import rows_text
from mmasc.collection.annotations import Annotation
from mmasc.label_files.formats import read_rows
from tests.helpers.command import run

RATE = 8_000


@pytest.fixture
def ponds(tmp_path, registered):
    """Two recordings of nine seconds, loud in the middle; a word asks for what is loud."""
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        level = np.repeat([0.01, 0.01, 0.01, 0.9, 0.8, 0.9, 0.01, 0.01, 0.01], RATE)
        offset = np.where(level > 0.5, 0.05, -0.005)
        (tmp_path / "s").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "s" / f"{name}.wav", level * generator.uniform(-1, 1, len(level)) + offset, RATE)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered, hop_seconds=1.0)
    return tmp_path


def test_queries_have_weights(ponds, capsys):
    def found(*options):
        status, out, err = run("search", ponds / "c", *options, "--windows", "--format", "jsonl", capsys=capsys)
        assert (status, err) == (0, "")
        return [(one["path"], one["start"], round(one["score"], 5)) for one in map(json.loads, out.splitlines())]

    plain = found("ccc", "a", "--not", "b")
    assert found("ccc", "a", "--not", "b", "--weights", "2,2", "--not-weights", "7") == plain
    assert found("ccc", "a", "--not", "b", "--weights", "1,5") != plain
    for options in (("--weights", "1"), ("--weights", "1,x"), ("--weights", "1,0"), ("--not-weights", "1")):
        status, out, err = run("search", ponds / "c", "ccc", "a", *options, capsys=capsys)
        assert (status, out) == (2, "")
        assert options[0] in err


def test_hits_are_moments_with_their_best_point(ponds, capsys):
    status, out, err = run("search", ponds / "c", "ccc", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split()[:6] == ["rank", "path", "start", "end", "best", "score"]
    _, out, _ = run("search", ponds / "c", "ccc", "-k", 99, "--format", "jsonl", capsys=capsys)
    moments = [json.loads(line) for line in out.splitlines()]
    _, out, _ = run("search", ponds / "c", "ccc", "--windows", "-k", 99, "--format", "jsonl", capsys=capsys)
    windows = [json.loads(line) for line in out.splitlines()]
    assert (len(windows), windows[0]["start"]) == (18, moments[0]["best_start"])
    assert (len(moments), moments[0]["start"], moments[0]["end"]) == (14, 3.0, 6.0)
    for option, most in (("--per-recording", 1), (("--spread", 2), 2)):
        option = option if isinstance(option, tuple) else (option,)
        _, out, _ = run("search", ponds / "c", "ccc", *option, "--windows", "--format", "jsonl", capsys=capsys)
        paths = [json.loads(line)["path"] for line in out.splitlines()]
        assert {path: paths.count(path) for path in paths} == dict.fromkeys(paths, most)


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_a_file_of_hits_holds_what_stdout_shows(ponds, form, capsys):
    _, shown, _ = run("search", ponds / "c", "ccc", "--format", form, capsys=capsys)
    status, out, err = run("search", ponds / "c", "ccc", "--format", form, "--to", ponds / "hits", capsys=capsys)
    assert (status, out, err.splitlines()[-1].endswith(f"hits → {ponds / 'hits'}")) == (0, "", True)
    assert (ponds / "hits").read_text("utf-8") == shown
    hits = mmasc.Collection(ponds / "c").search(text="ccc")
    assert rows_text(hits, form) == shown


def test_hits_go_to_other_programs(ponds, capsys):
    hits = mmasc.Collection(ponds / "c").search(text="ccc", not_text="d")
    for form in ("raven", "audacity"):
        file = ponds / f"hits.{form}.txt"
        assert run("search", ponds / "c", "ccc", "--not", "d", "--format", form, "--to", file, capsys=capsys)[0] == 0
        rows = read_rows(file).rows
        assert [(row.start, row.end, row.label) for row in rows] == [(hit.start, hit.end, "ccc - d") for hit in hits]
    status, out, _ = run("search", ponds / "c", "ccc", "--format", "m3u", capsys=capsys)
    assert (status, out.splitlines()[0], hits[0].path in out) == (0, "#EXTM3U", True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "x"), "give its --format"),
        (("--windows", "--gap", "1"), "--gap joins windows"),
        (("--per-recording", "--spread", "2"), "--per-recording is --spread 1"),
    ],
)
def test_options_that_exclude_each_other(ponds, words, message, capsys):
    status, _, err = run("search", ponds / "c", "ccc", *words, capsys=capsys)
    assert (status, message in err) == (2, True)


def test_clips_by_query_by_file_and_by_label_are_the_same_sounds(ponds, capsys):
    hit = mmasc.Collection(ponds / "c").search(text="ccc", k=1)[0]
    whole, _ = soundfile.read(hit.path, dtype="int16")
    run("search", ponds / "c", "ccc", "-k", 1, "--format", "csv", "--to", ponds / "hits.csv", capsys=capsys)
    run("search", ponds / "c", "ccc", "-k", 1, "--format", "raven", "--to", ponds / "hits.txt", capsys=capsys)
    opened = mmasc.Collection(ponds / "c")
    one = opened.annotations.recording_id(hit.path)
    opened.annotations.add([Annotation(recording=one, start=hit.start, end=hit.end, label="loud")])
    ways = [("ccc", "-k", 1), ("--hits", ponds / "hits.csv"), ("--hits", ponds / "hits.txt"), ("--label", "loud")]
    for number, words in enumerate(ways):
        status, out, _ = run(
            "clips",
            ponds / "c",
            *words,
            "--to",
            ponds / str(number),
            "--before",
            0.5,
            "--format",
            "json",
            capsys=capsys,
        )
        (clip,) = json.loads(out)
        assert (status, clip["path"], clip["start"], clip["end"]) == (0, hit.path, hit.start, hit.end)
        samples, rate = soundfile.read(ponds / str(number) / clip["clip"], dtype="int16")
        first = round(max(hit.start - 0.5, 0) * rate)
        np.testing.assert_array_equal(samples, whole[first : round(hit.end * rate)])
        with open(ponds / str(number) / "clips.csv", encoding="utf-8", newline="") as file:
            assert [row["clip"] for row in csv.DictReader(file)] == [clip["clip"]]
    _, out, _ = run(
        "clips",
        ponds / "c",
        "--hits",
        ponds / "hits.csv",
        "--best",
        "--to",
        ponds / "b",
        "--format",
        "json",
        capsys=capsys,
    )
    assert [(clip["start"], clip["end"]) for clip in json.loads(out)] == [(hit.best_start, hit.best_end)]


def test_recordings_that_are_gone_are_named_and_end_in_status_1(ponds, capsys):
    (ponds / "s" / "a.wav").unlink()
    status, _, err = run("clips", ponds / "c", "ccc", "--spread", 1, "--to", ponds / "d", capsys=capsys)
    assert status == 1
    assert sum("a.wav: no such file" in line for line in err.splitlines()) == 1
    assert err.splitlines()[-1] == f"1 cut, 0 already there, 1 failed → {ponds / 'd'}"
    (ponds / "labels.csv").write_text("path,start,end,label\nb.wav,1,2,x\nnowhere.wav,1,2,x\n")
    status, _, err = run("clips", ponds / "c", "--hits", ponds / "labels.csv", "--to", ponds / "e", capsys=capsys)
    assert (status, "nowhere.wav: no recording of the collection lies there" in err) == (1, True)
    status, _, err = run("clips", ponds / "c", "ccc", "--label", "x", "--to", ponds / "f", capsys=capsys)
    assert (status, "name what to cut by one of these" in err) == (2, True)
