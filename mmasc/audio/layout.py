"""What is known of a file before it is decoded, and pieces of files that decoders take for whole ones."""

import errno
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mmasc.remote.copies import RangeReader
from mmasc.remote.paths import RemotePath

# No file is longer; lengths in damaged headers are, and seeking there raises
_MOST_BYTES = 1 << 60


@runtime_checkable
class ByteSource(Protocol):
    """What headers are read from: a file opened without a buffer, or a window of one."""

    def seek(self, offset: int, whence: int = ..., /) -> int: ...

    def read(self, count: int = ..., /) -> bytes: ...


@dataclass(frozen=True)
class Samples:
    """Where samples lie that are not compressed, for files whose own word on it is wrong.

    Attributes:
        offset: First byte of the samples.
        size: Bytes of samples.
        kind: "<i2" and the like as numpy has it, also "<i3" and ">i3" (24 bits), "alaw", "ulaw".
        channels, sample_rate: As declared.
        more: First byte and bytes of further chunks of samples.
    """

    offset: int
    size: int
    kind: str
    channels: int
    sample_rate: int
    more: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is decoded.

    Attributes:
        seconds: Declared length; None where the format or this file does not declare one.
        cut: How we know that the end of the file is missing, as half a sentence; "" if it is there.
        offset: Byte at which the sound begins, behind tags that the decoder should not see.
        irregular: Something in the file does not fit, as `walk_frames` finds it.
        holds: Seconds that the frames or pages of the file add up to, independent of its header; None if unknown.
        samples: Where the samples lie, if the file's own length of them is wrong.
        parts: Begin and end in bytes of recordings that lie one after the other; empty if there is one.
        patch: Where a decoder should see other bytes than the file has, and these.
        unread: What no decoder here reads, as half a sentence.
        remark: What is odd in a file that is read whole, as half a sentence.
    """

    seconds: float | None = None
    cut: str = ""
    offset: int = 0
    irregular: bool = False
    holds: float | None = None
    samples: Samples | None = None
    parts: tuple[tuple[int, int], ...] = ()
    patch: tuple[int, bytes] | None = None
    unread: str = ""
    remark: str = ""


def open_header(path: Path) -> io.FileIO | RangeReader:
    """A file, opened for the few bytes that a header takes: of a remote one no more is fetched."""
    return RangeReader(path) if isinstance(path, RemotePath) else open(path, "rb", buffering=0)


def open_source(source: Path | bytes) -> io.BytesIO | io.FileIO:
    """A file by its path, or the bytes of one, opened for reading without a buffer."""
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb", buffering=0)


def read_at(file: ByteSource, position: int, count: int) -> bytes:
    """Bytes of a file; fewer at its end, none at a position that no file has."""
    if not 0 <= position < _MOST_BYTES:
        return b""
    try:
        file.seek(position)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return b""  # beyond the longest file of this file system
    return file.read(count)


@dataclass(frozen=True)
class Chunk:
    """A chunk of a file.

    Attributes:
        begin, length: Its content, in bytes.
        end: Where the next chunk begins.
    """

    begin: int
    length: int
    end: int


# What stands at a position of a file: a chunk, or None
ChunkAt = Callable[[ByteSource, int], Chunk | None]


class FileWindow:
    """Bytes [begin, end) of an open file as a file of their own, with a patch over some of them.

    Args:
        file: Open for reading, unbuffered; closed by its owner.
        begin, end: Begin and end of the window, in bytes.
        patch: Position in the window and the bytes seen there.
    """

    def __init__(self, file: ByteSource, begin: int, end: int, patch: tuple[int, bytes] | None = None) -> None:
        self._file, self._begin, self._patch = file, begin, patch
        self.size = max(end - begin, 0)
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; never in front of the window."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = min(max(base + offset, 0), _MOST_BYTES)
        return self._position

    def tell(self) -> int:
        """Position in the window."""
        return self._position

    def close(self) -> None:
        """Leave the file to its owner."""

    def read(self, count: int = -1) -> bytes:
        """The next bytes; what the system refuses to read is missing, as at the end of a file."""
        left = max(self.size - self._position, 0)
        count = left if count < 0 else min(count, left)
        try:
            data = read_at(self._file, self._begin + self._position, count)
        except OSError:  # a decoder written in C calls this: it takes no exceptions, but notices that bytes are missing
            return b""
        if self._patch is not None:
            data = _patched(data, self._position, *self._patch)
        self._position += len(data)
        return data


def _patched(data: bytes, position: int, place: int, patch: bytes) -> bytes:
    first, last = max(place - position, 0), min(place + len(patch) - position, len(data))
    if first >= last:
        return data
    return data[:first] + patch[first + position - place : last + position - place] + data[last:]
