"""Hours of sound: from headers where they say it, from sizes elsewhere, and all of them done in the end."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.encoders import embedding, sound_progress
from mmasc.encoders.sound_progress import lengths
from mmasc.progress import HOURS, listening
from tests.helpers.listener import Listener


def sound(path: Path, seconds: float, rate: int = 8_000) -> Path:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, round(seconds * rate)), rate)
    return path


def heard_while(*arguments, **options) -> tuple[mmasc.EmbedReport, Listener]:
    listener = Listener()
    with listening(listener):
        return mmasc.embed(*arguments, **options), listener


def test_lengths_are_what_files_declare(tmp_path):
    seconds = {"a.wav": 3.0, "b.flac": 2.5, "c.aiff": 4.0, "d.ogg": 6.0}
    files = [sound(tmp_path / name, length) for name, length in seconds.items()]
    text = tmp_path / "no.wav"
    text.write_text("no sound")
    found = lengths([*files, text, tmp_path / "gone.wav", tmp_path / "gone.mp3"])
    assert found == pytest.approx({path: seconds[path.name] for path in files}, abs=0.01)


def test_of_formats_that_are_walked_a_few_are_looked_at(tmp_path, monkeypatch):
    files = [sound(tmp_path / f"{item:02d}.mp3", 20 + item) for item in range(10)]
    read, looked_at = sound_progress.read_header, []

    def looking(file, size):
        looked_at.append(size)
        return read(file, size)

    monkeypatch.setattr(sound_progress, "read_header", looking)
    found = lengths(files)
    assert len(looked_at) == 3
    assert [found[path] for path in files] == pytest.approx([20 + item for item in range(10)], rel=0.05)


def test_all_hours_are_done_in_the_end(tmp_path, registered):
    folder = tmp_path / "in"
    for item, seconds in enumerate((40.0, 2.0, 0.3, 65.2)):
        sound(folder / f"{item}.wav", seconds)
    sound(folder / "e.mp3", 9.0)
    (folder / "bad.wav").write_text("no sound")
    report, listener = heard_while(folder, tmp_path / "c", registered)
    names = [name for name, _, _ in listener.phases]
    assert names == ["looking for recordings", "loading standin", "reading headers", "embedding", "search index"]
    name, total, unit = next(one for one in listener.phases if one[0] == "embedding")
    assert (unit, total) == (HOURS, pytest.approx((107.5 + 9.0) / 3600, rel=0.01))
    assert listener.amounts[name] == pytest.approx(report.audio_seconds / 3600)
    assert listener.amounts["reading headers"] == 6
    of_long = [note for note in listener.notes if note.endswith(" % of 3.wav")]
    assert len(of_long) > 50
    assert [int(note.split()[0]) for note in of_long] == sorted(int(note.split()[0]) for note in of_long)
    # What is there already is not counted again
    sound(folder / "new.wav", 36.0)
    _, listener = heard_while(folder, tmp_path / "c", registered)
    assert next(one[1] for one in listener.phases if one[0] == "embedding") == pytest.approx(36 / 3600)


def test_hours_of_an_earlier_run_are_done_at_once(tmp_path, registered, monkeypatch):
    monkeypatch.setattr(embedding, "KEEP_SECONDS", 60.0)
    path, stopped = sound(tmp_path / "in" / "a.wav", 100), []

    class Impatient(Listener):
        def note(self, text: str) -> None:
            super().note(text)
            if text == "90 % of a.wav":
                stopped.append(text)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(Impatient()):
        mmasc.embed(path, tmp_path / "c", registered)
    assert stopped
    report, listener = heard_while(path, tmp_path / "c", registered)
    assert report.added == 1
    assert int(listener.notes[0].split()[0]) >= 30
    assert listener.amounts["embedding"] == pytest.approx(100 / 3600)


def test_where_nobody_listens_no_header_is_read(tmp_path, registered, monkeypatch):
    def reads(*_args):
        raise AssertionError("a header was read for nobody")

    monkeypatch.setattr(sound_progress, "read_header", reads)
    assert mmasc.embed(sound(tmp_path / "in" / "a.wav", 3), tmp_path / "c", registered).added == 1
