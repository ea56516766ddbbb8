"""Frames of MPEG audio: their lengths as other tools count them, tags between them, and what a tag declares."""

import io
import struct
from dataclasses import replace

import pytest

from mmasc.audio import mpeg
from mmasc.audio.mpeg import _FRAME_BYTES, _FRAME_SECONDS, walk_frames

# By hand from ISO 11172-3 and 13818-3: header, bytes of the frame, samples, rate
FRAMES = [
    (0xFFFB9064, 417, 1_152, 44_100),  # MPEG 1 layer III, 128 kbit/s
    (0xFFFB9264, 418, 1_152, 44_100),  # the same, padded
    (0xFFFB9464, 384, 1_152, 48_000),
    (0xFFFB98C4, 576, 1_152, 32_000),
    (0xFFFBA0C4, 522, 1_152, 44_100),  # 160
    (0xFFFBE0C4, 1_044, 1_152, 44_100),  # 320
    (0xFFF380C4, 208, 576, 22_050),  # MPEG 2 layer III, 64
    (0xFFF3E0C4, 522, 576, 22_050),  # 160
    (0xFFE380C4, 417, 576, 11_025),  # MPEG 2.5 layer III, 64
    (0xFFFDA0C4, 626, 1_152, 44_100),  # MPEG 1 layer II, 192
    (0xFFF5A0C4, 626, 1_152, 22_050),  # MPEG 2 layer II, 96
    (0xFFFFA0C4, 348, 384, 44_100),  # MPEG 1 layer I, 320
    (0xFFFFA2C4, 352, 384, 44_100),  # the same, padded
]


@pytest.mark.parametrize(("header", "size", "samples", "rate"), FRAMES)
def test_frames_have_the_lengths_of_the_standard(header, size, samples, rate):
    key = header >> 8 & 0xFFFF
    assert _FRAME_BYTES[key] == size
    assert _FRAME_SECONDS[key] == pytest.approx(samples / rate)


@pytest.mark.parametrize("second", [0xE1, 0xF9, 0xEB])
def test_reserved_versions_and_layers_are_no_frames(second):
    assert all(second << 8 | third not in _FRAME_BYTES for third in range(256))


def test_free_and_reserved_rates_are_no_frames():
    assert not {0xFB00, 0xFBF0, 0xFB9C} & set(_FRAME_BYTES)


