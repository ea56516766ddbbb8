"""Recordings to labels, timelines and the forms of the command line, on sounds whose vectors are worked out by hand."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import mmasc.encoders.registry
import mmasc.labelling.sources
from mmasc.cli import classify as classify_command
from mmasc.cli import cli
from mmasc.cli.classify_formats import clock
from mmasc.encoders.embedding import embed_files
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import NONE
from mmasc.label_files.formats import read_rows
from mmasc.labelling.classify import classify
from mmasc.prompts.prompts import load_prompts
from tests.conftest import STANDIN_SPEC

RATE = 8_000
# letter counts of a, b, c, d stand for mean, mean absolute value, maximum and share of positive samples
PROMPTS = {"up": ["abcdd"], "down": ["b", "bb"], "loud": ["bbbcccd"]}
UP, DOWN, SILENT = 0.5, -0.5, 0.0


def sound(path: Path, *levels_and_seconds: tuple[float, float], rate: int = RATE) -> Path:
    """A file of constant levels, each for some seconds."""
    samples = np.concatenate([np.full(round(seconds * rate), level) for level, seconds in levels_and_seconds])
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def standin_vector(level: float) -> np.ndarray:
    return np.array([level, abs(level), level, float(level > 0)])


def text_vectors() -> np.ndarray:
    """Labels' vectors, a second time and by hand."""
    means = []
    for phrases in PROMPTS.values():
        counts = np.array([[phrase.count(letter) for letter in "abcd"] for phrase in phrases]) + 0.1
        mean = (counts / np.linalg.norm(counts, axis=1, keepdims=True)).mean(axis=0)
        means.append(mean / np.linalg.norm(mean))
    return np.stack(means)


