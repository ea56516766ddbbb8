"""A long recording that is interrupted goes on inside itself, and nothing of it counts before it is whole."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

import mmasc
from mmasc.collection import Collection
from mmasc.encoders import embedding
from mmasc.encoders.registry import ENCODERS
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.killing import kill_in_mid_work

MINUTES = 25  # of the stand-in's windows of one second
WINDOWS = 60 * MINUTES


def noise(path: Path, seconds: float, seed: int = 0, rate: int = 2_000, channels: int = 1) -> Path:
    """Noise whose level wanders, so that no two windows are alike; its last window is moved back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = round((seconds - 0.3) * rate)
    levels = np.abs(np.sin(np.arange(count) / rate / 37))[:, None]
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (count, channels)) * levels
    soundfile.write(path, samples, rate)
    return path


def vectors_of(folder: Path) -> tuple[list[tuple], np.ndarray]:
    """Path, lane, start and end of all windows with their vectors, of a collection without faults."""
    collection = Collection(folder)
    assert [one.message for one in collection.check() if one.level == "error"] == []
    reader = collection.space("standin")
    table = collection.recordings
    path_of = dict(zip(table.column("id").to_pylist(), table.column("path").to_pylist(), strict=True))
    paths = [path_of[one] for one in reader.recording.tolist()]
    keys = list(zip(paths, reader.lane.tolist(), reader.start.tolist(), reader.end.tolist(), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [keys[item] for item in order], reader.vectors(np.array(order))


def parts_of(folder: Path) -> list[Path]:
    return sorted((folder / "partial").rglob("*.safetensors"))


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many windows went through the stand-in; with the number at which Ctrl-C is pressed in second place."""
    counts, audio = [0, -1], StandIn._audio

    def count(self, waveforms):
        if counts[0] == counts[1]:
            raise KeyboardInterrupt
        counts[0] += len(waveforms)
        return audio(self, waveforms)

    monkeypatch.setattr(StandIn, "_audio", count)
    return counts


def interrupted(counted: list[int], at: int, *arguments, **options) -> None:
    counted[:] = [0, at]
    with pytest.raises(KeyboardInterrupt):
        mmasc.embed(*arguments, **options)
    counted[:] = [0, -1]


def embed_counting(tick, sounds: Path, into: Path) -> None:
    """What is killed: it says how many windows went through the network."""
    ENCODERS["standin"], audio, done = STANDIN_SPEC, StandIn._audio, [0]

    def count(self, waveforms):
        tick(done[0])
        done[0] += len(waveforms)
        return audio(self, waveforms)

    StandIn._audio = count  # type: ignore[method-assign]
    mmasc.embed(sounds, into, "standin")


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_killed_in_a_long_file_it_goes_on_inside_it(tmp_path, registered, counted, suffix):
    rate = 2_000 if suffix == ".wav" else 8_000
    sounds, into = noise(tmp_path / "sounds" / f"long{suffix}", 60 * MINUTES, rate=rate).parent, tmp_path / "c"
    kill_in_mid_work(embed_counting, sounds, into, after=1_350, last=1_450, delay=0.01)
    # No part of it counts
    collection = Collection(into)
    assert (len(collection.recordings), collection.check()) == (0, [])
    counted[0] = 0
    report = mmasc.embed(sounds, into, registered)
    assert (report.added, report.windows) == (1, WINDOWS)
    # At most ten minutes of what was done is done again
    assert WINDOWS - 1_450 <= counted[0] <= WINDOWS - 1_350 + 600
    assert not (into / "partial").exists()
    counted[0] = 0
    mmasc.embed(sounds, tmp_path / "whole", registered)
    assert counted[0] >= WINDOWS
    found, wanted = vectors_of(into), vectors_of(tmp_path / "whole")
    assert found[0] == wanted[0]
    np.testing.assert_array_equal(found[1], wanted[1])
    assert len(np.unique(found[1], axis=0)) > 0.9 * WINDOWS


@pytest.mark.parametrize(("hop", "channels", "threads"), [(0.5, "mix", 0), (1.0, "each", 2), (0.7, "mid-side", 1)])
def test_stopped_again_and_again_it_comes_to_the_same_end(
    tmp_path, registered, counted, monkeypatch, hop, channels, threads
):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)
    options = {"hop_seconds": hop, "channels": channels, "threads": threads}
    sounds = noise(tmp_path / "sounds" / "a.wav", 200, channels=2).parent
    noise(sounds / "b.wav", 130, seed=1, channels=2)
    into, rounds = tmp_path / "c", 0
    lanes = 1 if channels == "mix" else 2
    while True:
        counted[:] = [0, round(100 / hop) * lanes]
        try:
            mmasc.embed(sounds, into, registered, **options)
            break
        except KeyboardInterrupt:
            rounds += 1
            assert rounds < 20, "it does not come to an end"
    assert rounds >= 3
    counted[:] = [0, -1]
    mmasc.embed(sounds, tmp_path / "whole", registered, **options)
    found, wanted = vectors_of(into), vectors_of(tmp_path / "whole")
    assert found[0] == wanted[0]
    np.testing.assert_array_equal(found[1], wanted[1])


def test_parts_of_another_content_or_another_cutting_are_not_used(tmp_path, registered, counted, monkeypatch):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)
    path = noise(tmp_path / "sounds" / "a.wav", 120)
    interrupted(counted, 100, path, tmp_path / "c", registered)
    assert len(parts_of(tmp_path / "c")) >= 2
    noise(path, 120, seed=5)
    assert mmasc.embed(path, tmp_path / "c", registered).windows == 120
    assert counted[0] >= 120
    mmasc.embed(path, tmp_path / "whole", registered)
    np.testing.assert_array_equal(vectors_of(tmp_path / "c")[1], vectors_of(tmp_path / "whole")[1])
    # Parts of a hop that the collection no longer has, copied in from elsewhere
    interrupted(counted, 100, path, tmp_path / "one", registered)
    mmasc.embed(tmp_path / "sounds", tmp_path / "two", registered, hop_seconds=0.5)
    Collection(tmp_path / "two").remove([path])
    (tmp_path / "one" / "partial").rename(tmp_path / "two" / "partial")
    counted[0] = 0
    assert mmasc.embed(path, tmp_path / "two", registered, hop_seconds=0.5).windows == counted[0] == 239
    assert not (tmp_path / "two" / "partial").exists()


def test_a_damaged_part_is_named_and_done_again(tmp_path, registered, counted, monkeypatch):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)
    path = noise(tmp_path / "a.wav", 120)
    interrupted(counted, 110, path, tmp_path / "c", registered)
    first, second, *_ = parts_of(tmp_path / "c")
    first.write_bytes(first.read_bytes()[:-5])
    arrays = load_file(second)
    save_file({**arrays, "vectors": arrays["vectors"][:, :2].copy()}, second)
    report = mmasc.embed(path, tmp_path / "c", registered)
    assert sum("is damaged: that part of a.wav was embedded again" in line for line in report.remarks) == 2
    mmasc.embed(path, tmp_path / "whole", registered)
    np.testing.assert_array_equal(vectors_of(tmp_path / "c")[1], vectors_of(tmp_path / "whole")[1])


def test_parts_that_nobody_will_ask_for_go(tmp_path, registered, counted, monkeypatch):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)
    into, sounds = tmp_path / "c", tmp_path / "sounds"
    path, small = noise(sounds / "a.wav", 120), noise(sounds / "b.wav", 3)
    interrupted(counted, 100, path, into, registered, root=sounds)
    (into / "partial" / "notes.txt").write_text("somebody's")
    # Another recording goes in: the parts stay
    mmasc.embed(small, into, registered, root=sounds)
    assert parts_of(into)
    os.utime(path, ns=(1, 1))
    mmasc.embed(noise(sounds / "c.wav", 3), into, registered, root=sounds)
    assert parts_of(into) == []
    assert (into / "partial" / "notes.txt").read_text() == "somebody's"


def test_short_files_leave_nothing_on_the_way(tmp_path, registered, monkeypatch):
    def nothing(*_args):
        raise AssertionError("a file of two minutes is no long file")

    monkeypatch.setattr("mmasc.collection.partial.Partials.keep", nothing)
    assert mmasc.embed(noise(tmp_path / "a.wav", 120), tmp_path / "c", registered).windows == 120
    with pytest.raises(AssertionError, match="is no long file"):
        mmasc.embed(noise(tmp_path / "b.wav", 36 * MINUTES), tmp_path / "c", registered)


def test_where_parts_cannot_be_written_one_line_says_so(tmp_path, registered, monkeypatch):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmasc.collection.partial.write_atomically", full)
    with pytest.raises(mmasc.MmascError, match=r"cannot write to .*No space left.*unharmed"):
        mmasc.embed(noise(tmp_path / "a.wav", 120), tmp_path / "c", registered)
    assert Collection(tmp_path / "c").check() == []
