"""Lengths of files made of chunks: RIFF/WAVE, RF64, W64, AIFF, CAF; and AU, which has one.

What a header declares is held against what is there in `declared.py`.
Sources: RIFF/WAVE (Microsoft), EBU Tech 3306 (RF64), Sony W64, AIFF and CAF (Apple), AU (Sun).
"""

import math
import struct
from dataclasses import replace

from mmasc.audio.declared import CHUNKS, MOST_CHUNKS, Form, judge
from mmasc.audio.layout import ByteSource, Chunk, ChunkAt, Header, Samples, read_at
from mmasc.audio.parts import W64_RIFF, joined
from mmasc.audio.pcm import sample_bytes

_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the names of all chunks that W64 itself defines


def measure(file: ByteSource, size: int, start: bytes) -> Header | None:
    """Header of a file made of chunks; None if it is another file.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
        start: Its first 16 bytes.
    """
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return joined(file, size, start) or _riff(file, size, ">" if start[:4] == b"RIFX" else "<")
    if start == W64_RIFF:
        return joined(file, size, start) or _w64(file, size)
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return joined(file, size, start) or _aiff(file, size)
    if start[:4] == b"caff":
        return joined(file, size, start) or _caf(file, size)
    if start[:4] in (b".snd", b"dns."):
        return joined(file, size, start) or _au(file, size, ">" if start[:4] == b".snd" else "<")
    return None


def _riff_chunk(order: str) -> ChunkAt:
    def chunk_at(file: ByteSource, position: int) -> Chunk | None:
        head = read_at(file, position, 8)
        if len(head) < 8 or not all(0x20 <= sign < 0x7F for sign in head[:4]):
            return None
        length = struct.unpack(order + "I", head[4:])[0]
        return Chunk(position + 8, length, position + 8 + length + (length & 1))

    return chunk_at