def probabilities(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    logits = 10.0 * text_vectors() @ (vector / length if length else vector)
    return np.exp(logits) / np.exp(logits).sum()


@pytest.fixture
def town(tmp_path, monkeypatch) -> Path:
    """A folder with a rising, a falling and a mixed recording, a prompt file, and the stand-in by name."""
    monkeypatch.setitem(
        mmasc.encoders.registry.ENCODERS, "standin", replace(STANDIN_SPEC, target="tests.conftest:StandIn")
    )
    sound(tmp_path / "in" / "a.wav", (UP, 2))
    sound(tmp_path / "in" / "b.wav", (UP, 2), (DOWN, 3))
    sound(tmp_path / "in" / "deep" / "a.wav", (DOWN, 1.5))
    (tmp_path / "p.yaml").write_text("labels:\n  up: [abcdd]\n  down: [b, bb]\n  loud: [bbbcccd]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["classify", *arguments, "--prompts", "p.yaml", "--encoder", "standin"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_recording_is_judged_by_its_time_weighted_mean_vector(tmp_path, standin):
    # 2.5 s: windows 0-1, 1-2 and 1.5-2.5, of which the last adds half a second
    path = sound(tmp_path / "x.wav", (UP, 2), (DOWN, 0.5))
    [result] = classify(path, PROMPTS, standin)
    last = np.array([0.0, 0.5, 0.5, 0.5])  # half up, half down
    expected = probabilities((2 * standin_vector(UP) + 0.5 * last) / 2.5)
    np.testing.assert_allclose(list(result.scores.values()), expected, rtol=1e-4)
    assert list(result.scores) == list(PROMPTS)
    assert result.label == "up"
    assert result.labels == ("up",)
    assert result.score == result.scores["up"]
    assert result.duration == 2.5
    assert (result.path, result.status.state, result.sample_rate) == (str(path), "ok", RATE)
    assert (result.events, result.seconds, result.windows) == ([], {}, {})


def test_timeline_of_whole_windows_is_what_was_put_there(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 2), (DOWN, 3), (UP, 1))
    [result] = classify(path, PROMPTS, standin, timeline=True)
    assert [(event.start, event.end, event.label) for event in result.events] == [
        (0, 2, "up"),
        (2, 5, "down"),
        (5, 6, "up"),
    ]
    for event in result.events:
        level = UP if event.label == "up" else DOWN
        assert event.score == pytest.approx(probabilities(standin_vector(level)).max(), rel=1e-4)
    assert result.seconds == {"up": 3, "down": 3, "loud": 0}
    assert result.windows == {"up": 3, "down": 3, "loud": 0}


# 7.4 s in windows of 1 s: starts up to 6.4 s, and one window more that ends with the recording
@pytest.mark.parametrize(("hop_seconds", "n_windows"), [(None, 7 + 1), (0.5, 13 + 1), (0.31, 21 + 1)])
def test_seconds_of_a_single_label_timeline_sum_to_the_duration(tmp_path, standin, hop_seconds, n_windows):
    generator = np.random.default_rng(7)
    path = sound(tmp_path / "x.wav", *[(level, 0.37) for level in generator.uniform(-1, 1, 20)])
    [result] = classify(path, PROMPTS, standin, timeline=True, hop_seconds=hop_seconds)
    assert sum(result.seconds.values()) == pytest.approx(20 * 0.37)
    assert sum(result.windows.values()) == n_windows
    assert len({event.label for event in result.events}) > 1
    assert result.events[0].start == 0
    assert all(one.end == other.start for one, other in zip(result.events, result.events[1:], strict=False))


def test_a_moment_is_the_mean_of_the_windows_that_hear_it(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 1), (DOWN, 1))
    [result] = classify(path, PROMPTS, standin, timeline=True, hop_seconds=0.5, threshold=0.0)
    # windows: up, half up and half down, down; cells of half a second
    up, middle, down = (
        probabilities(vector) for vector in (standin_vector(UP), np.array([0, 0.5, 0.5, 0.5]), standin_vector(DOWN))
    )
    cells = [up, (up + middle) / 2, (middle + down) / 2, down]
    expected = [list(PROMPTS)[cell.argmax()] for cell in cells]
    heard = [event.label for quarter in range(4) for event in result.events if event.start <= quarter / 2 < event.end]
    assert heard == expected
    assert sum(event.score * (event.end - event.start) for event in result.events) == pytest.approx(
        0.5 * sum(cell.max() for cell in cells), rel=1e-4
    )


def test_silence_is_none_of_these_and_does_not_count(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 1), (SILENT, 2), (DOWN, 1))
    [bold] = classify(path, PROMPTS, standin, timeline=True)
    assert [(event.start, event.end, event.label) for event in bold.events] == [(0, 1, "up"), (3, 4, "down")]
    assert bold.windows == {"up": 1, "down": 1, "loud": 0}
    [short] = classify(sound(tmp_path / "z.wav", (UP, 1), (DOWN, 1)), PROMPTS, standin)
    assert bold.scores == short.scores
    assert bold.status.reason == f"{path}: 50% of it is digital silence"
    assert bold.status.silent_seconds == pytest.approx(2)
    [careful] = classify(path, PROMPTS, standin, timeline=True, minimum_cosine=0.2)
    assert [(event.start, event.end, event.label) for event in careful.events] == [(0, 1, "up"), (3, 4, "down")]
    assert careful.windows == {"up": 1, "down": 1, "loud": 0}
    [silent] = classify(sound(tmp_path / "y.wav", (SILENT, 2)), PROMPTS, standin, minimum_cosine=0.2, timeline=True)
    assert (silent.label, silent.labels, silent.events) == (NONE, (), [])
    assert silent.score == pytest.approx(1 / 3)
    assert (sum(silent.seconds.values()), sum(silent.windows.values())) == (0, 0)
    assert silent.status.reason == f"{tmp_path / 'y.wav'}: all of it is digital silence"


