"""What a file says of its own length, read from its header and its end.

Decoders shorten the length to what a cut file still holds, or guess it; so that a cut file is told from a whole one,
the few bytes that declare the length are read here. Sources: RIFF/WAVE (Microsoft), EBU Tech 3306 (RF64), Sony W64,
AIFF and CAF (Apple), AU (Sun), FLAC (RFC 9639), Ogg (RFC 3533); mpeg.py has mp3.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from mmasc.audio.mpeg import walk_frames

# No header of a sane file has more pieces; a hostile one ends here.
_MOST_CHUNKS = 4096
# What is missing at the end of a file by sloppy counting, in seconds of sound: below, a file counts as whole.
_SLOPPY_SECONDS = 1e-3
_W64 = {
    "riff": bytes.fromhex("726966662e91cf11a5d628db04c10000"),
    "fmt ": bytes.fromhex("666d7420f3acd3118cd100c04f8edb8a"),
    "data": bytes.fromhex("64617461f3acd3118cd100c04f8edb8a"),
}


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is decoded.

    Attributes:
        seconds: Declared length; None where the format or this file does not declare one.
        cut: How we know that the end of the file is missing, as half a sentence; "" if it is there.
        offset: Byte at which the sound begins, behind tags that the decoder should not see.
        irregular: Something in the file does not fit, as `walk_frames` finds it.
    """

    seconds: float | None = None
    cut: str = ""
    offset: int = 0
    irregular: bool = False


def read_header(file: BinaryIO, size: int) -> Header:
    """Header of an open file; one without a known header gives `Header()`.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
    Raises:
        OSError: If the file cannot be read.
    """
    start = _at(file, 0, 16)
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return _riff(file, size, ">" if start[:4] == b"RIFX" else "<")
    if start == _W64["riff"]:
        return _w64(file, size)
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, size)
    if start[:4] == b"caff":
        return _caf(file, size)
    if start[:4] in (b".snd", b"dns."):
        return _au(file, size, ">" if start[:4] == b".snd" else "<")
    if start[:4] == b"OggS":
        return _ogg(file, size)
    offset = _skip_id3(file, size)
    if _at(file, offset, 4) == b"fLaC":
        return _flac(file, offset)
    if offset or (len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0):
        walk = walk_frames(file, size, offset)
        return Header(walk.seconds, walk.cut, walk.first, walk.irregular) if walk is not None else Header()
    return Header()


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _compare(declared: int, available: int, bytes_per_second: float, exact: bool = True) -> Header:
    """Header of a format that declares the bytes of its samples; not exact: compressed, the rate is an average."""
    if not bytes_per_second > 0 or declared < 0:
        return Header()
    cut = ""
    if declared - available > bytes_per_second * _SLOPPY_SECONDS:
        cut = f"its header declares {declared} bytes of samples, it holds {available}"
    return Header(declared / bytes_per_second if exact else None, cut)


