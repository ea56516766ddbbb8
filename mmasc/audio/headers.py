"""The length of a sound file, read from its header and its end, without decoding.

Decoders shorten the length to what a cut file still holds, guess it, or stop at it where more is there; so that such
files are told from whole ones, the few bytes that declare the length are read here, and held against what is there.
"""

from mmasc.audio.boxes import is_mp4, walk_boxes
from mmasc.audio.chunks import measure
from mmasc.audio.flac import measure_flac
from mmasc.audio.layout import ByteSource, Header, read_at
from mmasc.audio.mpeg import walk_frames
from mmasc.audio.ogg import walk_pages

__all__ = ["Header", "read_header"]


def read_header(file: ByteSource, size: int) -> Header:
    """Header of an open file; one without a known header gives `Header()`.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
    Raises:
        OSError: If the file cannot be read.
    """
    start = read_at(file, 0, 16)
    if (header := measure(file, size, start)) is not None:
        return header
    if start[:4] == b"OggS":
        return walk_pages(file, size)
    if is_mp4(start):
        return walk_boxes(file, size)
    offset = _skip_id3(file, size)
    if read_at(file, offset, 4) == b"fLaC":
        return measure_flac(file, size, offset)
    if offset or (len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0):
        walk = walk_frames(file, size, offset)
        if walk is None:
            return Header()
        return Header(walk.seconds, walk.cut, walk.first, walk.irregular, holds=walk.holds)
    return Header()


def _skip_id3(file: ByteSource, size: int) -> int:
    """Byte behind ID3v2 tags at the beginning."""
    position = 0
    for _ in range(16):
        tag = read_at(file, position, 10)
        if len(tag) < 10 or tag[:3] != b"ID3" or max(tag[6:10]) > 0x7F:
            break
        length = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        position += 10 + length + (10 if tag[5] & 0x10 else 0)
    return position if position < size else 0
