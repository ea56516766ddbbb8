"""FLAC: what its header says of its length, and what its last frames and further headers say.

Source: RFC 9639.
"""

from collections.abc import Iterator

from mmasc.audio.layout import ByteSource, Header, read_at

_PIECE_BYTES = 1 << 20  # read at once
_TAIL_BYTES = 1 << 18  # in which the last two frames lie, except for very many channels
_MARK = b"fLaC\0\0\0\x22"  # and always a STREAMINFO of 34 bytes
_MOST_PARTS = 4096
_SIZES = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608} | {code: 256 << code - 8 for code in range(8, 16)}


def measure_flac(file: ByteSource, size: int, offset: int) -> Header:
    """Header of a FLAC file whose mark stands at `offset`.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
        offset: Byte of the mark, behind tags.
    """
    info = read_at(file, offset + 4, 38)
    if len(info) < 38 or info[0] & 0x7F != 0:
        return Header()
    begins = [offset, *_further(file, offset + 42, size)]
    if len(begins) > 1:
        return Header(parts=tuple(zip(begins, [*begins[1:], size], strict=True)))
    packed = int.from_bytes(info[14:22], "big")
    rate, frames = packed >> 44, packed & 0xFFFFFFFFF
    there = _frames_there(read_at(file, max(size - _TAIL_BYTES, offset + 42), _TAIL_BYTES), info)
    if not rate or not frames:
        return Header(holds=there / rate if rate and there else None)
    if there <= frames:
        return Header(frames / rate)
    # The decoder stops at the length that it sees: let it see the right one
    patch = (packed & ~0xFFFFFFFFF | there & 0xFFFFFFFFF).to_bytes(8, "big")
    remark = f"its header declares {frames / rate:.3f} s, all of {there / rate:.3f} s was read"
    return Header(there / rate, patch=(offset + 18, patch), remark=remark)


def _further(file: ByteSource, position: int, size: int) -> list[int]:
    """Where further files begin behind the first (cat a.flac b.flac)."""
    begins: list[int] = []
    while position < size and len(begins) < _MOST_PARTS:
        piece = read_at(file, position, _PIECE_BYTES)
        place = -1
        while (place := piece.find(_MARK, place + 1)) >= 0:
            info = piece[place + 8 : place + 26]
            # A block has at least 16 samples, and a rate that is not 0
            if len(info) == 18 and info[:2] >= b"\0\x10" and int.from_bytes(info[10:13], "big") >> 4:
                begins.append(position + place)
        if len(piece) < _PIECE_BYTES:
            break
        position += len(piece) - 32
    return sorted(set(begins))


def _frames_there(tail: bytes, info: bytes) -> int:
    """Samples up to the end of the last frame in the tail of a file; 0 if no two frames follow each other in it."""
    least, most = int.from_bytes(info[4:6], "big"), int.from_bytes(info[6:8], "big")
    first: set[int] = set()
    there = 0
    for begin, count in _frame_headers(tail, least, most):
        if begin in first:
            there = begin + count
        first.add(begin + count)
    return there


def _frame_headers(data: bytes, least: int, most: int) -> Iterator[tuple[int, int]]:
    """(first sample, samples) of what look like frame headers, with a right checksum."""
    place = -1
    while (place := data.find(b"\xff", place + 1)) >= 0:
        head = data[place : place + 16]
        if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[2] & 15 == 15 or head[3] >> 4 > 10 or head[3] & 1:
            continue
        code = head[2] >> 4
        extra = {6: 1, 7: 2}.get(code, 0)
        ones = 8 - (head[4] ^ 0xFF).bit_length()  # how many bytes the number takes, as in UTF-8
        length = max(ones, 1)
        end = 4 + length + extra + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
        if not code or ones in (1, 8) or len(head) <= end or _checksum(head[:end]) != head[end]:
            continue
        number = head[4] & (0xFF >> ones + 1) if ones else head[4]
        for sign in head[5 : 4 + length]:
            number = number << 6 | sign & 0x3F
        count = int.from_bytes(head[4 + length : 4 + length + extra], "big") + 1 if extra else _SIZES[code]
        if count > max(most, least):
            continue
        yield (number if head[1] & 1 else number * least), count


def _checksum(data: bytes) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 7 if crc & 0x80 else crc << 1) & 0xFF
    return crc
