"""Pages of Ogg, written here by hand: recordings one after the other, how long each is, whether its end is there."""

import io
import struct
from itertools import pairwise

import pytest

from mmasc.audio import ogg
from mmasc.audio.ogg import walk_pages

# The first packets of streams: what they are, rate of their granules
PACKETS = {
    "Vorbis": (b"\x01vorbis" + struct.pack("<IBIIII", 0, 2, 44_100, 0, 0, 0) + b"\xb8\1", 44_100),
    "Opus": (b"OpusHead\1\2" + struct.pack("<HIHB", 312, 44_100, 0, 0), 48_000),
    "FLAC": (b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + bytes(10) + (96_000 << 4).to_bytes(3, "big") + bytes(21), 96_000),
    "Speex": (b"Speex   1.2".ljust(28, b"\0") + struct.pack("<III", 1, 80, 16_000) + bytes(40), 16_000),
}
FIRST, LAST = 2, 4


def page(granule: int, flags: int = 0, body: bytes = b"x" * 300, serial: int = 1) -> bytes:
    lacing = bytes([255] * (len(body) // 255) + [len(body) % 255])
    return b"OggS\0" + struct.pack("<BQIIIB", flags, granule, serial, 0, 0, len(lacing)) + lacing + body


def stream(packet: bytes, *granules: int, serial: int = 1, end: int = LAST) -> bytes:
    pages = [page(granule, 0, serial=serial) for granule in granules[:-1]]
    return b"".join([page(0, FIRST, packet, serial), *pages, page(granules[-1], end, serial=serial)])


def walked(content: bytes):
    return walk_pages(io.BytesIO(content), len(content))


@pytest.mark.parametrize("name", PACKETS)
def test_granules_count_in_the_rate_of_their_stream(name):
    packet, rate = PACKETS[name]
    header = walked(stream(packet, rate, 3 * rate, 7 * rate))
    assert (header.holds, header.cut, header.parts, header.remark) == (6.0, "", (), "")
    # Another first packet is no sound
    assert walked(stream(packet[1:], rate, 3 * rate)).holds is None
    assert ogg._sound_rate(packet) == rate
    # A packet that is cut before its rate says none, whatever follows on the next page
    if name != "Opus":
        assert walked(stream(packet[:12], rate, 3 * rate)).holds is None
    assert ogg._sound_rate(packet[: 6 if name == "Opus" else 12]) == 0


def test_links_of_a_chain_begin_where_a_first_page_follows_others():
    packet, rate = PACKETS["Vorbis"]
    links = [stream(packet, rate, 3 * rate, serial=n) for n in (1, 2, 3)]
    header = walked(b"".join(links))
    begins = [0, len(links[0]), 2 * len(links[0]), 3 * len(links[0])]
    assert header.parts == tuple(pairwise(begins))
    assert header.holds == 6.0
    assert header.remark == ""
    # What is no page between two links is passed over, also the beginning of a mark
    for rest in (b"?" * 100, b"Ogg", b"OggS\1" + bytes(40), b"OggOggSOgg"):
        header = walked(links[0] + rest + links[1])
        assert header.parts[1][0] == len(links[0]) + len(rest)
        assert header.holds == 4.0


def test_streams_that_begin_together_are_tracks_of_one_link():
    (vorbis, rate), (opus, _) = PACKETS["Vorbis"], PACKETS["Opus"]
    content = page(0, FIRST, vorbis, 1) + page(0, FIRST, opus, 2) + page(0, FIRST, b"\x80theora" + bytes(60), 3)
    content += page(rate, 0, serial=1) + page(48_000, 0, serial=2) + page(99, 0, serial=3) + page(7, 0, serial=4)
    content += page(2 * rate, LAST, serial=1) + page(5 * 48_000, LAST, serial=2)
    header = walked(content)
    assert header.parts == ()
    assert header.holds == 4.0
    assert header.remark == "it holds 2 tracks of sound, one of them is heard"


def test_pages_on_which_no_packet_ends_say_no_length():
    packet, rate = PACKETS["Vorbis"]
    nothing = (1 << 64) - 1
    assert walked(stream(packet, 0, nothing, rate, nothing, 3 * rate)).holds == 2.0
    assert walked(stream(packet, rate, 3 * rate) + page(nothing)).holds == 2.0
    # A number that no recording has is no length either
    assert walked(stream(packet, rate, 3 * rate, 1 << 62)).holds == 2.0
    # Pages before any first one belong to nobody
    assert walked(page(5) + stream(packet, rate, 3 * rate)).holds == 2.0
    assert walked(page(5)).holds is None


@pytest.mark.parametrize("size", [1, 254, 255, 256, 255 * 254, 255 * 254 + 254])
def test_pages_of_all_sizes_at_every_edge_of_what_is_read(monkeypatch, size):
    packet, rate = PACKETS["Vorbis"]
    pages = [page(n * rate, 0, (b"OggS\0" if size > 5 else b"").ljust(size, b"y")) for n in range(1, 6)]
    content = page(0, FIRST, packet) + b"".join(pages) + page(6 * rate, LAST)
    for piece in (70_000, 70_001, 70_027, 80_000, 1 << 20):
        monkeypatch.setattr(ogg, "_PIECE_BYTES", piece)
        header = walked(content)
        assert (header.holds, header.cut) == (5.0, "")


def test_the_end_must_be_there():
    packet, rate = PACKETS["Vorbis"]
    whole = stream(packet, rate, 3 * rate)
    assert walked(whole + b"TAG" + bytes(125)).cut == ""
    assert walked(stream(packet, rate, 3 * rate, end=0)).cut == "the page that ends the stream is missing"
    for less in (1, 299, 300, 301, 320, 325):
        assert walked(whole[:-less]).cut == "its last page is cut", less
    # The page before it, then, is the last
    assert walked(whole[:-329]).cut == "the page that ends the stream is missing"
    # Something that only looks like a page ends nothing
    assert walked(whole + b"OggS\7" + bytes(40)).cut == ""