def test_threshold_leaves_gaps_and_gaps_can_be_bridged(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 2), (SILENT, 1), (UP, 2), (DOWN, 1))

    def spans(**options):
        [result] = classify(path, PROMPTS, standin, timeline=True, threshold=0.5, **options)
        return [(event.start, event.end, event.label) for event in result.events]

    assert spans() == [(0, 2, "up"), (3, 5, "up"), (5, 6, "down")]
    assert spans(gap_seconds=1.0) == [(0, 5, "up"), (5, 6, "down")]
    assert spans(minimum_seconds=1.5) == [(0, 2, "up"), (3, 5, "up")]
    # Events are bridged and dropped as they were heard, then trimmed; the ends of the recording stay
    trimmed = [(0, 1.75, "up"), (3.25, 4.75, "up"), (5.25, 6, "down")]
    assert spans(trim_seconds=0.25) == trimmed
    assert spans(trim_seconds=0.25, minimum_seconds=1.9) == trimmed[:2]
    [result] = classify(path, PROMPTS, standin, timeline=True, threshold=0.5, trim_seconds=0.25)
    assert result.seconds == pytest.approx({"up": 3.25, "down": 0.75, "loud": 0})
    with pytest.raises(ValueError, match="trim_seconds must be 0 or more, got -1"):
        classify(path, PROMPTS, standin, timeline=True, trim_seconds=-1)


def test_several_labels_can_hold_at_once(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 2), (DOWN, 1))
    prompts = {"up": "abcdd", "also up": "abcddd", "down": "b"}
    [result] = classify(path, prompts, standin, timeline=True, multi_label=True)
    assert set(result.labels) == {"up", "also up"}
    assert {(event.start, event.end, event.label) for event in result.events} == {
        (0, 2, "up"),
        (0, 2, "also up"),
        (2, 3, "down"),
    }
    assert result.seconds == {"up": 2, "also up": 2, "down": 1}


def test_lanes_are_judged_alike_and_averaged(tmp_path, standin):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.tile([UP, DOWN], (2 * RATE, 1)), RATE)
    scores = {
        channels: list(next(classify(path, PROMPTS, standin, channels=channels)).scores.values())
        for channels in ("left", "right", "each")
    }
    np.testing.assert_allclose(scores["left"], probabilities(standin_vector(UP)), rtol=1e-3)
    np.testing.assert_allclose(scores["right"], probabilities(standin_vector(DOWN)), rtol=1e-3)
    mean = (standin_vector(UP) + standin_vector(DOWN)) / 2
    np.testing.assert_allclose(scores["each"], probabilities(mean), rtol=1e-3)
    [result] = classify(path, PROMPTS, standin, channels="each", timeline=True)
    assert sum(result.seconds.values()) == 2


def test_top_keeps_the_best_in_order(tmp_path, standin):
    path = sound(tmp_path / "x.wav", (UP, 1))
    [every], [best] = classify(path, PROMPTS, standin), classify(path, PROMPTS, standin, top=2)
    assert list(best.scores.values()) == sorted(every.scores.values(), reverse=True)[:2]
    assert list(best.scores) == list(best.cosines)
    assert best.label == every.label == next(iter(best.scores))


def test_bad_files_keep_their_place_and_strict_stops_at_the_first(tmp_path, standin):
    (tmp_path / "b.wav").write_text("no sound at all")
    sound(tmp_path / "a.wav", (UP, 1))
    sound(tmp_path / "c.wav", (DOWN, 1))
    results = list(classify(tmp_path, PROMPTS, standin))
    assert [Path(result.path).name for result in results] == ["a.wav", "b.wav", "c.wav"]
    assert [result.label for result in results] == ["up", None, "down"]
    assert results[1].status.state == "failed"
    assert "b.wav" in results[1].status.reason
    strict = classify(tmp_path, PROMPTS, standin, strict=True)
    assert next(strict).label == "up"
    with pytest.raises(MmascError, match=r"b\.wav"):
        next(strict)


