"""Samples that are not compressed: the numbers of libsndfile for every kind, wherever and however they are read."""

import io

import numpy as np
import pytest
import soundfile

from mmasc.audio import pcm
from mmasc.audio.layout import Header, Samples
from mmasc.audio.native import DecodeError
from mmasc.audio.pcm import PcmDecoder, _decode, sample_bytes

RATE = 8_000
# Kind here; width; subtype and byte order of a headerless file as libsndfile reads it
KINDS = [
    ("u1", 1, "PCM_U8", "FILE"), ("i1", 1, "PCM_S8", "FILE"),
    ("<i2", 2, "PCM_16", "LITTLE"), (">i2", 2, "PCM_16", "BIG"), ("<i3", 3, "PCM_24", "LITTLE"),
    (">i3", 3, "PCM_24", "BIG"), ("<i4", 4, "PCM_32", "LITTLE"), (">i4", 4, "PCM_32", "BIG"),
    ("<f4", 4, "FLOAT", "LITTLE"), (">f4", 4, "FLOAT", "BIG"), ("<f8", 8, "DOUBLE", "LITTLE"),
    (">f8", 8, "DOUBLE", "BIG"), ("ulaw", 1, "ULAW", "FILE"), ("alaw", 1, "ALAW", "FILE"),
]  # fmt: skip


def content_of(kind: str, width: int, count: int) -> bytes:
    """Every byte there is, or numbers in [-2, 2] where any bytes are no numbers."""
    generator = np.random.default_rng(0)
    if kind[1] == "f":
        return generator.uniform(-2, 2, count).astype(kind).tobytes()
    return bytes(range(256)) + generator.bytes(count * width - 256)


@pytest.mark.parametrize(("kind", "width", "subtype", "order"), KINDS)
def test_every_kind_gives_the_numbers_of_libsndfile(kind, width, subtype, order):
    assert sample_bytes(kind) == width
    content = content_of(kind, width, 900)
    theirs, _ = soundfile.read(
        io.BytesIO(content), dtype="float32", samplerate=RATE, channels=1, subtype=subtype, endian=order, format="RAW"
    )
    found = _decode(content, kind)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, theirs)


def decoder_of(content: bytes, kind: str = "u1", channels: int = 1, more: tuple = (), offset: int = 0, **other):
    size = other.get("size", len(content) - offset)
    header = Header(samples=Samples(offset, size, kind, channels, other.get("rate", RATE), more))
    return PcmDecoder(content, header)


@pytest.mark.parametrize("frames", [1, 3, 7, 100])
def test_stretches_are_read_one_after_the_other_in_blocks_of_any_length(frames):
    content = bytes(range(100))
    # Two channels of 16 bits: 5 frames and a byte too many, nothing, and 3 frames further on
    decoder = decoder_of(content, "<i2", 2, ((0, 3), (50, 12)), offset=10, size=21)
    assert (decoder.expected_frames, decoder.declared_seconds) == (8, 8 / RATE)
    assert (decoder.channels, decoder.sample_rate) == (2, RATE)
    wanted = np.frombuffer(content[10:30] + content[50:62], "<i2").reshape(-1, 2).T / np.float32(32_768)
    blocks = []
    while (block := decoder.read(frames)).shape[1]:
        assert block.shape[1] <= frames
        blocks.append(block)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), wanted)
    assert decoder.read(frames).shape == (2, 0)
    assert decoder.fault == ""
    decoder.close()


def test_a_file_that_is_cut_ends_with_its_last_whole_frame():
    decoder = decoder_of(bytes(range(10)), "<i2", 2, ((0, 8),), offset=1, size=40)
    assert decoder.read(100).shape == (2, 2)
    assert decoder.read(100).shape == (2, 0)


def test_reads_that_give_less_than_asked_for_are_gone_on_with(monkeypatch):
    class Slow(io.BytesIO):
        def read(self, count=-1):
            return super().read(min(count, 3))

    samples = Samples(0, 12, "<i2", 1, RATE)
    monkeypatch.setattr(pcm, "open_source", Slow)
    decoder = PcmDecoder(bytes(range(12)), Header(samples=samples))
    np.testing.assert_array_equal(decoder.read(6)[0] * 32_768, np.frombuffer(bytes(range(12)), "<i2"))


def test_what_cannot_be_read_on_is_said_and_ends(monkeypatch):
    class Broken(io.BytesIO):
        def read(self, count=-1):
            if self.tell() >= 4:
                raise OSError(5, "Input/output error")
            return super().read(4)

    samples = Samples(0, 12, "<i2", 1, RATE, ((0, 4),))
    monkeypatch.setattr(pcm, "open_source", Broken)
    decoder = PcmDecoder(bytes(range(12)), Header(samples=samples))
    assert decoder.read(6).shape == (1, 2)
    assert decoder.fault == "Input/output error"
    assert decoder.read(6).shape == (1, 0)


@pytest.mark.parametrize("channels", [0, -1, 1_025])
def test_what_no_header_can_mean_is_refused(channels):
    with pytest.raises(DecodeError, match="does not say how its samples are stored"):
        decoder_of(bytes(8), "u1", channels)


def test_what_is_at_the_edge_is_read():
    assert decoder_of(bytes(2_048), "u1", 1_024).read(9).shape == (1_024, 2)
    assert decoder_of(bytes(8), rate=0).declared_seconds == 8.0
    with pytest.raises(DecodeError, match="does not say how"):
        decoder_of(bytes(8), "")
    with pytest.raises(DecodeError, match="does not say how"):
        PcmDecoder(b"", Header())