def test_tables_of_the_standard_follow_its_rules():
    """A second way: rates are quarters of octaves, sums of steps, or halves of one another."""
    octaves = tuple((4 + n % 4) << n // 4 for n in range(50))
    assert mpeg._KBITS[1, 3] == tuple(32 * n for n in range(1, 15))
    assert mpeg._KBITS[1, 1] == octaves[12:26]
    assert mpeg._KBITS[1, 2] == (32, *octaves[14:26], 384)
    assert mpeg._KBITS[2, 1] == mpeg._KBITS[2, 2] == (*range(8, 65, 8), *range(80, 161, 16))
    assert mpeg._KBITS[2, 3] == (32, *range(48, 65, 8), *range(80, 129, 16), *range(144, 193, 16), 224, 256)
    assert mpeg._RATES[3] == (44_100, 48_000, 32_000)
    assert mpeg._RATES[2] == tuple(rate // 2 for rate in mpeg._RATES[3])
    assert mpeg._RATES[0] == tuple(rate // 4 for rate in mpeg._RATES[3])
    # Of 14 bit rates, 3 sample rates and what else the two bytes say
    assert len(_FRAME_BYTES) == 14 * 3 * 2 * 2 * 3 * 3 * 2
    for key, length in _FRAME_BYTES.items():
        version, layer = key >> 11 & 3, key >> 9 & 3
        kbits = mpeg._KBITS[1 if version == 3 else 2, layer][(key >> 4 & 15) - 1]
        slot = 4 if layer == 3 else 1
        exact = kbits * 125 * _FRAME_SECONDS[key] / slot
        assert length == (int(exact + 1e-9) + (key >> 1 & 1)) * slot


FRAME = struct.pack(">I", 0xFFFB9064) + bytes(413)


def walked(content: bytes):
    found = walk_frames(io.BytesIO(content), len(content), 0)
    assert found is not None
    return replace(found, seconds=None)


@pytest.mark.parametrize(
    ("tag", "length"),
    [
        (b"TAG" + b"x" * 125, 128),
        (b"ID3\4\0\0\0\0\1\x02" + bytes(130), 140),
        (b"ID3\4\0\0\0\1\0\0" + bytes(16_384), 16_394),
        (
            b"APETAGEX" + struct.pack("<IIII", 2_000, 96, 1, 0xA0000000) + bytes(8 + 96),
            128,
        ),  # the header, then the rest
        (b"APETAGEX" + struct.pack("<IIII", 2_000, 96, 1, 0x80000000) + bytes(8), 32),  # the footer alone
    ],
)
def test_tags_between_frames_are_as_long_as_they_say(tag, length):
    assert mpeg._strange_bytes(tag + FRAME * 3, 0) == length == len(tag)
    found = walked(FRAME * 4 + tag + FRAME * 3)
    assert (found.first, found.irregular) == (0, True)
    assert found.holds == pytest.approx(7 * 1_152 / 44_100)


@pytest.mark.parametrize("before", [b"", b"?"])
def test_frames_within_a_tag_are_its_content(before):
    inside = FRAME * 3
    size = len(inside)
    id3 = b"ID3\4\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + inside
    ape = b"APETAGEX" + struct.pack("<IIII", 2_000, size, 1, 0xA0000000) + bytes(8) + inside
    for tag in (id3, ape):
        assert mpeg._strange_bytes(before + tag + FRAME * 3, len(before)) == len(tag)
    assert mpeg._strange_bytes(b"TAG" + inside[:125] + FRAME * 3, 0) == 128


def test_what_is_no_tag_is_passed_over_up_to_two_frames_that_follow_each_other():
    false = b"\xff\xfb\x90" + bytes(20)  # a header behind which none comes
    assert mpeg._strange_bytes(b"\1\2" + false + FRAME * 2 + b"\0", 0) == 2 + len(false)
    assert walk_frames(io.BytesIO(bytes(100)), 100, 0) is None
    assert walked(bytes(50) + FRAME * 3).irregular is False
    assert walked(b"x" * 50 + FRAME * 3) == replace(walked(bytes(50) + FRAME * 3), irregular=True)
    cut = walked(FRAME * 3 + FRAME[:100])
    assert cut.cut == "its last frame is cut"


def xing(version: int, mono: bool, flags: int, fields: bytes, encoder: bytes = b"") -> bytes:
    """A first frame with a tag in it."""
    head = bytes([0xFF, 0xE3 | version << 3, 0x90, 0xC0 if mono else 0x00])
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return (head + bytes(side) + b"Xing" + struct.pack(">I", flags) + fields + encoder).ljust(2_000, b"\0")


@pytest.mark.parametrize(("version", "rate", "samples"), [(3, 44_100, 1_152), (2, 22_050, 576), (0, 11_025, 576)])
@pytest.mark.parametrize("mono", [False, True])
def test_what_the_tag_of_the_first_frame_declares(version, rate, samples, mono):
    trims = bytes(21) + (576 << 12 | 1_000).to_bytes(3, "big")
    frames, size = struct.pack(">I", 100), struct.pack(">I", 41_700)
    for encoder in (b"LAME", b"Lavf", b"Lavc"):
        for flags, fields in ((1, frames), (3, frames + size), (7, frames + size + bytes(100))):
            for flag, more in ((0, b""), (8, bytes(4))):
                tag = mpeg._xing(xing(version, mono, flags | flag, fields + more, encoder + trims[4:]), 0)
                assert tag is not None
                assert (tag.frames, tag.size) == (100, 41_700 if flags & 2 else 0)
                assert tag.seconds == pytest.approx((100 * samples - 1_576) / rate)
    plain = mpeg._xing(xing(version, mono, 1, frames), 0)
    assert plain is not None
    assert plain.seconds == pytest.approx(100 * samples / rate)
    assert mpeg._xing(xing(version, mono, 2, size), 0) is None


def test_bytes_declared_may_be_off_by_a_little():
    tag = mpeg._Tag(100, 100_000, 1.0)
    assert [mpeg._size_differs(tag, size) for size in (100_000, 100_899, 99_101, 100_901, 99_099)] == [
        False, False, False, True, True,
    ]  # fmt: skip
    assert not mpeg._size_differs(replace(tag, size=0), 7)
    assert not mpeg._size_differs(None, 7)
