"""mp3 and its older layers, frame by frame without decoding: where the sound begins, whether all of it is there.

Sources: ISO 11172-3 and 13818-3 (frame headers), the Xing tag as LAME writes it (length, encoder's delay and padding).
"""

import re
from dataclasses import dataclass

from mmasc.audio.layout import ByteSource, read_at

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


_SYNC = re.compile(rb"\xff[\xe2-\xff]")


def _frames() -> tuple[dict[int, int], dict[int, float]]:
    """Length of a frame in bytes and in seconds by the second and third byte of its header."""
    lengths, seconds = {}, {}
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
            lengths[second << 8 | third] = length
            seconds[second << 8 | third] = (384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152) / rate
    return lengths, seconds


_FRAME_BYTES, _FRAME_SECONDS = _frames()


@dataclass(frozen=True)
class Walk:
    """What the frames of a file say.

    Attributes:
        first: Byte at which the first frame begins.
        seconds: Length that the tag in the first frame declares, without the encoder's delay and padding; None without
            a tag.
        cut: How we know that the end is missing, as half a sentence; "" if it is there.
        irregular: The bytes from the first frame to the last are not all frames, or not as many as declared.
        holds: Seconds that all frames add up to.
    """

    first: int
    seconds: float | None
    cut: str
    irregular: bool
    holds: float


def walk_frames(file: ByteSource, size: int, offset: int) -> Walk | None:
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
    head = read_at(file, offset, _PIECE_BYTES)
    skipped = _next_frame(head, 0, min(len(head), 65_536))
    if skipped < 0:
        return None
    first = offset + skipped
    tag = _xing(head, skipped)
    irregular = head[:skipped].strip(b"\0") != b"" or _size_differs(tag, size - first)
    piece, begin, position, count, seconds, strange = head, offset, first, 0, 0.0, False
    while position + 3 <= size:
        place = position - begin
        if place + 3 > len(piece):
            # A piece and not a map of the file: a map of a file that is cut or unplugged meanwhile kills the process
            piece, begin, place = read_at(file, position, _PIECE_BYTES), position, 0
            if len(piece) < 3:
                break
        key = piece[place + 1] << 8 | piece[place + 2]
        length = _FRAME_BYTES.get(key) if piece[place] == 0xFF else None
        if length is None:
            strange = True
            if place and place + 65_536 > len(piece):
                piece, begin, place = read_at(file, position, _PIECE_BYTES), position, 0
            position += _strange_bytes(piece, place)
            continue
        # Only frames behind which something comes that is none: what stands at the end may be a tag
        irregular = irregular or strange
        position += length
        count += 1
        seconds += _FRAME_SECONDS[key]
    cut = ""
    if position > size and not strange:
        cut = "its last frame is cut"
    elif tag is not None and count - 1 < tag.frames and not irregular:
        cut = f"its header declares {tag.frames} frames, it holds {count - 1}"
    if tag is not None and count - 1 > tag.frames + 1:
        # Further recordings behind the first, or a wrong tag
        tag, irregular = None, True
    return Walk(first, tag.seconds if tag else None, cut, irregular or bool(cut), seconds)


def _strange_bytes(piece: bytes, place: int) -> int:
    """How many bytes to skip where there is no frame: a tag, or up to the next two frames; never 0."""
    head = piece[place : place + 32]
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        # The length counts the footer, not the header; flag 31: this is the header
        return 32 + (int.from_bytes(head[12:16], "little") if head[23] & 0x20 else 0)
    found = _next_frame(piece, place + 1, len(piece))
    return (found if found >= 0 else len(piece)) - place


def _next_frame(data: bytes, begin: int, end: int) -> int:
    """First place in data[begin:end] where two frames follow each other (or one ends the data); -1 if there is none."""
    if not begin and data.startswith(_AFTER):
        return -1
    for match in _SYNC.finditer(data, begin, end):
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
