"""Duplicates: copies in every guise are grouped, other takes are not; which one is kept, and what the command says."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
import soundfile
import soxr

import mmasc
from mmasc.audio import similarity
from mmasc.collection import Collection, pair_matches
from mmasc.collection.copies import Facts, best_first, reason_to_keep
from mmasc.collection.duplicates import find_duplicates
from mmasc.collection.near_recordings import candidates
from tests.helpers.command import run

RATE = 32_000


def take(seed: int, seconds: float = 4.0) -> np.ndarray:
    """Noise of changing level: two of them are the same to the stand-in encoder, and have no waveform in common."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(0.2, 0.9, int(seconds * 4) + 2)
    at = np.arange(round(seconds * RATE)) / RATE
    return np.interp(at * 4, np.arange(len(levels)), levels) * generator.uniform(-1, 1, len(at)) * 0.8


@pytest.fixture
def library(tmp_path, registered):
    """A sound in nine guises, a second take, and digital silence twice."""
    folder = tmp_path / "s"
    folder.mkdir()
    sound = take(1)
    soundfile.write(folder / "original.wav", sound, RATE)
    os.utime(folder / "original.wav", (1, 1))
    shutil.copy(folder / "original.wav", folder / "copy.wav")
    os.utime(folder / "copy.wav", (2, 2))
    soundfile.write(folder / "coded.mp3", sound, RATE, format="MP3", subtype="MPEG_LAYER_III")
    soundfile.write(folder / "coded.ogg", sound, RATE, format="OGG", subtype="VORBIS")
    soundfile.write(folder / "packed.flac", sound, RATE)
    soundfile.write(folder / "quiet.wav", -0.05 * sound, RATE, subtype="FLOAT")
    soundfile.write(folder / "low.wav", soxr.resample(sound, RATE, 16_000), 16_000)
    soundfile.write(folder / "trimmed.wav", sound[RATE // 3 : 3 * RATE], RATE)
    soundfile.write(folder / "later.wav", np.concatenate([take(3, 0.4), sound[: 3 * RATE]]), RATE)
    soundfile.write(folder / "second_take.wav", take(2), RATE)
    for name in ("silence_a.wav", "silence_b.wav"):
        soundfile.write(folder / name, np.zeros(RATE * (1 + (name == "silence_b.wav"))), RATE)
    mmasc.embed(folder, tmp_path / "c", registered)
    return tmp_path


def test_every_guise_of_a_sound_is_found_and_another_take_is_not(library):
    found = find_duplicates(Collection(library / "c"))
    [group] = found.groups
    names = {os.path.basename(copy.path): copy for copy in group}
    assert set(names) == {
        *("original.wav", "copy.wav", "coded.mp3", "coded.ogg", "packed.flac"),
        *("quiet.wav", "low.wav", "trimmed.wav", "later.wav"),
    }
    assert group[0].path == str(library / "s" / "original.wav"), "longest, highest rate, lossless, oldest"
    assert group[0].relation == "kept"
    assert names["copy.wav"].relation == "same file"
    for name in ("coded.mp3", "coded.ogg", "packed.flac", "quiet.wav", "low.wav"):
        assert (names[name].relation, names[name].keep) == ("same sound", False), name
        assert names[name].similarity > 0.9
        assert names[name].offset == pytest.approx(0, abs=0.01)
    trimmed, later = names["trimmed.wav"], names["later.wav"]
    assert (trimmed.relation, trimmed.keep, round(trimmed.offset, 2)) == ("part", False, 0.33)
    assert (later.relation, later.keep, round(later.offset, 2)) == ("overlap", True, -0.4)
    assert [names[name].lossless for name in ("coded.mp3", "coded.ogg", "packed.flac")] == [False, False, True]
    assert found.to_remove == 7
    assert found.problems == []


def test_a_higher_threshold_parts_what_coding_changed(library):
    strict = find_duplicates(Collection(library / "c"), threshold=0.999)
    names = {os.path.basename(copy.path) for group in strict.groups for copy in group}
    assert "coded.ogg" not in names
    assert {"original.wav", "copy.wav", "packed.flac"} <= names
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match="threshold"):
            find_duplicates(Collection(library / "c"), threshold=wrong)


def test_a_condition_chooses_what_is_compared(library):
    found = find_duplicates(Collection(library / "c"), where="path in ('coded.mp3', 'low.wav', 'second_take.wav')")
    assert [[os.path.basename(copy.path) for copy in group] for group in found.groups] == [["coded.mp3", "low.wav"]]
    assert "highest sample rate" in found.groups[0][0].why


def test_candidates_are_all_pairs_with_near_windows(library):
    """A second way: brute force over all windows; silence is near nothing."""
    collection = Collection(library / "c")
    reader = collection.space()
    vectors = reader.vectors()
    silent = np.abs(vectors).max(axis=1) < 1e-6
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    rows = [collection.row_of[int(one)] for one in reader.recording]
    expected = {
        (rows[i], rows[j])
        for i, j in np.argwhere(unit @ unit.T >= 0.7)
        if rows[i] < rows[j] and not silent[i] and not silent[j]
    }
    # The stand-in finds all noise alike: every window has more than twenty neighbours
    assert candidates(collection, reader) <= expected
    assert {row for pair in expected for row in pair} == {
        row for pair in candidates(collection, reader) for row in pair
    }


def test_the_order_of_comparison_and_chains_do_not_matter(tmp_path, registered):
    """Two parts of one recording that have nothing in common go into its group, and each is a part of it."""
    sound = take(5, 6)
    for name, part in (("a_end.wav", sound[4 * RATE :]), ("b_begin.wav", sound[: 2 * RATE]), ("whole.wav", sound)):
        (tmp_path / "s").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "s" / name, part, RATE)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    [group] = find_duplicates(Collection(tmp_path / "c")).groups
    assert [(os.path.basename(copy.path), copy.relation, round(copy.offset, 2)) for copy in group] == [
        ("whole.wav", "kept", 0.0),
        ("a_end.wav", "part", 4.0),
        ("b_begin.wav", "part", 0.0),
    ]


