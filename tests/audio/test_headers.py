"""Headers that lie take no memory."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from mmasc.audio import headers, load_audio, stream_audio
from tests.helpers.recordings import read, sound, wav_header, write


def peak_memory(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_hours_declared_in_a_small_flac(tmp_path):
    path = write(tmp_path, "flac", {}, sound(0.5))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"  # 2^36 - 1 frames
    path.write_bytes(content)
    status = []
    assert peak_memory(lambda: status.append(read(path, 1e9)[1])) < 150e6
    assert status[0].state == "truncated"
    assert status[0].declared_seconds > 1e6
    assert status[0].decoded_seconds == 0.5


def test_a_thousand_channels_take_no_memory(tmp_path):
    path = tmp_path / "wide.wav"
    path.write_bytes(wav_header(channels=1024, rate=768_000, data=bytes(2048 * 3), declared=0x40000000))
    status = []
    assert peak_memory(lambda: status.append(read(path)[1])) < 150e6
    assert status[0].state == "truncated"
    assert load_audio(path, 1_000)[0].shape == (1, 0)
    assert load_audio(path)[0].shape == (1, 3)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for minutes in (1, 10):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.zeros(minutes * 60 * 8_000, np.int16), 8_000)
        peaks.append(peak_memory(lambda path=path: [None for _ in stream_audio(path, 16_000, block_seconds=5.0)]))
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4e6


def id3(size: int, flags: int = 0, major: int = 4) -> bytes:
    lengths = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([major, 0, flags]) + lengths + bytes(size) + (bytes(10) if flags & 0x10 else b"")


@pytest.mark.parametrize("sizes", [[0], [1], [127], [128], [300, 5], [16_384], [2_097_152], [3] * 16])
@pytest.mark.parametrize("flags", [0, 0x10, 0x80])
def test_tags_at_the_beginning_are_as_long_as_they_say(sizes, flags):
    tags = b"".join(id3(size, flags) for size in sizes)
    content = tags + b"fLaC"
    assert headers._skip_id3(io.BytesIO(content), len(content)) == len(tags)
    # A tag that reaches to the end, or behind it, has nothing behind it
    assert headers._skip_id3(io.BytesIO(tags), len(tags)) == 0
    assert headers._skip_id3(io.BytesIO(tags[:-1]), len(tags) - 1) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ID3",
        id3(5)[:9],
        b"ID4" + id3(5)[3:],
        id3(5)[:6] + b"\x80\0\0\5" + bytes(9),
        id3(5)[:9] + b"\xff" + bytes(9),
    ],
)
def test_what_is_no_tag_is_not_passed_over(content):
    assert headers._skip_id3(io.BytesIO(content), len(content) + 1_000) == 0


def test_sixteen_tags_are_passed_over_and_no_more():
    content = id3(3) * 17 + b"fLaC"
    assert headers._skip_id3(io.BytesIO(content), len(content)) == 16 * len(id3(3))


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xdf" + bytes(600), b"\xfe\xfb" + bytes(600), b"abc", bytes(16)]
)
def test_a_file_of_no_known_header_says_nothing(content):
    assert headers.read_header(io.BytesIO(content), len(content)) == headers.Header()


def test_frames_are_looked_for_behind_tags_and_where_one_begins():
    frames = (b"\xff\xfb\x90\x64" + bytes(413)) * 4
    for tags in (b"", id3(40), id3(3) + id3(200)):
        content = tags + frames
        found = headers.read_header(io.BytesIO(content), len(content))
        assert (found.offset, found.cut, found.irregular) == (len(tags), "", False)
        assert found.holds == pytest.approx(4 * 1_152 / 44_100)
    assert headers.read_header(io.BytesIO(id3(40) + bytes(900)), 950) == headers.Header()
