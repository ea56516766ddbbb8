"""WAV files with the chunks that recorders write."""

import struct
from pathlib import Path

import numpy as np

RATE = 8_000


def chunk(name: bytes, body: bytes, pad: bool = True) -> bytes:
    return name + struct.pack("<I", len(body)) + body + (b"\0" if pad and len(body) % 2 else b"")


def wamd_items(items: dict[int, str | bytes]) -> bytes:
    """The body of a wamd chunk: version 1, then items."""
    body = struct.pack("<HIH", 0, 2, 1)
    for kind, value in items.items():
        value = value if isinstance(value, bytes) else value.encode()
        body += struct.pack("<HI", kind, len(value)) + value
    return body


def info_list(comment: str, artist: str = "AudioMoth") -> bytes:
    """The body of a LIST INFO chunk; the comment is filled up with zeros to 384 bytes, as AudioMoths do it."""
    return b"INFO" + chunk(b"ICMT", comment.encode().ljust(384, b"\0")) + chunk(b"IART", artist.encode())


def bext_body(
    date: str, time: str, since_midnight: int = 0, originator: str = "ZOOM F6", description: str = ""
) -> bytes:
    texts = [(description, 256), (originator, 32), ("ref", 32), (date, 10), (time, 8)]
    body = b"".join(text.encode().ljust(size, b"\0") for text, size in texts)
    return (body + struct.pack("<Q", since_midnight)).ljust(602, b"\0")


def recorder_file(
    path: Path, before: bytes = b"", after: bytes = b"", seconds: float = 1.0, level: float = 0.25
) -> Path:
    """A WAV file of one level (16 bits, mono, 8 kHz) with chunks before and behind the samples."""
    samples = np.full(round(seconds * RATE), round(level * 32_768), "<i2").tobytes()
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    body = b"WAVE" + form + before + chunk(b"data", samples) + after
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path
