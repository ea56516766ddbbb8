"""Ogg, page by page without decoding: the recordings in a file, the length of each, and whether the end is present.

Sources: RFC 3533 (pages, chained and multiplexed streams), Vorbis I, RFC 7845 (Opus), RFC 9639 (FLAC in Ogg).
"""

import struct
from dataclasses import dataclass, field

from mmasc.audio.layout import ByteSource, Header, read_at

_PIECE_BYTES = 1 << 20  # read at once
_MOST_PAGE = 27 + 255 + 255 * 255
_MOST_LINKS = 4096
_NO_GRANULE = (1 << 64) - 1  # of a page on which no packet ends


@dataclass
class _Track:
    """One logical stream: rate and granules (samples so far) at its first and last page that has some."""

    rate: int
    first: int | None = None
    last: int = 0


@dataclass
class _Link:
    """Streams that begin together; only those with sound, by serial number."""

    begin: int
    tracks: dict[int, _Track] = field(default_factory=dict)
    begun: bool = False

    @property
    def seconds(self) -> float:
        """What is sure to be in the longest track: its first page may have begun anywhere."""
        lengths = [(one.last - (one.first or 0)) / one.rate for one in self.tracks.values()]
        return max(lengths, default=0.0)


def walk_pages(file: ByteSource, size: int) -> Header:
    """Header of an Ogg file.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
    """
    links = _links(file, size)
    remark = ""
    if links and (tracks := max(len(link.tracks) for link in links)) > 1:
        remark = f"it holds {tracks} tracks of sound, one of them is heard"
    holds = sum(max(link.seconds, 0.0) for link in links) or None
    if len(links) < 2:
        return Header(cut=_cut(file, size), holds=holds, remark=remark)
    ends = [*(link.begin for link in links[1:]), size]
    parts = tuple((link.begin, end) for link, end in zip(links, ends, strict=True))
    return Header(parts=parts, holds=holds, remark=remark)


def _links(file: ByteSource, size: int) -> list[_Link]:
    """The links of a chain, in order; what is not a page is passed over."""
    links: list[_Link] = []
    piece, begin, position = b"", 0, 0
    while position + 27 <= size:
        place = position - begin
        if place + _MOST_PAGE > len(piece) and begin + len(piece) < size:
            piece, begin, place = read_at(file, position, _PIECE_BYTES), position, 0
        if piece[place : place + 5] != b"OggS\0":
            found = piece.find(b"OggS\0", place + 1)
            position = begin + (found if found >= 0 else max(len(piece) - 4, place + 1))
            if found < 0 and begin + len(piece) >= size:
                break
            continue
        lacing = piece[place + 27 : place + 27 + piece[place + 26]] if place + 27 <= len(piece) else b""
        body = place + 27 + len(lacing)
        if body > len(piece):
            break
        _take(links, piece, place, body, begin)
        if len(links) > _MOST_LINKS:
            break
        position = begin + body + sum(lacing)
    return links


def _take(links: list[_Link], piece: bytes, place: int, body: int, begin: int) -> None:
    """Note a page."""
    flags, granule, serial = struct.unpack_from("<BQI", piece, place + 5)
    if flags & 2:
        if not links or links[-1].begun:
            links.append(_Link(begin + place))
        rate = _sound_rate(piece[body : body + min(sum(piece[place + 27 : body]), 80)])
        if rate:
            links[-1].tracks[serial] = _Track(rate)
        return
    if not links:
        return
    links[-1].begun = True
    track = links[-1].tracks.get(serial)
    if track is not None and granule != _NO_GRANULE and granule < 1 << 62:
        if track.first is None and granule:
            track.first = granule
        track.last = granule


def _sound_rate(packet: bytes) -> int:
    """Rate in Hz of the sound that a stream's first packet announces; 0 if it is not sound."""
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return struct.unpack_from("<I", packet, 12)[0]
    if packet[:8] == b"OpusHead":
        return 48_000
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 51:
        return int.from_bytes(packet[27:30], "big") >> 4
    if packet[:8] == b"Speex   " and len(packet) >= 40:
        return struct.unpack_from("<I", packet, 36)[0]
    return 0


def _cut(file: ByteSource, size: int) -> str:
    """The last page must be whole and say that it is the last; tags may follow it."""
    tail = read_at(file, max(size - 70_000, 0), 70_000)
    position = len(tail)
    while (position := tail.rfind(b"OggS", 0, position)) >= 0:
        page = tail[position : position + 27]
        if len(page) == 27 and page[4] == 0 and page[5] <= 7:
            lacing = tail[position + 27 : position + 27 + page[26]]
            if len(lacing) < page[26] or position + 27 + page[26] + sum(lacing) > len(tail):
                return "its last page is cut"
            return "" if page[5] & 4 else "the page that ends the stream is missing"
        if len(page) < 27:
            return "its last page is cut"
    return "the page that ends the stream is missing"