def test_faults_are_told_before_anything_is_read(tmp_path, standin):
    with pytest.raises(MmascError, match="no audio found"):
        classify(tmp_path, PROMPTS, standin)
    with pytest.raises(MmascError, match="no prompt file"):
        classify(tmp_path, "nothing like it", standin)
    path = sound(tmp_path / "x.wav", (UP, 1))
    for options, message in [
        ({"top": 0}, "top must be at least 1"),
        ({"gap_seconds": -1.0}, "must be 0 or more"),
        ({"window_seconds": 2.0}, "has its window already"),
        ({"threshold": 2.0}, "threshold is a probability"),
    ]:
        with pytest.raises(ValueError, match=message):
            classify(path, PROMPTS, standin, **options)


def test_jsonl_holds_the_promised_keys(town):
    status, out, err = run("in", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [row["path"] for row in rows] == ["in/a.wav", "in/b.wav", "in/deep/a.wav"]
    for row in rows:
        assert list(row)[:4] == ["path", "label", "score", "scores"]
        assert row["score"] == max(row["scores"].values()) == row["scores"][row["label"]]
        assert sum(row["scores"].values()) == pytest.approx(1)
        assert not {"events", "seconds"} & set(row)
        assert (row["encoder"], row["prompts"], row["status"]) == ("standin", "p.yaml", "ok")
    _, out, _ = run("in/b.wav", "--format", "jsonl", "--timeline")
    row = json.loads(out)
    assert [(event["start"], event["end"], event["label"]) for event in row["events"]] == [(0, 2, "up"), (2, 5, "down")]
    assert all(isinstance(event["score"], float) for event in row["events"])
    assert row["seconds"] == {"up": 2, "down": 3, "loud": 0}


def test_json_is_the_list_of_the_same_objects(town):
    lines = [json.loads(line) for line in run("in", "--format", "jsonl", "--timeline")[1].splitlines()]
    assert json.loads(run("in", "--format", "json", "--timeline")[1]) == lines


def test_csv_has_a_column_for_every_label_or_a_row_for_every_event(town):
    objects = [json.loads(line) for line in run("in", "--format", "jsonl", "--timeline")[1].splitlines()]
    rows = list(csv.DictReader(io.StringIO(run("in", "--format", "csv")[1])))
    assert list(rows[0]) == ["path", "label", "score", *(f"score_{label}" for label in PROMPTS), "encoder", "prompts"]
    for row, value in zip(rows, objects, strict=True):
        assert (row["path"], row["label"], float(row["score"])) == (value["path"], value["label"], value["score"])
        assert {label: float(row[f"score_{label}"]) for label in PROMPTS} == value["scores"]
    rows = list(csv.DictReader(io.StringIO(run("in", "--format", "csv", "--timeline")[1])))
    assert [(row["path"], float(row["start"]), float(row["end"]), row["label"]) for row in rows] == [
        (value["path"], event["start"], event["end"], event["label"]) for value in objects for event in value["events"]
    ]


def test_csv_of_the_best_labels_has_a_row_for_each_of_them(town):
    with (town / "p.yaml").open("a") as file:
        file.write("groups:\n  levels: [up, down]\n")
    objects = [json.loads(line) for line in run("in", "--format", "jsonl")[1].splitlines()]
    rows = list(csv.DictReader(io.StringIO(run("in", "--format", "csv", "--top", "2")[1])))
    assert list(rows[0]) == ["path", "rank", "label", "group", "score", "cosine", "encoder", "prompts"]
    for value, (first, second) in zip(objects, zip(rows[::2], rows[1::2], strict=True), strict=True):
        assert (first["rank"], second["rank"], first["path"], second["path"]) == ("1", "2", *[value["path"]] * 2)
        best = sorted(value["scores"], key=lambda label: -value["scores"][label])[:2]
        assert [first["label"], second["label"]] == best
        for row in (first, second):
            assert float(row["score"]) == value["scores"][row["label"]]
            assert float(row["cosine"]) == value["cosines"][row["label"]]
            assert row["group"] == ("" if row["label"] == "loud" else "levels")


def test_table_and_timeline_are_readable(town):
    _, out, _ = run("in")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["path", "label"],
        ["in/a.wav", "up"],
        ["in/b.wav", run_label("in/b.wav")],
        ["in/deep/a.wav", "down"],
    ]
    _, out, _ = run("in/b.wav", "--timeline")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    up, down = (probabilities(standin_vector(level)).max() for level in (UP, DOWN))
    assert lines[1:4] == [f"0:00.0 0:02.0 up {up:.2f}", f"0:02.0 0:05.0 down {down:.2f}", "seconds: down 3.0, up 2.0"]
    assert lines[0].startswith("in/b.wav 0:05.0 ")


