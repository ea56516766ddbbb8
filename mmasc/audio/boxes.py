"""MP4 and its kin (m4a, mov, 3gp), box by box: where several files lie one after the other.

Source: ISO/IEC 14496-12, section 4.2 (boxes) and 4.3 (the box of the file type, which stands in front).
"""

from mmasc.audio.layout import ByteSource, Header, read_at

# A day of fragments of two seconds has twice 43,200
_MOST_BOXES = 1 << 18


def is_mp4(start: bytes) -> bool:
    """Whether a file that begins with these bytes is one of boxes."""
    return start[4:8] == b"ftyp"


def walk_boxes(file: ByteSource, size: int) -> Header:
    """Header of a file of boxes: its parts, if whole files follow one another; what they hold, their decoder finds.

    Args:
        file: Open for reading, unbuffered; its position is moved.
        size: Bytes in the file.
    """
    begins, position = list[int](), 0
    for _ in range(_MOST_BOXES):
        head = read_at(file, position, 16)
        if is_mp4(head):
            begins.append(position)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        # 0: the box goes on to the end of the file; less than its own head, or beyond the end: damage or a cut file
        if length < 8 or position + length >= size:
            break
        position += length
    return Header() if len(begins) < 2 else Header(parts=tuple(zip(begins, [*begins[1:], size], strict=True)))
