"""What is cut off or has holes is never said to be whole; what is whole is never said to be cut off."""

import struct

import numpy as np
import pytest

from mmasc.audio import open_audio
from mmasc.errors import MmascError
from tests.helpers.recordings import NATIVE, NATIVE_NAMES, RATE, cut, read, sound, write, write_av


@pytest.mark.parametrize(
    ("extension", "more"),
    [one for one in NATIVE if one[1].get("subtype") != "ALAC_16"],
    ids=[name for name in NATIVE_NAMES if "ALAC" not in name],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_cut_files_are_truncated(tmp_path, capfd, extension, more, share):
    path = write(tmp_path, extension, more, sound(6.0, channels=1) if more.get("format") == "OGG" else sound(2.0))
    whole, _ = read(path)
    samples, status = read(cut(path, share))
    assert status.state == "truncated", status
    assert status.reason.startswith(f"{path}: only ")
    assert status.reason.endswith("copy or record it again, or leave it out")
    assert "\n" not in status.reason
    n_samples = samples.shape[1]
    assert n_samples < whole.shape[1]
    # what is left is the beginning of what was there
    if extension == "mp3":
        # lapped transforms: the frames at the cut miss their neighbours
        n_samples -= 3 * 1152
        np.testing.assert_allclose(samples[:, :n_samples], whole[:, :n_samples], atol=1e-5)
    else:
        np.testing.assert_array_equal(samples, whole[:, :n_samples])
    assert n_samples / whole.shape[1] == pytest.approx(share, abs=0.17)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "n.mp3"])
@pytest.mark.parametrize("video", [False, True])
def test_cut_containers_are_truncated(tmp_path, capfd, name, video):
    if video and name in ("a.webm", "n.mp3"):
        pytest.skip("no picture in these")
    codec, rate = {"a.webm": ("libopus", 48_000), "n.mp3": ("libmp3lame", RATE)}.get(name, ("aac", RATE))
    options = {"n.mp3": {"write_xing": "0"}, "a.mp4": {"movflags": "faststart"}}.get(name, {})
    path = write_av(tmp_path / name, codec, sound(4.0), out_rate=rate, options=options, video=video)
    whole, status = read(path)
    assert status.state == "ok", status
    # in the middle of a frame
    samples, status = read(cut(path, 0.5003))
    assert status.state == "truncated", status
    assert 0.2 < samples.shape[1] / whole.shape[1] < 0.8
    assert capfd.readouterr() == ("", "")


def test_mp4_without_its_index_has_failed(tmp_path):
    path = cut(write_av(tmp_path / "a.m4a", "aac", sound(2.0)))
    with pytest.raises(MmascError, match=r"a\.m4a: no sound that can be read .*copy or record it again"):
        open_audio(path)


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp3", "opus"])
@pytest.mark.parametrize("pyav", [True, False])
def test_holes_are_told(tmp_path, request, extension, pyav):
    if not pyav:
        request.getfixturevalue("no_pyav")
    else:
        pytest.importorskip("av")
    more = {"format": "OGG", "subtype": "OPUS"} if extension == "opus" else {}
    path = write(tmp_path, extension, more, sound(6.0, channels=1))
    whole, _ = read(path)
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    content[place : place + 3_000] = bytes(3_000)
    path.write_bytes(content)
    samples, status = read(path)
    assert status.state == "truncated", status
    assert 0.3 < samples.shape[1] / whole.shape[1] < 1
    third = whole.shape[1] // 3
    np.testing.assert_allclose(samples[:, :third], whole[:, :third], atol=2e-5)
    if pyav and extension != "opus":
        # PyAV goes on behind the hole
        assert samples.shape[1] / whole.shape[1] > 0.75


def test_wav_of_unknown_length_is_whole(tmp_path):
    """Written to a pipe, or by a recorder that was switched off: the header does not know."""
    path = write(tmp_path, "wav", {}, sound())
    content = path.read_bytes()
    place = content.index(b"data") + 4
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        path.write_bytes(content[:place] + struct.pack("<I", size) + content[place + 4 :])
        samples, status = read(path)
        assert samples.shape == (2, RATE), size
        assert status.state == "ok", status


def test_wav_with_chunks_behind_its_samples_is_whole(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    samples, status = read(path)
    assert samples.shape == (2, RATE)
    assert status.state == "ok"


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(200), bytes(500), b"junk at the end"])
def test_mp3_with_tags_is_whole(tmp_path, capfd, tail):
    path = write(tmp_path, "mp3", {}, sound())
    whole, _ = read(path)
    # a tag in front that the decoder inside soundfile complains about
    broken = b"COMM\xff\xff\xff\xff\x00\x00" + b"\xff" * 118
    content = path.read_bytes()
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x01\x00" + broken + content + tail)
    samples, status = read(path)
    assert status.state == "ok", status
    np.testing.assert_allclose(samples, whole, atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_ogg_without_its_last_page_is_truncated(tmp_path):
    path = write(tmp_path, "ogg", {}, sound(4.0))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    status = read(path)[1]
    assert status.state == "truncated"
    assert "the page that ends the stream is missing" in status.reason
    assert status.declared_seconds is None
