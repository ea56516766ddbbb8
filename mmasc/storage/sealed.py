"""Files with a checksum behind their content: what is not as it was written counts as not there.

For what is derived and kept because making it takes long. The checksum (CRC-32) finds what disks, cables and kills do.
"""

import os
import zlib
from pathlib import Path

from mmasc.storage.files import make_folders, write_atomically

_MAGIC = b"mmasc crc32 "
SEAL_BYTES = len(_MAGIC) + 4
_BLOCK = 1 << 20


def write_sealed(path: Path, content: bytes) -> None:
    """Write content and checksum under another name, sync and rename: at any moment there is a whole file or none.

    Raises:
        OSError: If it cannot be written.
    """
    make_folders(path.parent)
    write_atomically(path, content + _seal(zlib.crc32(content)))


def sealed_fault(path: Path) -> str | None:
    """What is wrong with a sealed file: "" if it is whole, None if it does not exist. It is read in pieces."""
    checksum = 0
    try:
        with path.open("rb") as stored:
            left = os.fstat(stored.fileno()).st_size - SEAL_BYTES
            if left < 0:
                return "too short"
            while left > 0:
                block = stored.read(min(_BLOCK, left))
                checksum = zlib.crc32(block, checksum)
                left -= len(block)
            if stored.read() != _seal(checksum):
                return "its checksum is another"
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error.strerror)
    return ""


def read_sealed(path: Path) -> bytes | None:
    """The content of a sealed file; None where there is none that is whole."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    content = whole[:-SEAL_BYTES]
    return content if whole[-SEAL_BYTES:] == _seal(zlib.crc32(content)) else None


def _seal(checksum: int) -> bytes:
    return _MAGIC + checksum.to_bytes(4, "little")