def test_a_file_that_is_gone_is_named_and_the_rest_is_compared(library):
    (library / "s" / "low.wav").unlink()
    (library / "s" / "original.wav").unlink()
    found = find_duplicates(Collection(library / "c"))
    names = {os.path.basename(copy.path) for group in found.groups for copy in group}
    assert "packed.flac" in names
    assert not {"low.wav", "original.wav"} & names
    assert any("low.wav" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("better", "reason"),
    [
        ({"duration": 9.0}, "the longest"),
        ({"channels": 2}, "the most channels"),
        ({"sample_rate": 48_000}, "the highest sample rate"),
        ({"lossless": True}, "lossless"),
        ({"written": 1}, "the oldest file"),
        ({"path": "a"}, "the first path"),
    ],
)
def test_what_is_kept_and_why(better, reason):
    plain = {"duration": 5.0, "sample_rate": 44_100, "channels": 1, "lossless": False, "size": 10, "written": 5}
    facts = {0: Facts(**{"path": "b", **plain}), 1: Facts(**{"path": "b2", **plain, **better})}
    assert best_first(facts)[0] == 1
    assert reason_to_keep(facts[1], [facts[0]]) == reason


def test_padding_of_an_encoder_does_not_make_a_recording_the_longest():
    plain = {"sample_rate": 44_100, "channels": 1, "size": 10, "written": 5}
    facts = {
        0: Facts("b.mp3", 5.1, lossless=False, **plain),
        1: Facts("a.wav", 5.0, lossless=True, **plain),
        2: Facts("c.wav", 3.0, lossless=True, **plain),
    }
    assert best_first(facts) == [1, 0, 2]
    assert reason_to_keep(facts[1], [facts[0], facts[2]]) == "lossless"


def test_the_command_prints_the_same_in_every_format(library, capsys):
    command = ("collection", "duplicates", library / "c")
    status, out, err = run(*command, "--format", "json", capsys=capsys)
    rows = json.loads(out)
    assert status == 0
    assert "9 recordings in 1 group, 7 of them need not be kept" in err
    assert [row["keep"] for row in rows].count(True) == 2
    assert {"group", "path", "relation", "similarity", "offset", "overlap", "why", "lossless"} <= set(rows[0])
    _, out, _ = run(*command, "--format", "csv", capsys=capsys)
    assert [row["path"] for row in csv.DictReader(io.StringIO(out))] == [row["path"] for row in rows]
    _, out, err = run(*command, "--quiet", capsys=capsys)
    assert err == ""
    for row in rows:
        assert f"{'keep' if row['keep'] else 'copy'}  {row['path']}" in out
    assert "same file as original.wav" in out
    _, out, _ = run(*command, "--where", "path = 'low.wav'", capsys=capsys)
    assert out == "no duplicates found\n"


def test_what_is_kept_in_memory_changes_no_answer(library, monkeypatch):
    before = find_duplicates(Collection(library / "c"))
    monkeypatch.setattr(pair_matches, "_PREPARED_BYTES", 1)
    assert find_duplicates(Collection(library / "c")) == before


def test_every_pair_is_compared_once_and_progress_ends(library, monkeypatch):
    compared, steps = [], []
    plain = similarity.match_compared
    monkeypatch.setattr(pair_matches, "match_compared", lambda a, b: compared.append((len(a), len(b))) or plain(a, b))
    found = find_duplicates(Collection(library / "c"), progress=lambda done, total: steps.append((done, total)))
    assert len(compared) == found.compared
    assert steps[-1][0] == steps[-1][1] > 0
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
