"""`collection check`: what was planted is counted, however much is looked at together."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

import mmasc
from mmasc.audio.quality import fault_of
from mmasc.collection import Collection, check_space
from mmasc.collection.check import check
from mmasc.collection.schema import vector_column
from mmasc.collection.space import SpaceReader
from tests.helpers.made import made, recordings, windows

NUMBERS = list(range(24))


@pytest.mark.parametrize("at_once", [1, 6, 10_000])
def test_planted_faults_are_counted(tmp_path, at_once):
    store = made(tmp_path / "c", NUMBERS, gone=(7,))
    with store.transaction() as change:
        double = recordings([3, 4, 5])  # their paths a second time, of other recordings
        change.append_recordings(double.set_column(0, "id", [[1, 2, 3]]))
        twin = recordings([90])  # another path with the id of one that is there
        change.append_recordings(twin.set_column(0, "id", [[1_000 - 6]]))
        change.append_windows("one", windows([2]))  # 3 windows a second time
        change.append_windows("one", windows([800]))  # of no recording: 2
        gap = windows([11]).slice(2, 1)
        change.remove_windows("one", [1_000 - 11])
        change.append_windows("one", gap)
    findings = check(Collection(tmp_path / "c"), at_once)
    text = "\n".join(one.message for one in findings)
    warned = {one.message for one in findings if one.level == "warning"}
    assert all(("in no space" in line or "not under" in line) == (line in warned) for line in text.split("\n"))
    assert re.search(r"^3 paths occur twice", text, re.MULTILINE)
    assert "1 recording has the same id as another one" in text
    assert "27 recordings are not under" in text
    assert "(f0/r00.wav, f1/r01.wav, f2/r02.wav, ...)" in text
    assert "2 windows belong to no recording" in text
    assert "3 windows are there twice" in text
    # The one with a gap, and the one whose id two recordings of other lengths have
    assert re.search(r"windows of (1 recording|2 recordings) do not cover them", text)
    assert "4 recordings have vectors in no space" not in text
    assert "3 recordings have vectors in no space" in text


@pytest.mark.parametrize("at_once", [1, 10_000])
def test_a_sound_collection_has_its_missing_files_alone(tmp_path, at_once):
    made(tmp_path / "c", NUMBERS, gone=(7, 8))
    (one,) = check(Collection(tmp_path / "c"), at_once)
    assert (one.level, one.message[:2]) == ("warning", "22")


def test_vectors_that_are_no_vectors_are_said(tmp_path):
    store = made(tmp_path / "c", [1])
    more = windows([2])
    with store.transaction() as change:
        change.append_recordings(recordings([2]))
        values = np.zeros((3, 4))
        values[1] = np.nan
        change.append_windows(
            "one", more.set_column(4, "vector", pa.chunked_array([vector_column(values)])).cast(more.schema)
        )
    text = " ".join(one.message for one in Collection(tmp_path / "c").check())
    assert "1 vector holds NaN" in text
    assert "2 vectors are zero" in text


def test_copies_of_one_sound_are_no_fault(tmp_path, standin):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, sound, 8_000)
    mmasc.embed([tmp_path / "a.wav", tmp_path / "b.wav"], tmp_path / "c", standin)
    (one,) = Collection(tmp_path / "c").check()
    assert (one.level, "all 2 vectors are the same" in one.message) == ("warning", True)


def test_what_the_mix_loses_did_not_end_too_early(tmp_path, standin):
    """Channels of opposite polarity and a file that was cut off are two things, and each has its own fix."""
    tone = np.sin(np.arange(8_000) * 0.3) * 0.3
    (tmp_path / "s").mkdir()
    soundfile.write(tmp_path / "s" / "opposite.wav", np.stack([tone, -tone], 1), 8_000)
    soundfile.write(tmp_path / "s" / "cut.wav", tone, 8_000)
    content = (tmp_path / "s" / "cut.wav").read_bytes()
    (tmp_path / "s" / "cut.wav").write_bytes(content[: len(content) // 2])
    opposite = (tmp_path / "s" / "opposite.wav").read_bytes()
    (tmp_path / "s" / "both.wav").write_bytes(opposite[: len(opposite) // 2])
    report = mmasc.embed(tmp_path / "s", tmp_path / "c", standin)
    found = [one.message for one in check(Collection(tmp_path / "c"))]
    assert "2 recordings end before their headers say (both.wav, cut.wav)" in found
    assert any(re.match(r"2 recordings are lost .*\(both.wav, opposite.wav\); .*--channels left", one) for one in found)
    words = {Path(one.path).stem: fault_of(one.reason) for one in report.truncated}
    assert words == {"both": "truncated", "cut": "truncated", "opposite": "lost in the mix"}


def reader_of(rows: list[tuple[int, int, float, float]]) -> SpaceReader:
    """A reader that has these windows (recording, lane, start, end) and nothing else."""
    reader = SpaceReader.__new__(SpaceReader)
    reader.recording, reader.lane, reader.start, reader.end = (np.array(column) for column in zip(*rows, strict=True))
    return reader


TINY, MORE = 0.0009, 0.0011  # seconds below and above what may be missing


@pytest.mark.parametrize(
    ("rows", "duration", "gaps"),
    [
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)], 2.0, 0),
        ([(1, 0, 1.0, 2.0), (1, 0, 0.0, 1.0)], 2.0, 0),  # in any order
        ([(1, 0, 0.0, 1.0), (1, 0, 0.5, 2.0)], 2.0, 0),
        ([(1, 0, 0.5, 1.0), (1, 0, 1.0, 2.0)], 2.0, 1),  # it does not begin at 0
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0 + TINY, 2.0)], 2.0, 0),
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0 + MORE, 2.0)], 2.0, 1),
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)], 2.0 + TINY, 0),
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)], 2.0 - TINY, 0),
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)], 2.0 + MORE, 1),
        ([(1, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)], 2.0 - MORE, 1),
        # Each lane, and each recording, for itself
        ([(1, 0, 0.0, 2.0), (1, 1, 0.0, 2.0)], 2.0, 0),
        ([(1, 0, 0.0, 2.0), (1, 1, 1.0, 2.0)], 2.0, 1),
        ([(1, 0, 0.0, 1.0), (1, 1, 1.0, 2.0)], 2.0, 1),
        ([(1, 0, 0.0, 1.0), (2, 0, 1.0, 2.0)], 2.0, 2),
        ([(1, 0, 0.0, 2.0), (2, 0, 0.0, 2.0), (3, 0, 0.0, 1.0)], 2.0, 1),
    ],
)
def test_windows_cover_their_recordings(rows, duration, gaps):
    reader, positions = reader_of(rows), np.arange(len(rows))
    assert check_space._recordings_with_gaps(reader, positions, np.full(len(rows), duration)) == gaps
    # Vectors of one's own need not cover it, but must not end after it
    behind = len({row[0] for row in rows if row[3] > duration + 0.001})
    assert check_space._recordings_exceeded(reader, positions, np.full(len(rows), duration)) == behind


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ([[], []], 0),
        ([[1], [1]], 0),
        ([[1, 1], [1, 1]], 1),
        ([[1, 1], [1, 2]], 0),
        ([[1, 2, 1, 1], [3, 3, 3, 3]], 2),
        ([[1, 2, 3], [3, 3, 3]], 0),
    ],
)
def test_windows_that_are_there_twice_are_counted(keys, count):
    assert check_space._doubles([np.array(key, np.int64) for key in keys]) == count


def test_faults_of_one_thing_are_said_of_one_thing(tmp_path):
    store = made(tmp_path / "c", [4, 8])
    with store.transaction() as change:
        change.append_windows("one", windows([4]))  # one window a second time
        change.append_windows("one", windows([800]).slice(0, 1))
    found = {one.message: one.level for one in check(Collection(tmp_path / "c"))}
    for line in (
        "space 'one': 1 window belongs to no recording",
        "space 'one': 1 window is there twice",
    ):
        assert found[line] == "error"
    missing = next(line for line in found if "not under" in line)
    assert missing.startswith("2 recordings are not under ")
    assert found[missing] == "warning"
    with store.transaction() as change:
        change.remove_recordings([1_000 - 8])
    line = next(one for one in check(Collection(tmp_path / "c")) if "not under" in one.message)
    assert line.message.startswith("1 recording is not under ")


def test_a_space_without_a_recordings_windows_is_a_warning(tmp_path):
    store = made(tmp_path / "c", [4, 8])
    with store.transaction() as change:
        change.append_recordings(recordings([12]))
    (one,) = [one for one in check(Collection(tmp_path / "c")) if "no space" in one.message]
    assert (one.level, one.message[:11]) == ("warning", "1 recording")
