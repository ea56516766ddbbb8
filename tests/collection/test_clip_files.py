"""Clips are written in the format of their source, read back as they were cut, and never half."""

import sys

import numpy as np
import pytest
import soundfile

from mmasc.audio.cutting import read_span
from mmasc.collection import clip_files
from mmasc.collection.clip_files import Cut, write_cuts
from mmasc.errors import MmascError

RATE = 8_000
SPANS = [(0.0, 0.5), (0.25, 3.1), (3.0, 99.0)]
KINDS = {"PCM_U8": "int16", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32", "FLOAT": "float32"}


def noise(channels=2, seconds=3.5):
    return np.random.default_rng(0).uniform(-0.9, 0.9, (round(seconds * RATE), channels))


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_the_line_names_the_clip_that_cannot_be_written(tmp_path, monkeypatch, form):
    resource = pytest.importorskip("resource")  # not on Windows
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # compiled modules would be cut short as well
    soundfile.write(tmp_path / "sound.wav", noise(), RATE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))  # bytes of a file
    try:
        with pytest.raises(MmascError, match=rf"{tmp_path}/second.{form}: cannot be written .*; look for room"):
            list(write_cuts(tmp_path / "sound.wav", [Cut(0.0, 3.0, tmp_path / f"second.{form}")], flac=form == "flac"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.name for one in tmp_path.iterdir()] == ["sound.wav"]


@pytest.mark.parametrize(("subtype", "kind"), KINDS.items())
def test_clips_hold_the_samples_of_their_source(tmp_path, subtype, kind):
    soundfile.write(tmp_path / "sound.wav", noise(), RATE, subtype)
    asked = [Cut(*span, tmp_path / f"{n}.wav") for n, span in enumerate(SPANS)]
    assert list(write_cuts(tmp_path / "sound.wav", asked)) == asked
    for cut in asked:
        info = soundfile.info(cut.target)
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", subtype, RATE, 2)
        found, _ = soundfile.read(cut.target, dtype=kind, always_2d=True)
        np.testing.assert_array_equal(found, read_span(tmp_path / "sound.wav", cut.start, cut.end)[0])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("subtype", "width"), [*zip([*KINDS, "DOUBLE"], [1, 2, 3, 4, 4, 8], strict=True)])
def test_clips_too_large_for_wav_are_rf64(tmp_path, monkeypatch, subtype, width, channels):
    assert clip_files._MOST_WAV_BYTES < 1 << 32
    soundfile.write(tmp_path / "sound.wav", noise(channels), RATE, subtype)
    for most, form in ((RATE * channels * width, "WAV"), (RATE * channels * width - 1, "RF64")):
        monkeypatch.setattr(clip_files, "_MOST_WAV_BYTES", most)
        list(write_cuts(tmp_path / "sound.wav", [Cut(1.0, 2.0, tmp_path / f"{form}.wav")]))
        assert soundfile.info(tmp_path / f"{form}.wav").format == form


@pytest.mark.parametrize(("subtype", "kept"), [("PCM_U8", "PCM_S8"), ("PCM_16", "PCM_16"), ("PCM_24", "PCM_24")])
def test_flac_keeps_the_width_of_samples(tmp_path, subtype, kept):
    soundfile.write(tmp_path / "a.wav", noise(), RATE, subtype)
    list(write_cuts(tmp_path / "a.wav", [Cut(0.0, 1.0, tmp_path / "a.flac")], flac=True))
    assert soundfile.info(tmp_path / "a.flac").subtype == kept


def test_flac_is_written_where_it_holds_the_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), RATE, "PCM_24")
    list(write_cuts(tmp_path / "a.wav", [Cut(1.0, 2.0, tmp_path / "a.flac")], flac=True))
    whole, _ = soundfile.read(tmp_path / "a.wav", dtype="int32")
    assert soundfile.info(tmp_path / "a.flac").format == "FLAC"
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.flac", dtype="int32")[0], whole[RATE : 2 * RATE])
    soundfile.write(tmp_path / "b.wav", noise(), RATE, "FLOAT")
    with pytest.raises(MmascError, match="at most 24 bits, these samples are FLOAT; write WAV"):
        list(write_cuts(tmp_path / "b.wav", [Cut(1.0, 2.0, tmp_path / "b.flac")], flac=True))


@pytest.mark.parametrize("form", ["WAV", "OGG"])
def test_what_cannot_be_cut_leaves_nothing_and_what_was_cut_stays(tmp_path, form):
    soundfile.write(tmp_path / "sound", noise(), RATE, format=form)
    (tmp_path / "clips").mkdir()
    cuts = [Cut(1.0, 2.0, tmp_path / "clips" / "one.wav"), Cut(7.0, 8.0, tmp_path / "clips" / "two.wav")]
    with pytest.raises(MmascError, match="ends before 7 s"):
        list(write_cuts(tmp_path / "sound", cuts))
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["one.wav"]


def test_a_clip_that_is_not_taken_to_its_end_is_not_there(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "sound.wav", noise(), RATE)
    (tmp_path / "clips").mkdir()
    monkeypatch.setattr("mmasc.audio.cutting._BLOCK_SECONDS", 0.1)
    written = soundfile.SoundFile.write

    def full(file, samples):
        if len(samples) and file.tell() > 0.5 * RATE:
            raise OSError(28, "No space left on device")
        return written(file, samples)

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(OSError, match="No space left"):
        list(write_cuts(tmp_path / "sound.wav", [Cut(1.0, 2.0, tmp_path / "clips" / "one.wav")]))
    assert list((tmp_path / "clips").iterdir()) == []
