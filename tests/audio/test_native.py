"""The same samples whoever decodes them, in blocks of any length."""

import numpy as np
import pytest
import soundfile

from mmasc.audio import load_audio, open_audio
from mmasc.errors import MmascError
from tests.helpers.recordings import NATIVE, NATIVE_NAMES, RATE, read, sound, write, write_av


@pytest.mark.parametrize(("extension", "more"), NATIVE, ids=NATIVE_NAMES)
def test_whole_files_are_whole(tmp_path, extension, more):
    path = write(tmp_path, extension, more, sound())
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples, status = read(path)
    np.testing.assert_array_equal(samples, expected.T)
    assert samples.dtype == np.float32
    assert status.state == "ok", status
    assert status.reason == ""
    assert status.decoded_seconds == samples.shape[1] / rate
    assert status.declared_seconds == pytest.approx(status.decoded_seconds, abs=1e-3)


@pytest.mark.parametrize(("extension", "more"), NATIVE, ids=NATIVE_NAMES)
def test_blocks_are_the_whole(tmp_path, extension, more):
    path = write(tmp_path, extension, more, sound())
    np.testing.assert_array_equal(read(path, 0.0317)[0], read(path)[0])


# Opus: libopus and FFmpeg's own decoder differ by 1e-2. FFmpeg reads big-endian wav as if it were little-endian, and
# leaves out the last frame of ALAC as libsndfile writes it.
DIFFERENT = ("opus OGG OPUS", "wav BIG PCM_16", "caf ALAC_16")


@pytest.mark.parametrize(
    ("extension", "more"),
    [one for one, name in zip(NATIVE, NATIVE_NAMES, strict=True) if name not in DIFFERENT],
    ids=[name for name in NATIVE_NAMES if name not in DIFFERENT],
)
def test_both_decoders_agree(tmp_path, monkeypatch, request, extension, more):
    path = write(tmp_path, extension, more, sound())
    samples, _ = read(path)
    request.getfixturevalue("only_pyav")
    other, status = read(path)
    assert status.state == "ok", status
    assert other.shape == samples.shape
    np.testing.assert_allclose(other, samples, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("xing", ["0", "1"])
def test_mp3_is_the_same_with_and_without_its_tag(tmp_path, request, xing, channels):
    samples = sound(channels=channels)
    path = write_av(tmp_path / "a.mp3", "libmp3lame", samples, options={"write_xing": xing, "id3v2_version": "3"})
    native, status = read(path)
    assert status.state == "ok", status
    if xing == "1":
        # the encoder's delay is gone: the sound begins where it began
        assert native.shape[1] == len(samples)
        assert status.declared_seconds == 1.0
        assert np.corrcoef(native[0], samples[:, 0])[0, 1] > 0.98
    else:
        assert status.declared_seconds is None
    request.getfixturevalue("only_pyav")
    np.testing.assert_allclose(read(path)[0], native, atol=1e-5)


def test_content_decides_not_the_name(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, sound(), RATE, format="FLAC")
    assert read(path)[0].shape == (2, RATE)
    raw = tmp_path / "noise.raw"
    raw.write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(MmascError, match=r"noise\.raw: no sound that can be read"):
        open_audio(raw)


def test_loud_float_files_are_kept_as_they_are(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([[3.5], [-7.0]]), 8_000, subtype="FLOAT")
    assert read(path)[0].tolist() == [[3.5, -7.0]]
    assert load_audio(path)[0].tolist() == [[3.5, -7.0]]


def test_blocks_are_taken_once(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    with open_audio(path) as file:
        with pytest.raises(ValueError, match="seconds must be positive"):
            file.blocks(0.0)
        assert file.frames == 0
        list(file.blocks())
        assert file.frames == RATE
        with pytest.raises(ValueError, match="have been read already"):
            file.blocks()
