"""What a file says of its own length, read from its header and its end.

Decoders shorten the length to what a cut file still holds, or guess it; so that a cut file is told from a whole one,
the few bytes that declare the length are read here. Sources: RIFF/WAVE (Microsoft), EBU Tech 3306 (RF64), Sony W64, AIFF
(Apple), CAF (Apple), AU (Sun), FLAC (RFC 9639), Ogg (RFC 3533), MPEG audio frame headers (ISO 11172-3), Xing/LAME tag.
"""

import mmap
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

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
        damaged: The bytes between the first and the last frame are not all frames.
    """

    seconds: float | None = None
    cut: str = ""
    offset: int = 0
    damaged: bool = False


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
        return _mpeg(file, size, offset)
    return Header()


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _compare(declared: int, available: int, bytes_per_second: float) -> Header:
    """Header of a format that declares the bytes of its samples."""
    if not bytes_per_second > 0:
        return Header()
    cut = ""
    if declared - available > bytes_per_second * _SLOPPY_SECONDS:
        cut = f"its header declares {declared} bytes of samples, it holds {available}"
    return Header(declared / bytes_per_second, cut)


def _riff(file: BinaryIO, size: int, order: str) -> Header:
    position, bytes_per_second, long_size = 12, 0.0, None
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
                # The average is often wrong, and needed for compressed samples only.
                bytes_per_second = rate * frame_bytes if code in (1, 3, 6, 7, 0xFFFE) else average
        elif name == b"ds64":
            body = _at(file, position, 16)
            if len(body) == 16:
                long_size = struct.unpack(order + "8xQ", body)[0]
        elif name == b"data":
            available = max(size - position, 0)
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif length >= 0x7FFFF000 and length > available or (length == 0 and available > 0):
                # Written to a pipe, or never closed: the writer did not know.
                return Header()
            return _compare(length, available, bytes_per_second)
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
                bytes_per_second = rate * frame_bytes
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
    if length == 0xFFFFFFFF:
        return Header()
    return _compare(length, max(size - offset, 0), rate * channels * sample_bytes)


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


# --- MPEG audio, layers I to III ---

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_KBITS = {
    (1, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # by (1: MPEG 1, 2: MPEG 2 and 2.5) and layer bits
_AFTER = (b"TAG", b"APETAGEX", b"LYRICS", b"ID3")  # tags that may follow the last frame


def _frame_bytes() -> dict[int, int]:
    """Length of a frame by the second and third byte of its header."""
    table = {}
    for second in range(0xE0, 0x100):
        version, layer = second >> 3 & 3, second >> 1 & 3
        if version == 1 or layer == 0:
            continue
        kbits = _KBITS[1 if version == 3 else 2, layer]
        for third in range(256):
            index, rate_index, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
            if not 1 <= index <= 14 or rate_index == 3:
                continue
            bits, rate = kbits[index - 1] * 1000, _RATES[version][rate_index]
            if layer == 3:
                length = (12 * bits // rate + padding) * 4
            else:
                length = (72 if layer == 1 and version != 3 else 144) * bits // rate + padding
            table[second << 8 | third] = length
    return table


_FRAME_BYTES = _frame_bytes()


def _mpeg(file: BinaryIO, size: int, offset: int) -> Header:
    """Walk from frame to frame: half a microsecond each, against twenty or more to decode one."""
    if size - offset < 4:
        return Header()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _next_frame(data, offset, min(size, offset + 65_536))
        if first < 0:
            return Header()
        seconds, frames_declared = _xing(data, first)
        position, count, cut, damaged = first, 0, "", first > offset and data[offset:first].strip(b"\0") != b""
        while position + 3 <= size:
            length = _FRAME_BYTES.get(data[position + 1] << 8 | data[position + 2]) if data[position] == 0xFF else None
            if length is None:
                damaged = damaged or _next_frame(data, position, size) >= 0
                break
            position += length
            count += 1
        if position > size:
            cut = "its last frame is cut"
        elif frames_declared and count - 1 < frames_declared and not damaged:
            cut = f"its header declares {frames_declared} frames, it holds {count - 1}"
        return Header(seconds, cut, first, damaged or bool(cut))


def _next_frame(data: mmap.mmap, begin: int, end: int) -> int:
    """First place in [begin, end) where two frames follow each other (or one ends the file); -1 if there is none."""
    if any(data[begin : begin + len(tag)] == tag for tag in _AFTER):
        return -1
    for match in re.compile(rb"\xff[\xe2-\xff]").finditer(data, begin, end):
        position = match.start()
        for _ in range(2):
            if position == len(data):
                break
            header = data[position : position + 3]
            length = _FRAME_BYTES.get(header[1] << 8 | header[2]) if len(header) == 3 and header[0] == 0xFF else None
            if length is None:
                position = -1
                break
            position += length
        if position >= 0:
            return match.start()
    return -1


def _xing(data: mmap.mmap, first: int) -> tuple[float | None, int]:
    """Seconds (without the encoder's delay and padding) and frames that the tag in the first frame declares."""
    version, mono = data[first + 1] >> 3 & 3, data[first + 3 : first + 4] >= b"\xc0"
    rate = _RATES[version][data[first + 2] >> 2 & 3]
    per_frame = 1152 if version == 3 else 576
    place = first + 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))
    if data[place : place + 4] not in (b"Xing", b"Info"):
        return None, 0
    flags = int.from_bytes(data[place + 4 : place + 8], "big")
    if not flags & 1:
        return None, 0
    frames = int.from_bytes(data[place + 8 : place + 12], "big")
    samples = frames * per_frame
    # Behind the fields that the flags announce: nine bytes of encoder name, twelve others, then twice twelve bits
    lame = place + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    trim = int.from_bytes(data[lame + 21 : lame + 24], "big")
    if data[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
        samples -= (trim >> 12) + (trim & 0xFFF)
    return max(samples, 0) / rate, frames
