"""mp3 and its older layers, frame by frame without decoding: where the sound begins, whether all of it is there.

Sources: ISO 11172-3 and 13818-3 (frame headers), the Xing tag as LAME writes it (length, encoder's delay and padding).
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

_PIECE_BYTES = 1 << 20  # read at once
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


@dataclass(frozen=True)
class Walk:
    """What the frames of a file say.

    Attributes:
        first: Byte at which the first frame begins.
        seconds: Length that the tag in the first frame declares, without the encoder's delay and padding; None without
            a tag.
        cut: How we know that the end is missing, as half a sentence; "" if it is there.
        irregular: The bytes from the first frame to the last are not all frames, or not as many as declared.
    """

    first: int
    seconds: float | None
    cut: str
    irregular: bool


def walk_frames(file: BinaryIO, size: int, offset: int) -> Walk | None:
    """Walk from frame to frame: half a microsecond each, against twenty or more to decode one.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
        offset: Where to begin, behind the tags.
    Returns:
        None if no two frames follow each other near the beginning: no such file.
    Raises:
        OSError: If the file cannot be read.
    """
    file.seek(offset)
    head = file.read(_PIECE_BYTES)
    skipped = _next_frame(head, min(len(head), 65_536))
    if skipped < 0:
        return None
    first = offset + skipped
    tag = _xing(head, skipped)
    irregular = head[:skipped].strip(b"\0") != b"" or _size_differs(tag, size - first)
    piece, begin, position, count = head, offset, first, 0
    while position + 3 <= size:
        place = position - begin
        if place + 3 > len(piece):
            # A piece and not a map of the file: a map of a file that is cut or unplugged meanwhile kills the process
            file.seek(position)
            piece, begin, place = file.read(_PIECE_BYTES), position, 0
            if len(piece) < 3:
                break
        length = _FRAME_BYTES.get(piece[place + 1] << 8 | piece[place + 2]) if piece[place] == 0xFF else None
        if length is None:
            irregular = irregular or _next_frame(piece[place:], _PIECE_BYTES) >= 0
            break
        position += length
        count += 1
    cut = ""
    if position > size:
        cut = "its last frame is cut"
    elif tag is not None and count - 1 < tag.frames and not irregular:
        cut = f"its header declares {tag.frames} frames, it holds {count - 1}"
    return Walk(first, tag.seconds if tag else None, cut, irregular or bool(cut))


def _next_frame(data: bytes, end: int) -> int:
    """First place in data[:end] where two frames follow each other (or one ends the data); -1 if there is none."""
    if data.startswith(_AFTER):
        return -1
    for match in re.compile(rb"\xff[\xe2-\xff]").finditer(data, 0, end):
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


@dataclass(frozen=True)
class _Tag:
    """What the Xing tag declares: frames (without its own), bytes (0: not said), seconds without delay and padding."""

    frames: int
    size: int
    seconds: float


def _xing(data: bytes, first: int) -> _Tag | None:
    """The tag in the first frame."""
    version, mono = data[first + 1] >> 3 & 3, data[first + 3 : first + 4] >= b"\xc0"
    rate = _RATES[version][data[first + 2] >> 2 & 3]
    place = first + 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))
    if data[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(data[place + 4 : place + 8], "big")
    if not flags & 1:
        return None
    frames = int.from_bytes(data[place + 8 : place + 12], "big")
    size = int.from_bytes(data[place + 12 : place + 16], "big") if flags & 2 else 0
    samples = frames * (1152 if version == 3 else 576)
    # Behind the fields that the flags announce: nine bytes of encoder name, twelve others, then twice twelve bits
    lame = place + 12 + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    if data[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
        trim = int.from_bytes(data[lame + 21 : lame + 24], "big")
        samples -= (trim >> 12) + (trim & 0xFFF)
    return _Tag(frames, size, max(samples, 0) / rate)


def _size_differs(tag: _Tag | None, size: int) -> bool:
    """Whether the bytes declared are off by the percent at which the decoder inside soundfile complains."""
    return tag is not None and tag.size > 0 and abs(tag.size - size) > 0.009 * tag.size
