"""Frames of FLAC: the last one in a file says how long it is, whatever its header has room for."""

import io
import struct
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from mmasc.audio import flac, open_audio

# Rates that the frame header names by a code, and those that stand behind it in 8, 16 and 16 bits (tens of Hz)
RATES = [8_000, 44_100, 96_000, 13_000, 255_000, 11_025, 12_345, 100_010, 352_800]


def written(path, rate, frames, seed=0):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, 1))
    soundfile.write(path, samples, rate, format="FLAC")
    return path


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [20_000, 4_096 * 5, 4_096 * 5 + 1, 4_096 * 140 + 77])
def test_the_last_frame_says_the_length_at_every_rate(tmp_path, rate, frames):
    path = written(tmp_path / "a.flac", rate, frames)
    content = path.read_bytes()
    assert flac._frames_there(content[-65_536:], content[4:42]) == frames
    header = flac.measure_flac(io.BytesIO(content), len(content), 0)
    assert header.seconds == pytest.approx(frames / rate)
    # As recorders leave it that never wrote the length
    half = content[:22] + struct.pack(">I", frames // 2) + content[26:]
    header = flac.measure_flac(io.BytesIO(half), len(half), 0)
    assert header.seconds == pytest.approx(frames / rate)
    assert f"all of {frames / rate:.3f} s was read" in header.remark
    path.write_bytes(half)
    with open_audio(path) as file:
        assert sum(block.shape[1] for block in file.blocks(0.5)) == frames


def test_checksums_are_those_of_the_standard():
    """CRC-8, polynomial 7, no reflection: its published check value."""
    assert flac._checksum(b"123456789") == 0xF4
    assert flac._checksum(b"") == 0


def test_sizes_of_blocks_are_those_of_the_standard():
    assert sorted(flac._SIZES) == [1, 2, 3, 4, 5, *range(8, 16)]
    assert flac._SIZES[1] == 192
    assert [flac._SIZES[code] for code in range(2, 6)] == [576 * 2**n for n in range(4)]
    assert [flac._SIZES[code] for code in range(8, 16)] == [256 * 2**n for n in range(8)]


def test_what_only_looks_like_a_frame_is_none(tmp_path):
    content = written(tmp_path / "a.flac", 8_000, 20_000).read_bytes()
    info, tail = content[4:42], content[-65_536:]
    found = list(flac._frame_headers(tail, 4_096, 4_096))
    assert [begin for begin, _ in found] == [0, 4_096, 8_192, 12_288, 16_384]
    assert [count for _, count in found] == [4_096] * 4 + [20_000 - 16_384]
    assert list(flac._frame_headers(b"\xff\xf8", 4_096, 4_096)) == []
    # A header whose checksum is wrong, and one of more samples than the file has in a block
    assert list(flac._frame_headers(tail, 16, 1_000)) == []
    place = tail.rindex(b"\xff\xf8")
    broken = tail[: place + 2] + bytes([tail[place + 2] ^ 0x10]) + tail[place + 3 :]
    assert len(list(flac._frame_headers(broken, 4_096, 4_096))) == 4
    # One frame alone proves nothing
    assert flac._frames_there(tail[place:], info) == 0
    assert flac.measure_flac(io.BytesIO(content[:20]), 20, 0).seconds is None


def test_files_behind_each_other_are_found_wherever_they_begin(tmp_path, monkeypatch):
    first, second = (written(tmp_path / f"{n}.flac", 8_000, 30_000 + n, n).read_bytes() for n in (0, 1))
    whole = first + second + first
    header = flac.measure_flac(io.BytesIO(whole), len(whole), 0)
    begins = [0, len(first), len(first) + len(second), len(whole)]
    assert header.parts == tuple(pairwise(begins))
    # The same where a file begins at the edge of what is read at once
    for piece in range(len(first) - 60, len(first), 7):
        monkeypatch.setattr(flac, "_PIECE_BYTES", piece)
        assert flac.measure_flac(io.BytesIO(whole), len(whole), 0).parts == header.parts
    assert flac.measure_flac(io.BytesIO(first), len(first), 0).parts == ()


def header_of(
    size_code: int = 12,
    rate_code: int = 4,
    third: int = 0x08,
    number: bytes = b"\0",
    more: bytes = b"",
    first: bytes = b"\xff\xf8",
) -> bytes:
    head = first + bytes([size_code << 4 | rate_code, third]) + number + more
    return head + bytes([flac._checksum(head)]) + bytes(20)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, [(0, 4_096)]),
        ({"number": b"\x05"}, [(5 * 4_096, 4_096)]),
        ({"number": b"\xc2\x80"}, [(128 * 4_096, 4_096)]),
        ({"number": b"\xe0\xa0\x81"}, [(0x801 * 4_096, 4_096)]),
        ({"number": b"\xfe\x80\x80\x80\x84\x80\x80", "first": b"\xff\xf9"}, [(4 << 12, 4_096)]),
        ({"number": b"\x7f", "first": b"\xff\xf9"}, [(0x7F, 4_096)]),
        ({"size_code": 6, "more": b"\x63"}, [(0, 100)]),
        ({"size_code": 7, "more": b"\x0f\xff"}, [(0, 4_096)]),
        ({"size_code": 1}, [(0, 192)]),
        ({"size_code": 5}, []),  # 4,608: more than a block of this file
        ({"size_code": 0}, []),
        *[({"rate_code": code}, [(0, 4_096)]) for code in range(12)],
        ({"rate_code": 12, "more": b"\x0d"}, [(0, 4_096)]),
        ({"rate_code": 13, "more": b"\x2b\x11"}, [(0, 4_096)]),
        ({"rate_code": 14, "more": b"\x2b\x11"}, [(0, 4_096)]),
        ({"rate_code": 15}, []),
        ({"third": 0xA8}, [(0, 4_096)]),
        ({"third": 0xB8}, []),  # channels that are reserved
        ({"third": 0x09}, []),
        ({"number": b"\x80"}, []),
        ({"number": b"\xff" + b"\x80" * 7}, []),
        ({"first": b"\xff\xfa"}, []),
        ({"first": b"\xff\xe8"}, []),
    ],
)
def test_frame_headers_by_hand(options, found):
    assert list(flac._frame_headers(b"??" + header_of(**options), 4_096, 4_096)) == found
    assert list(flac._frame_headers(header_of(**options), 4_096, 4_096)) == found
