"""Headers of files made of chunks, written here by hand: kinds of samples, where they lie, what stands behind them."""

import errno
import io
import struct
from itertools import pairwise

import pytest

from mmasc.audio.chunks import _W64_END, measure
from mmasc.audio.layout import Header, Samples
from mmasc.audio.parts import W64_RIFF

RATE, FRAMES = 8_000, 16_000


def measured(content: bytes) -> Header | None:
    return measure(io.BytesIO(content), len(content), content[:16])


def body(size: int) -> bytes:
    """Samples that are neither zeros, nor letters that a chunk could begin with."""
    return bytes(0x80 | n * 7 & 0x7F for n in range(251)) * (size // 251 + 1)


def au(encoding: int, width: int, order: str, channels: int = 2, declared: int | None = None) -> bytes:
    size = FRAMES * channels * width
    declared = size if declared is None else declared
    mark = b".snd" if order == ">" else b"dns."
    return mark + struct.pack(order + "5I", 28, declared, encoding, RATE, channels) + bytes(4) + body(size)[:size]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("encoding", "kind", "width"),
    [
        (1, "ulaw", 1),
        (2, "i1", 1),
        (3, "i2", 2),
        (4, "i3", 3),
        (5, "i4", 4),
        (6, "f4", 4),
        (7, "f8", 8),
        (27, "alaw", 1),
    ],
)
def test_kinds_of_samples_in_au(order, encoding, kind, width):
    size = FRAMES * 2 * width
    kind = kind if width == 1 else order + kind
    whole = measured(au(encoding, width, order))
    assert (whole.seconds, whole.samples, whole.cut) == (2.0, None, "")
    samples = Samples(28, size, kind, 2, RATE)
    for declared in (0, 0xFFFFFFFF, size // 2):  # unknown, or half of what is there
        assert measured(au(encoding, width, order, declared=declared)).samples == samples
    cut = measured(au(encoding, width, order, declared=2 * size))
    assert (cut.seconds, cut.cut) == (4.0, f"its header declares {2 * size} bytes of samples, it holds {size}")
    assert measured(au(99, width, order, declared=0xFFFFFFFF)) == Header()
    assert measured(au(encoding, width, order)[:20]) == Header()


def caf(coding: bytes, flags: int, bits: int, channels: int = 2, packet: int | None = None, half: bool = True) -> bytes:
    width = bits // 8
    size = FRAMES * channels * width
    packet = channels * width if packet is None else packet
    desc = struct.pack(">d4sIIIII", float(RATE), coding, flags, packet, 1, channels, bits)
    declared = 4 + (size // 2 if half else size)
    content = b"caff\0\1\0\0" + b"desc" + struct.pack(">q", 32) + desc + b"data" + struct.pack(">q", declared)
    return content + bytes(4) + body(size)[:size]


@pytest.mark.parametrize(
    ("coding", "flags", "bits", "kind"),
    [
        (b"lpcm", 0, 8, "i1"), (b"lpcm", 0, 16, ">i2"), (b"lpcm", 2, 16, "<i2"), (b"lpcm", 0, 24, ">i3"),
        (b"lpcm", 2, 24, "<i3"), (b"lpcm", 2, 32, "<i4"), (b"lpcm", 1, 32, ">f4"), (b"lpcm", 3, 32, "<f4"),
        (b"lpcm", 3, 64, "<f8"), (b"lpcm", 1, 64, ">f8"), (b"ulaw", 0, 8, "ulaw"), (b"alaw", 0, 8, "alaw"),
    ],
)  # fmt: skip
def test_kinds_of_samples_in_caf(coding, flags, bits, kind):
    size = FRAMES * 2 * bits // 8
    found = measured(caf(coding, flags, bits))
    assert found.samples == Samples(68, size, kind, 2, RATE)
    assert found.seconds == 2.0
    assert "all of 2.000 s was read" in found.remark
    whole = measured(caf(coding, flags, bits, half=False))
    assert (whole.seconds, whole.samples) == (2.0, None)


@pytest.mark.parametrize(
    ("coding", "flags", "bits", "packet"),
    [(b"lpcm", 1, 16, 4), (b"lpcm", 0, 64, 16), (b"lpcm", 0, 16, 5), (b"ulaw", 0, 8, 4), (b"alac", 0, 16, 4)],
)
def test_samples_of_caf_that_are_not_read_are_said(coding, flags, bits, packet):
    found = measured(caf(coding, flags, bits, packet=packet))
    assert found.samples is None
    assert "bytes that are not chunks" in found.unread


def w64(size: int = 32_000, declared: int | None = None, behind: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
        length = len(content) + 24 if length is None else length
        return name + _W64_END + struct.pack("<Q", length) + content

    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    data = chunk(b"data", body(size)[:size], None if declared is None else declared + 24)
    content = b"\0" * 0 + b"wave" + _W64_END + form + data + behind
    return W64_RIFF + struct.pack("<Q", len(content) + 24) + content


def test_what_stands_behind_the_samples_of_w64():
    chunk = b"levl" + _W64_END + struct.pack("<Q", 24 + 6_000) + body(6_000)[:6_000]
    assert measured(w64()).seconds == 2.0
    for behind in (
        chunk,
        chunk * 2,
        bytes(5_000),
        b"ID3" + body(5_000),
        b"TAG" + body(5_000),
        b"LYRICSBEGIN" + body(9_000),
    ):
        found = measured(w64(behind=behind))
        assert (found.seconds, found.samples, found.cut) == (2.0, None, "")
    # A chunk that is shorter than its own head is none
    short = b"levl" + _W64_END + struct.pack("<Q", 23) + body(6_000)[:6_000]
    assert measured(w64(behind=short)).samples.size == 32_000 + 24 + 6_000
    assert measured(w64(declared=16_000)).samples == Samples(40 + 16 + 24 + 24, 32_000, "<i2", 1, RATE)
    assert measured(w64(declared=64_000)).cut == "its header declares 64000 bytes of samples, it holds 32000"
    assert measured(w64()[:60]) == Header()


@pytest.mark.parametrize("order", "<>")
def test_files_of_au_one_after_the_other(order):
    one, other = au(3, 2, order), au(3, 2, order, channels=1)
    assert measured(one + other).parts == ((0, len(one)), (len(one), len(one) + len(other)))
    # Of a writer that did not know the length all is its own
    for declared in (0, 0xFFFFFFFF):
        first = au(3, 2, order, declared=declared)
        assert measured(first + other).parts == ()
        assert measured(first + other).samples.size == FRAMES * 4 + len(other)
        assert len(measured(one + first).parts) == 2
    # The mark alone, or a file of the other order, is none
    turned = au(3, 2, "<" if order == ">" else ">")[:4]
    for place, content in ((0, turned), (4, bytes(4)), (12, bytes(4)), (16, bytes(4)), (20, bytes(4))):
        changed = other[:place] + content + other[place + 4 :]
        assert measured(one + changed).parts == ()
        assert "all of" in measured(one + changed).remark
    assert measured(one + other[:23]).parts == ()


def test_files_of_caf_one_after_the_other():
    one = caf(b"lpcm", 0, 16, half=False)
    free = b"free" + struct.pack(">q", 500) + bytes(500)
    other = one[:8] + free + one[8:] + free
    content = one + other + one
    assert measured(content).parts == (
        (0, len(one)),
        (len(one), len(one) + len(other)),
        (len(one) + len(other), len(content)),
    )
    assert measured(other).parts == ()
    # To a pipe: its length is not known, and all is its own
    place = one.index(b"data") + 4
    piped = one[:place] + struct.pack(">q", -1) + one[place + 8 :]
    assert measured(piped + one).parts == ()
    assert measured(one + piped).parts == ((0, len(one)), (len(one), len(one) + len(piped)))


def test_lengths_beyond_what_the_file_system_can_hold():
    class Limited(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            if offset > 1 << 44:
                raise OSError(errno.EINVAL, "Invalid argument")
            return super().seek(offset, whence)

    for content in (
        caf(b"lpcm", 0, 16, half=False) + b"free" + struct.pack(">q", 1 << 50),
        w64() + b"levl" + _W64_END + struct.pack("<Q", 1 << 50),
    ):
        found = measure(Limited(content), len(content), content[:16])
        assert found.seconds == 2.0
        assert found == measured(content)


@pytest.mark.parametrize("size", [31_990, 31_992, 32_000])
def test_files_of_w64_one_after_the_other(size):
    files = [w64(size), w64(size + 8), w64(size)]
    found = measured(b"".join(files))
    begins = [0, len(files[0]), len(files[0]) + len(files[1]), sum(map(len, files))]
    assert found.parts == tuple(pairwise(begins))
    assert measured(files[0]).parts == ()
    # A length below that of its own head would never end
    head = W64_RIFF + struct.pack("<Q", 23)
    assert measured(head + files[0][24:]).parts == ()


def wav(order: str, form: bytes, size: int, declared: int | None = None, behind: bytes = b"") -> bytes:
    declared = size if declared is None else declared
    content = b"WAVEfmt " + struct.pack(order + "I", len(form)) + form
    content += b"data" + struct.pack(order + "I", declared) + body(size)[:size] + behind
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(content)) + content


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("code", "kind", "width"),
    [
        (1, "u1", 1),
        (1, "i2", 2),
        (1, "i3", 3),
        (1, "i4", 4),
        (3, "f4", 4),
        (3, "f8", 8),
        (6, "alaw", 1),
        (7, "ulaw", 1),
    ],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_kinds_of_samples_in_wave(order, code, kind, width, extensible):
    size = FRAMES * 2 * width
    kind = kind if width == 1 else order + kind
    form = struct.pack(
        order + "HHIIHH", 0xFFFE if extensible else code, 2, RATE, 2 * width * RATE, 2 * width, 8 * width
    )
    if extensible:
        form += struct.pack(order + "HHIH", 22, 8 * width, 3, code) + bytes.fromhex("000000001000800000aa00389b71")
    found = measured(wav(order, form, size, size // 2))
    assert found.samples == Samples(20 + len(form) + 8, size, kind, 2, RATE)
    whole = measured(wav(order, form, size))
    assert (whole.seconds, whole.samples) == (2.0, None)
    files = [wav(order, form, size), wav(order, form, size + 2 * width)]
    assert measured(b"".join(files)).parts == ((0, len(files[0])), (len(files[0]), len(files[0]) + len(files[1])))


def test_chunks_of_every_length_behind_the_samples_of_wave():
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    for length in (0, 1, 2, 4_999, 5_000):
        chunk = b"note" + struct.pack("<I", length) + body(length)[:length] + bytes(length & 1)
        for behind in (
            chunk,
            chunk + b"abcd" + struct.pack("<I", 7_000) + body(7_000)[:7_000],
            chunk[:-1] * (length & 1),
        ):
            found = measured(wav("<", form, 32_000, behind=behind))
            assert (found.seconds, found.samples) == (2.0, None), (length, len(behind))
    # A chunk that nobody knows and that is longer than the file is sound
    found = measured(wav("<", form, 32_000, behind=b"abcd" + struct.pack("<I", 70_000) + body(7_000)[:7_000]))
    assert found.samples.size == 32_000 + 8 + 7_000
    # ... one that is known is a chunk that was cut
    found = measured(wav("<", form, 32_000, behind=b"note" + struct.pack("<I", 70_000) + body(7_000)[:7_000]))
    assert found.samples is None


@pytest.mark.parametrize("average", [0, 16_000])
def test_compressed_waves_whose_rate_is_an_average(average):
    form = struct.pack("<HHIIHH", 0x55, 1, RATE, average, 1, 0)
    assert measured(wav("<", form, 32_000)) == Header()
    cut = measured(wav("<", form, 32_000, 64_000))
    assert cut.cut == ("its header declares 64000 bytes of samples, it holds 32000" if average else "")
    assert cut.seconds is None


def aiff(coding: bytes, bits: int, half: bool = True, channels: int = 2) -> bytes:
    size = FRAMES * channels * bits // 8
    frames = FRAMES // 2 if half else FRAMES
    # 8,000 as an extended number: exponent 12, mantissa 8,000 / 4,096
    common = struct.pack(">hIhHQ", channels, frames, bits, 16_383 + 12, 8_000 << 51) + coding
    declared = 8 + (size // 2 if half else size)
    content = (b"AIFC" if coding else b"AIFF") + b"COMM" + struct.pack(">I", len(common)) + common
    content += b"SSND" + struct.pack(">III", declared, 0, 0) + body(size)[:size]
    return b"FORM" + struct.pack(">I", len(content)) + content


@pytest.mark.parametrize(
    ("coding", "bits", "kind"),
    [
        *[(name, bits, f">i{bits // 8}") for name in (b"", b"NONE", b"twos") for bits in (16, 24, 32)],
        *[(b"sowt", bits, f"<i{bits // 8}") for bits in (16, 24, 32)],
        (b"", 8, "i1"), (b"NONE", 8, "i1"), (b"sowt", 8, "i1"), (b"raw ", 8, "u1"),
        (b"fl32", 32, ">f4"), (b"FL32", 32, ">f4"), (b"fl64", 64, ">f8"), (b"FL64", 64, ">f8"),
        (b"ulaw", 8, "ulaw"), (b"ULAW", 8, "ulaw"), (b"alaw", 8, "alaw"), (b"ALAW", 8, "alaw"),
    ],
)  # fmt: skip
def test_kinds_of_samples_in_aiff(coding, bits, kind):
    size = FRAMES * 2 * bits // 8
    found = measured(aiff(coding, bits))
    assert found.samples == Samples(12 + 8 + 18 + len(coding) + 16, size, kind, 2, RATE)
    assert found.seconds == 2.0
    whole = measured(aiff(coding, bits, half=False))
    assert (whole.seconds, whole.samples, whole.cut) == (2.0, None, "")
    cut = measured(aiff(coding, bits, half=False)[:-1_000])
    assert cut.cut == f"its header declares {size + 8} bytes of samples, it holds {size + 8 - 1_000}"


def test_chunks_behind_the_samples_of_caf():
    whole = caf(b"lpcm", 2, 16, half=False)
    for length in (0, 1, 5_000):
        chunk = b"info" + struct.pack(">q", length) + body(length)[:length]
        for behind in (chunk, chunk + b"free" + struct.pack(">q", 6_000) + body(6_000)[:6_000]):
            found = measured(whole + behind)
            assert (found.seconds, found.samples, found.unread) == (2.0, None, "")
    # No name, and a length below 0, are no chunk
    for behind in (
        b"\0\1\2\3" + struct.pack(">q", 5_000) + body(5_000)[:5_000],
        b"info" + struct.pack(">q", -1) + body(5_000)[:5_000],
    ):
        assert measured(whole + behind).samples.size == FRAMES * 4 + 12 + 5_000
