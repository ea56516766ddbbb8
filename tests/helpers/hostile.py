"""Files made to harm, and the one line with which each of them must be refused."""

import struct
from pathlib import Path

import pytest

from mmasc.errors import MmascError


def refused(call, path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(MmascError) as caught:
        call(path)
    line = str(caught.value)
    assert path.name in line
    assert len(line.splitlines()) == 1
    assert len(line) < 1_000
    return line


def safetensors_of(header: bytes, data: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header + data


def entry(kind: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