def test_table_shows_what_holds_and_then_what_comes_next(town):
    _, out, _ = run("in/a.wav", "--multi-label", "--threshold", "0.3")
    value = json.loads(run("in/a.wav", "--multi-label", "--threshold", "0.3", "--format", "jsonl")[1])
    held = [label for label, score in value["scores"].items() if score >= 0.3]
    assert 0 < len(held) < 3
    line = out.splitlines()[1]
    assert line.startswith(f"in/a.wav  {', '.join(value['labels'])} ")
    assert sorted(value["labels"]) == sorted(held)
    left = sorted((label for label in PROMPTS if label not in held), key=lambda label: -value["scores"][label])
    assert line.strip().endswith(", ".join(f"{label} {value['scores'][label]:.2f}" for label in left))


def run_label(path: str) -> str:
    return json.loads(run(path, "--format", "jsonl")[1])["label"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00.0"),
        (7.46, "0:07.5"),
        (59.96, "1:00.0"),
        (720, "12:00.0"),
        (3723.4, "1:02:03.4"),
        (36000, "10:00:00.0"),
    ],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_audacity_labels_read_back(town):
    status, out, _ = run("in/b.wav", "--format", "audacity")
    assert status == 0
    assert [line.split("\t") for line in out.splitlines()] == [
        ["0.000000", "2.000000", "up"],
        ["2.000000", "5.000000", "down"],
    ]


def test_raven_table_has_its_columns(town):
    _, out, _ = run("in/b.wav", "--format", "raven")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header[:7] == [
        "Selection",
        "View",
        "Channel",
        "Begin Time (s)",
        "End Time (s)",
        "Low Freq (Hz)",
        "High Freq (Hz)",
    ]
    assert header[7:] == ["Begin File", "Begin Path", "Annotation", "Score"]
    assert [row[:8] for row in rows] == [
        ["1", "Spectrogram 1", "1", "0.000000", "2.000000", "0.0", "4000.0", "b.wav"],
        ["2", "Spectrogram 1", "1", "2.000000", "5.000000", "0.0", "4000.0", "b.wav"],
    ]
    assert {row[8] for row in rows} == {str(town / "in" / "b.wav")}
    assert [row[9] for row in rows] == ["up", "down"]
    assert float(rows[0][10]) == pytest.approx(probabilities(standin_vector(UP)).max(), abs=1e-3)


def test_label_files_mirror_the_folders_so_that_no_name_clashes(town):
    status, out, _ = run("in", "--format", "audacity", "--to", "labels")
    assert (status, out) == (0, "")
    written = sorted(str(path.relative_to(town / "labels")) for path in (town / "labels").rglob("*.txt"))
    assert written == ["a.wav.audacity.txt", "b.wav.audacity.txt", "deep/a.wav.audacity.txt"]
    assert (town / "labels/deep/a.wav.audacity.txt").read_text() == "0.000000\t1.500000\tdown\n"
    run("in/a.wav", "--format", "audacity", "--to", "one.txt")
    assert (town / "one.txt").read_text() == "0.000000\t2.000000\tup\n"