def _riff(file: ByteSource, size: int, order: str) -> Header:
    position, form, long_size, unpadded = 12, Form(), None, False
    for _ in range(MOST_CHUNKS):
        chunk = read_at(file, position, 8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack(order + "4sI", chunk)
        position += 8
        if name == b"fmt ":
            form = _wave_form(read_at(file, position, 26), order)
        elif name == b"ds64":
            body = read_at(file, position, 16)
            if len(body) == 16:
                long_size = struct.unpack(order + "8xQ", body)[0]
        elif name == b"data":
            available = max(size - position, 0)
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif length >= 0x7FFFF000 and length > available:
                # Written to a pipe, or never closed: the writer did not know.
                return Header()
            found = judge(file, size, position, length, form, _riff_chunk(order), long_size is None)
            return _placed(found, position, min(length, available), form) if unpadded else found
        position, is_odd = _behind(file, position, length)
        unpadded = unpadded or is_odd
    return Header()


def _placed(header: Header, position: int, length: int, form: Form) -> Header:
    """The same header with the place of the samples, for files in which decoders do not find them."""
    if header.samples is not None or not form.kind:
        return header
    return replace(header, samples=Samples(position, length, form.kind, form.channels, form.sample_rate))


def _behind(file: ByteSource, position: int, length: int) -> tuple[int, bool]:
    """Where the next chunk of RIFF or AIFF begins, and whether the byte that makes an odd length even is missing."""
    position += length
    if not length & 1 or read_at(file, position, 4) in CHUNKS:
        return position, bool(length & 1)
    return position + 1, False


def _wave_form(body: bytes, order: str) -> Form:
    """The fmt chunk of WAVE."""
    if len(body) < 16:
        return Form()
    code, channels, rate, average, frame_bytes, _ = struct.unpack(order + "HHIIHH", body[:16])
    exact = code in (1, 3, 6, 7, 0xFFFE)
    if code == 0xFFFE and len(body) == 26:
        code = struct.unpack(order + "H", body[24:])[0]
    width = frame_bytes // channels if channels and frame_bytes % channels == 0 else 0
    kinds = {
        (1, 1): "u1", (1, 2): order + "i2", (1, 3): order + "i3", (1, 4): order + "i4", (3, 4): order + "f4",
        (3, 8): order + "f8", (6, 1): "alaw", (7, 1): "ulaw",
    }  # fmt: skip
    return Form(rate, channels, kinds.get((code, width), ""), float(rate * frame_bytes if exact else average), exact)


def _w64_chunk(file: ByteSource, position: int) -> Chunk | None:
    head = read_at(file, position, 24)
    if len(head) < 24 or head[4:16] != _W64_END:
        return None
    length = int.from_bytes(head[16:], "little")
    return Chunk(position + 24, length - 24, position + (length + 7 & ~7)) if length >= 24 else None


def _w64(file: ByteSource, size: int) -> Header:
    position, form = 40, Form()
    for _ in range(MOST_CHUNKS):
        chunk = read_at(file, position, 24)
        if len(chunk) < 24:
            break
        name, length = struct.unpack("<16sQ", chunk)
        if name == b"fmt " + _W64_END:
            form = _wave_form(read_at(file, position + 24, 26), "<")
        elif name == b"data" + _W64_END:
            return judge(file, size, position + 24, max(length - 24, 0), form, _w64_chunk, wraps=False)
        position += max(length + 7 & ~7, 24)
    return Header()


def _aiff(file: ByteSource, size: int) -> Header:
    position, frames, form, cut = 12, 0, Form(), ""
    measured, unpadded, begun = Header(), False, False
    for _ in range(MOST_CHUNKS):
        chunk = read_at(file, position, 8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack(">4sI", chunk)
        position += 8
        if name == b"COMM":
            frames, form = _common(read_at(file, position, min(length, 22)))
        elif name == b"SSND" and not begun:
            begun = True
            offset = int.from_bytes(read_at(file, position, 4), "big")
            if length > size - position:
                cut = f"its header declares {length} bytes of samples, it holds {max(size - position, 0)}"
            elif form.kind:
                begin, declared = position + 8 + offset, max(length - 8 - offset, 0)
                found = judge(file, size, begin, declared, form, _riff_chunk(">"), True, 8)
                measured = _placed(found, begin, declared, form) if unpadded else found
        position, is_odd = _behind(file, position, length)
        unpadded = unpadded or is_odd
    if measured.samples is not None:
        return measured
    return Header(frames / form.sample_rate if form.sample_rate > 0 else None, cut, unread=measured.unread)


def _common(body: bytes) -> tuple[int, Form]:
    """Frames and form of the COMM chunk of AIFF."""
    if len(body) < 18:
        return 0, Form()
    channels, frames, bits, exponent, mantissa = struct.unpack(">hIhHQ", body[:18])
    rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16446) if exponent & 0x7FFF < 16446 else 0.0
    width, coding = (bits + 7) // 8, body[18:22]
    kinds = {(b"NONE", 1): "i1", (b"sowt", 1): "i1", (b"raw ", 1): "u1"}
    kinds |= {(name, one): f">i{one}" for name in (b"NONE", b"twos", b"") for one in (2, 3, 4)}
    kinds |= {(b"sowt", one): f"<i{one}" for one in (2, 3, 4)} | {(b"", 1): "i1"}
    kind = {b"fl32": ">f4", b"FL32": ">f4", b"fl64": ">f8", b"FL64": ">f8", b"ulaw": "ulaw", b"ULAW": "ulaw",
            b"alaw": "alaw", b"ALAW": "alaw"}.get(coding) or kinds.get((coding, width), "")  # fmt: skip
    return frames, Form(round(rate), channels, kind, float(rate * channels * sample_bytes(kind)))


def _caf_chunk(file: ByteSource, position: int) -> Chunk | None:
    head = read_at(file, position, 12)
    if len(head) < 12 or not all(0x20 <= sign < 0x7F for sign in head[:4]):
        return None
    length = struct.unpack(">q", head[4:])[0]
    return Chunk(position + 12, length, position + 12 + length) if length >= 0 else None


def _caf(file: ByteSource, size: int) -> Header:
    position, form = 8, Form()
    for _ in range(MOST_CHUNKS):
        chunk = read_at(file, position, 12)
        if len(chunk) < 12:
            break
        name, length = struct.unpack(">4sq", chunk)
        position += 12
        if name == b"desc":
            form = _caf_form(read_at(file, position, 32))
        elif name == b"data":
            # The chunk begins with an edit count of four bytes; -1: written to a pipe
            if length < 0:
                return Header()
            return judge(file, size, position + 4, max(length - 4, 0), form, _caf_chunk, False, 4)
        if length < 0:
            break
        position += length
    return Header()


def _caf_form(body: bytes) -> Form:
    """The desc chunk of CAF."""
    if len(body) < 32:
        return Form()
    rate, coding, flags, packet_bytes, packet_frames, channels, bits = struct.unpack(">d4sIIIII", body)
    # 0 bytes: packets of different lengths, the header does not tell seconds
    per_second = rate * packet_bytes / packet_frames if packet_frames else 0.0
    if not math.isfinite(per_second) or not 0 < rate < 1 << 31:
        return Form()
    order, width = "<" if flags & 2 else ">", bits // 8
    kind = coding.decode("latin-1") if coding in (b"ulaw", b"alaw") else ""
    if coding == b"lpcm" and flags & 1 and width in (4, 8):
        kind = f"{order}f{width}"
    elif coding == b"lpcm" and not flags & 1 and width in (1, 2, 3, 4):
        kind = "i1" if width == 1 else f"{order}i{width}"
    if kind and packet_bytes != packet_frames * channels * sample_bytes(kind):
        kind = ""
    return Form(round(rate), channels, kind, per_second)


def _au(file: ByteSource, size: int, order: str) -> Header:
    head = read_at(file, 4, 20)
    if len(head) < 20:
        return Header()
    offset, length, encoding, rate, channels = struct.unpack(order + "5I", head)
    kind = {1: "ulaw", 2: "i1", 3: order + "i2", 4: order + "i3", 5: order + "i4", 6: order + "f4", 7: order + "f8",
            27: "alaw"}.get(encoding, "")  # fmt: skip
    available = max(size - offset, 0)
    form = Form(rate, channels, kind, float(rate * channels * sample_bytes(kind)))
    if length in (0, 0xFFFFFFFF) and available and kind:
        # The writer did not know, and nothing can stand behind the samples
        return Header(samples=Samples(offset, available, kind, channels, rate))
    if length == 0xFFFFFFFF:
        return Header()
    return judge(file, size, offset, length, form, lambda file, position: None, wraps=True)
