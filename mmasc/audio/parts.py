"""Whole files of chunks one after the other (cat a.wav b.wav): where each of them begins.

Sources: those of `chunks.py`. RIFF, RF64, W64 and AIFF say in front how long the whole file is; CAF is as long as its
chunks, and AU as its samples.
"""

import struct

from mmasc.audio.declared import MOST_CHUNKS
from mmasc.audio.layout import ByteSource, Header, read_at

W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_UNKNOWN = 0xFFFFFFFF  # what writers to a pipe give as a length


def joined(file: ByteSource, size: int, start: bytes) -> Header | None:
    """Header of several files one after the other; None if there is one.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
        start: Its first 16 bytes.
    """
    begins = [0]
    while len(begins) < MOST_CHUNKS:
        following = _following(file, begins[-1], start)
        if following is None:
            break
        begins.append(following)
    return None if len(begins) == 1 else Header(parts=tuple(zip(begins, [*begins[1:], size], strict=True)))


def _following(file: ByteSource, position: int, start: bytes) -> int | None:
    """Where the next file of this kind begins; None where something else stands, or nothing."""
    if start[:4] == b"caff":
        return _behind_chunks(file, position, start[:8])
    length = _length(file, position, start)
    if length is None:
        return None
    following = position + length
    if read_at(file, following, 1) == b"\0" and read_at(file, following + 1, 4) == start[:4]:
        following += 1  # behind an odd number of bytes
    return following if _begins(read_at(file, following, 24), start) else None


def _length(file: ByteSource, position: int, start: bytes) -> int | None:
    """Bytes of the file at a position as it says itself; None where it does not."""
    head = read_at(file, position, 28)
    if start == W64_RIFF:
        length = int.from_bytes(head[16:24], "little")
        return length if length >= 24 else None
    if start[:4] in (b".snd", b"dns."):
        order = ">" if start[:4] == b".snd" else "<"
        offset, length = struct.unpack(order + "2I", head[4:12]) if len(head) >= 12 else (0, 0)
        return offset + length if length not in (0, _UNKNOWN) else None
    little = start[:4] in (b"RIFF", b"RF64", b"BW64")
    length = int.from_bytes(head[4:8], "little" if little else "big")
    if length == _UNKNOWN and head[12:16] == b"ds64":
        length = int.from_bytes(head[20:28], "little")
    return 8 + length


def _begins(head: bytes, start: bytes) -> bool:
    """Whether a file of the same kind begins with these 24 bytes."""
    if start == W64_RIFF:
        return head[:16] == start
    if start[:4] in (b".snd", b"dns."):
        order = ">" if start[:4] == b".snd" else "<"
        offset, encoding, rate, channels = struct.unpack(order + "I4x3I", head[4:]) if len(head) == 24 else (0, 0, 0, 0)
        # Of a mark of four bytes alone sound has too many
        return head[:4] == start[:4] and offset >= 24 and 0 < encoding < 256 and rate > 0 < channels
    return (head[:4], head[8:12]) == (start[:4], start[8:12])


def _behind_chunks(file: ByteSource, position: int, mark: bytes) -> int | None:
    """Where the mark of CAF stands in the place of a chunk."""
    position += 8
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 12)
        if head[:8] == mark:
            return position
        length = struct.unpack(">q", head[4:])[0] if len(head) == 12 else -1
        if length < 0:
            return None
        position += 12 + length
    return None
