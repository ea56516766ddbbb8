"""What a header declares of its samples, held against what the file holds, on files made by hand."""

import io

import pytest

from mmasc.audio import declared
from mmasc.audio.declared import Form, judge
from mmasc.audio.layout import Chunk, Header, Samples

FORM = Form(1_000, 1, "i1", 1_000.0)
NOISE = bytes(1 + n % 127 for n in range(20_000))


def chunk_at(file, position):
    """A name of four letters and a byte that says how long it is, in tens."""
    file.seek(position)
    head = file.read(5)
    if len(head) < 5 or not head[:4].isalpha() or head[:4] == b"NONE":
        return None
    return Chunk(position + 5, head[4] * 10, position + 5 + head[4] * 10)


def judged(content: bytes, size: int, form: Form = FORM, wraps: bool = False, in_front: int = 0) -> Header:
    return judge(io.BytesIO(content), len(content), 0, size, form, chunk_at, wraps, in_front)


def chunk(name: bytes, tens: int, content: bytes = NOISE) -> bytes:
    return name + bytes([tens]) + content[: 10 * tens]


SAMPLES = bytes([128]) * 1_000


@pytest.mark.parametrize(
    "behind",
    [
        b"", chunk(b"LIST", 9), chunk(b"LIST", 9) + chunk(b"anyx", 3), b"\1" + chunk(b"LIST", 9), bytes(5_000),
        b"TAG" + NOISE[:500], b"ID3" + NOISE[:500], b"APETAGEX" + NOISE[:500], b"LYRICSBEGIN" + NOISE[:500],
        b"LIST\x64" + NOISE[:300], NOISE[:100],
    ],
)  # fmt: skip
def test_what_may_stand_behind_samples(behind):
    found = judged(SAMPLES + behind, 1_000)
    assert (found.seconds, found.samples, found.cut, found.remark, found.unread) == (1.0, None, "", "", "")


@pytest.mark.parametrize(
    "behind",
    [
        NOISE[:101], bytes(100) + b"\1", b"anyx\x64" + NOISE[:300], b"\1\1" + chunk(b"LIST", 30),
        b"TA" + NOISE[:300], bytes(3_000) + b"\1" + bytes(3_000),
    ],
)  # fmt: skip
def test_what_is_sound_that_the_header_does_not_know_of(behind):
    found = judged(SAMPLES + behind, 1_000)
    total = 1_000 + len(behind)
    assert found.samples == Samples(0, total, "i1", 1, 1_000)
    assert found.seconds == total / 1_000
    assert found.remark == f"its header declares 1.000 s, all of {total / 1_000:.3f} s was read"
    # Of a kind that is not read here it is only said
    unread = judged(SAMPLES + behind, 1_000, Form(1_000, 1, "", 1_000.0))
    assert (unread.seconds, unread.samples) == (1.0, None)
    assert unread.unread.startswith("its header declares 1000 bytes of samples, behind them lie ")
    assert judged(SAMPLES + behind, 1_000, Form(1_000, 1, "", 1_000.0, exact=False)).seconds is None


def test_a_header_that_declares_nothing_has_no_remark():
    found = judged(SAMPLES, 0)
    assert (found.seconds, found.remark) == (1.0, "")
    assert found.samples == Samples(0, 1_000, "i1", 1, 1_000)


@pytest.mark.parametrize(("size", "cut"), [(999, ""), (1_000, ""), (1_001, ""), (1_002, "yes"), (2_000, "yes")])
def test_a_cut_file_lacks_more_than_a_millisecond(size, cut):
    found = judged(SAMPLES, size)
    assert found.cut == (cut and f"its header declares {size} bytes of samples, it holds 1000")
    assert found.seconds == size / 1_000
    assert judged(SAMPLES, size, Form(1_000, 1, "", 1_000.0, exact=False)).seconds is None
    assert judged(SAMPLES, size, Form(1_000, 1, "", 0.0)) == Header()
    assert judged(SAMPLES, size, Form(1_000, 1, "", float("inf"))) == Header()


def test_without_a_rate_four_kilobytes_may_stand_behind():
    for behind, known in ((4_096, True), (4_097, False)):
        found = judged(SAMPLES + NOISE[:behind], 1_000, Form(0, 1, "", 0.0))
        assert (found.unread == "") == known


def test_samples_in_several_chunks_are_read_one_after_the_other():
    content = SAMPLES + chunk(b"LIST", 2) + chunk(b"data", 30) + chunk(b"SSND", 0) + b"\1" + chunk(b"data", 5)
    found = judged(content, 1_000)
    begins = [1_000 + 25 + 5, 1_000 + 25 + 5 + 300 + 5, 1_000 + 25 + 5 + 300 + 5 + 1 + 5]
    assert found.samples == Samples(0, 1_000, "i1", 1, 1_000, ((begins[0], 300), (begins[1], 0), (begins[2], 50)))
    assert (found.seconds, found.remark) == (1.35, "its samples lie in 3 chunks, all of them were read")
    behind = judged(content, 1_000, in_front=4)
    assert behind.samples.more == ((begins[0] + 4, 296), (begins[1] + 4, 0), (begins[2] + 4, 46))
    unread = judged(content, 1_000, Form(1_000, 1, "", 1_000.0))
    assert (unread.samples, unread.unread) == (None, "its samples lie in 3 chunks")
    empty = judged(SAMPLES + chunk(b"data", 0), 1_000)
    assert (empty.seconds, empty.remark) == (1.0, "")
    assert judged(SAMPLES + chunk(b"data", 0), 1_000, Form(1_000, 1, "", 1_000.0)).unread == ""
    # What is cut ends with the file
    assert judged(SAMPLES + chunk(b"data", 30)[:50], 1_000).samples.more == ((1_005, 45),)


def test_no_more_chunks_are_looked_at_than_a_sane_file_has(monkeypatch):
    monkeypatch.setattr(declared, "MOST_CHUNKS", 3)
    content = SAMPLES + chunk(b"data", 1) * 5
    assert judged(content, 1_000).seconds == 1.03
    assert len(judged(content, 1_000).samples.more) == 3


@pytest.mark.parametrize("length", [1, 4_095, 4_096, 4_097, 262_144, 300_000])
def test_zeros_are_zeros_at_both_ends(length):
    for place in (None, 0, length - 1):
        content = bytearray(length + 7)
        if place is not None:
            content[7 + place] = 1
        assert declared._is_zero(io.BytesIO(content), 7, len(content)) == (place is None)