def _riff(file: BinaryIO, size: int, order: str) -> Header:
    position, bytes_per_second, exact, long_size = 12, 0.0, True, None
    for _ in range(_MOST_CHUNKS):
        chunk = _at(file, position, 8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack(order + "4sI", chunk)
        position += 8
        if name == b"fmt ":
            body = _at(file, position, 16)
            if len(body) == 16:
                code, _, rate, average, frame_bytes, _ = struct.unpack(order + "HHIIHH", body)
                exact = code in (1, 3, 6, 7, 0xFFFE)
                bytes_per_second = float(rate * frame_bytes if exact else average)
        elif name == b"ds64":
            body = _at(file, position, 16)
            if len(body) == 16:
                long_size = struct.unpack(order + "8xQ", body)[0]
        elif name == b"data":
            available = max(size - position, 0)
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif (length >= 0x7FFFF000 and length > available) or (length == 0 and available > 0):
                # Written to a pipe, or never closed: the writer did not know.
                return Header()
            return _compare(length, available, bytes_per_second, exact)
        position += length + (length & 1)
    return Header()


def _w64(file: BinaryIO, size: int) -> Header:
    position, bytes_per_second = 40, 0.0
    for _ in range(_MOST_CHUNKS):
        chunk = _at(file, position, 24)
        if len(chunk) < 24:
            break
        name, length = struct.unpack("<16sQ", chunk)
        if name == _W64["fmt "]:
            body = _at(file, position + 24, 16)
            if len(body) == 16:
                _, _, rate, _, frame_bytes, _ = struct.unpack("<HHIIHH", body)
                bytes_per_second = float(rate * frame_bytes)
        elif name == _W64["data"]:
            return _compare(length - 24, max(size - position - 24, 0), bytes_per_second)
        position += max(length + 7 & ~7, 24)
    return Header()


def _aiff(file: BinaryIO, size: int) -> Header:
    position, frames, rate = 12, 0, 0.0
    cut = ""
    for _ in range(_MOST_CHUNKS):
        chunk = _at(file, position, 8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack(">4sI", chunk)
        position += 8
        if name == b"COMM":
            body = _at(file, position, 18)
            if len(body) == 18:
                _, frames, _, exponent, mantissa = struct.unpack(">hIhHQ", body)
                rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16446) if exponent & 0x7FFF < 16446 else 0.0
        elif name == b"SSND" and length > size - position:
            cut = f"its header declares {length} bytes of samples, it holds {max(size - position, 0)}"
        position += length + (length & 1)
    return Header(frames / rate, cut) if rate > 0 else Header(None, cut)


def _caf(file: BinaryIO, size: int) -> Header:
    position, bytes_per_second = 8, 0.0
    for _ in range(_MOST_CHUNKS):
        chunk = _at(file, position, 12)
        if len(chunk) < 12:
            break
        name, length = struct.unpack(">4sq", chunk)
        position += 12
        if name == b"desc":
            body = _at(file, position, 24)
            if len(body) == 24:
                rate, _, _, packet_bytes, packet_frames = struct.unpack(">d4sIII", body)
                # 0 bytes: packets of different lengths, the header does not tell seconds
                bytes_per_second = rate * packet_bytes / packet_frames if packet_frames else 0.0
        elif name == b"data":
            # The chunk begins with an edit count of four bytes; -1: written to a pipe
            return _compare(length - 4, size - position - 4, bytes_per_second) if length >= 0 else Header()
        if length < 0:
            break
        position += length
    return Header()


def _au(file: BinaryIO, size: int, order: str) -> Header:
    head = _at(file, 4, 20)
    if len(head) < 20:
        return Header()
    offset, length, encoding, rate, channels = struct.unpack(order + "5I", head)
    sample_bytes = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)
    available = max(size - offset, 0)
    if length == 0xFFFFFFFF or (length == 0 and available > 0):
        return Header()
    return _compare(length, available, float(rate * channels * sample_bytes))


def _flac(file: BinaryIO, offset: int) -> Header:
    info = _at(file, offset + 4, 38)
    if len(info) < 38 or info[0] & 0x7F != 0:
        return Header()
    packed = int.from_bytes(info[14:22], "big")
    rate, frames = packed >> 44, packed & 0xFFFFFFFFF
    return Header(frames / rate) if rate and frames else Header()


def _ogg(file: BinaryIO, size: int) -> Header:
    """The last page must be whole and say that it is the last."""
    # A page has at most 65,307 bytes; tags may follow it.
    tail = _at(file, max(size - 70_000, 0), 70_000)
    position = len(tail)
    while (position := tail.rfind(b"OggS", 0, position)) >= 0:
        page = tail[position : position + 27]
        if len(page) == 27 and page[4] == 0 and page[5] <= 7:
            lacing = tail[position + 27 : position + 27 + page[26]]
            if len(lacing) < page[26] or position + 27 + page[26] + sum(lacing) > len(tail):
                return Header(cut="its last page is cut")
            return Header(cut="" if page[5] & 4 else "the page that ends the stream is missing")
        if len(page) < 27:
            return Header(cut="its last page is cut")
    return Header(cut="the page that ends the stream is missing")


def _skip_id3(file: BinaryIO, size: int) -> int:
    """Byte behind ID3v2 tags at the beginning."""
    position = 0
    for _ in range(16):
        tag = _at(file, position, 10)
        if len(tag) < 10 or tag[:3] != b"ID3" or max(tag[6:10]) > 0x7F:
            break
        length = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        position += 10 + length + (10 if tag[5] & 0x10 else 0)
    return position if position < size else 0