def test_one_label_file_for_all_recordings_says_which_each_row_is_of(town):
    paths = {str(town / "in" / name) for name in ("a.wav", "b.wav", "deep/a.wav")}
    for form in ("raven", "audacity"):
        assert run("in", "--format", form, "--together", "--to", f"{form}.txt")[:2] == (0, "")
        assert (town / f"{form}.txt").read_text() == run("in", "--format", form, "--together")[1]
        rows = read_rows(town / f"{form}.txt").rows
        assert {row.path for row in rows} == paths
        run("in", "--format", form, "--to", f"{form}-each")
        each = read_rows(town / f"{form}-each").rows
        assert sorted((row.start, row.end, row.label) for row in each) == sorted(
            (row.start, row.end, row.label) for row in rows
        )
    status, _, err = run("in", "--format", "csv", "--together")
    assert status == 2
    assert "--together is for audacity and raven" in err


def test_an_event_goes_on_down_to_the_offset(town):
    def events(*options):
        out = run("in/b.wav", "--timeline", "--format", "jsonl", *options)[1]
        return [(event["start"], event["end"], event["label"]) for event in json.loads(out)["events"]]

    (low, high) = sorted(
        event["score"] for event in json.loads(run("in/b.wav", "--timeline", "--format", "jsonl")[1])["events"]
    )
    assert low < high
    whole = events()
    strict = events("--onset", str((low + high) / 2))
    assert len(strict) == 1
    # another label is the best in the other half, and no event of it begins there
    assert events("--onset", str((low + high) / 2), "--offset", str(low / 2)) == strict
    both = events("--onset", str(low / 2), "--offset", str(low / 4))
    assert both == whole
    for wrong, message in [
        (("--offset", "0.2"), "--offset needs --threshold"),
        (("--threshold", "0.1", "--offset", "0.2"), "at most --threshold, got 0.2 and 0.1"),
    ]:
        status, _, err = run("in/b.wav", "--timeline", *wrong)
        assert status == 2
        assert message in err


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_to_writes_what_stdout_would_show(town, form):
    shown = run("in", "--format", form)[1]
    status, out, _ = run("in", "--format", form, "--to", "new/out.txt")
    assert (status, out) == (0, "")
    assert (town / "new/out.txt").read_text() == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "--format", "audacity"], "3 recordings make 3 audacity files: name a folder with --to"),
        (["in", "--format", "raven", "--to", "p.yaml"], "--to p.yaml is a file"),
        (["in", "--to", "in"], "--to in is a folder"),
        (["in", "--to", "in/a.wav"], "in/a.wav is a sound, which would be replaced; name another file"),
        (["in", "--top", "0"], "0 is not in the range"),
        (["in", "--threshold", "2"], "2.0 is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2_and_changes_nothing(town, arguments, message):
    before = (town / "in/a.wav").read_bytes()
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
    assert (town / "in/a.wav").read_bytes() == before


def test_bad_files_are_listed_at_the_end_and_do_not_stop_the_run(town):
    (town / "in" / "b.wav").write_text("no sound")
    status, out, err = run("in", "--format", "jsonl", "--quiet")
    assert status == 0
    assert [json.loads(line)["path"] for line in out.splitlines()] == ["in/a.wav", "in/deep/a.wav"]
    first, reason = err.splitlines()
    assert first == "1 of 3 files could not be read:"
    assert reason.startswith("  in/b.wav")
    assert run("in/b.wav", "--format", "jsonl")[:2] == (1, "")
    with pytest.raises(MmascError, match=r"in/b\.wav"):
        run("in", "--format", "jsonl", "--strict")


def test_truncated_files_are_remarked(town):
    path = town / "in" / "b.wav"
    path.write_bytes(path.read_bytes()[:-RATE])
    status, out, err = run("in/b.wav", "--format", "jsonl")
    assert (status, json.loads(out)["status"]) == (0, "truncated")
    assert err.startswith("truncated: in/b.wav")
    assert run("in/b.wav", "--quiet")[2] == ""


def test_jsonl_lines_come_while_recordings_are_read(town, monkeypatch):
    def stop_after_one(files, encoder, hop_seconds, channels, *_threads, **_told):
        yield next(embed_files(files, encoder, hop_seconds, channels))
        raise MmascError("the disk went away")

    monkeypatch.setattr("mmasc.collection.executors.local.embed_files", stop_after_one)
    result = CliRunner().invoke(
        cli, ["classify", "in", "--prompts", "p.yaml", "--encoder", "standin", "--format", "jsonl"]
    )
    assert isinstance(result.exception, MmascError)
    assert json.loads(result.stdout)["path"] == "in/a.wav"


@pytest.mark.parametrize("name", [b"[x] y.wav", "ünï ☂.wav".encode(), b"caf\xe9.wav", b"tab\there.wav"])
def test_odd_file_names_come_back_as_they_are(town, name):
    path = Path(os.fsdecode(b"odd/" + name))
    try:
        sound(Path("odd/plain.wav"), (UP, 1)).rename(path)
    except OSError:
        pytest.skip("this file system has no such names")
    for form in ("jsonl", "table", "csv"):
        status, out, _ = run("odd", "--format", form)
        assert status == 0
        if form == "jsonl":
            assert json.loads(out)["path"] == str(path)
    status, out, _ = run("odd", "--format", "raven", "--to", "tables")
    [table] = Path("tables").iterdir()
    assert os.fsencode(table.name) == name + b".raven.txt"
    assert [line.count("\t") for line in table.read_text(errors="surrogateescape").splitlines()] == [10, 10]


def test_one_line_and_exit_1_where_users_can_mend(town):
    for prompts, message in [("nothing", "no prompt file 'nothing'"), ("bad.yaml", "bad.yaml, line 1: ")]:
        Path("bad.yaml").write_text("labels: [x]")
        command = [sys.executable, "-m", "mmasc", "classify", "in", "--prompts", prompts]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.startswith(f"mmasc: {message}")
        assert ended.stderr.count("\n") == 1


def test_command_and_function_share_their_names():
    import inspect

    parameters = set(inspect.signature(classify).parameters)
    options = {option.name for option in classify_command.classify.params}
    assert parameters <= options
    around = {"executor", "workers", "address"}  # said by `executing`, around the call
    assert options - parameters == {"output_format", "quiet", "to", "together"} | around


def test_the_public_name_is_callable_whatever_was_imported_first(town):
    assert mmasc.classify is sys.modules["mmasc.labelling.classify"].classify
    with pytest.raises(MmascError, match="no prompt file 'none'"):
        mmasc.classify("in", "none")


def test_real_recordings_with_the_bundled_encoder(test_data, tmp_path):
    with (test_data / "data/esc10/meta.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["fold"] == "4"]
    kinds = list(load_prompts("esc10").labels)
    chosen = [row for kind in kinds for row in [row for row in rows if row["category"] == kind][:1]]
    paths = [test_data / "data/esc10/audio" / row["filename"] for row in chosen]
    results = list(classify(paths, "esc10"))
    # the encoder heard these in training: this is about the way there, not about how well it generalises
    right = [result.label == row["category"] for result, row in zip(results, chosen, strict=True)]
    assert sum(right) >= 8
    # three of them one after the other, with windows that lie on them
    heard = [row["category"] for row in chosen].index
    pieces = [soundfile.read(paths[heard(kind)])[0][:220_500] for kind in ("rooster", "sea_waves", "dog")]
    soundfile.write(tmp_path / "long.wav", np.concatenate(pieces), 44_100)
    [result] = classify(tmp_path / "long.wav", "esc10", timeline=True, window_seconds=5.0)
    assert [event.label for event in result.events] == ["rooster", "sea_waves", "dog"]
    assert sum(result.seconds.values()) == pytest.approx(15)
