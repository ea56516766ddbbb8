"""Chunks that recorders write into WAV files (GUANO, bext, wamd, comments of AudioMoths), read for a clock."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from one_format import Format

from mmasc.audio import stream_audio
from mmasc.audio.clock import ClockRules, read_clock

_RATE = 8_000
_GUANO = """GUANO|Version: 1.0
Make: BATLOGGER
Serial: 1001
Timestamp: 2019-01-21T22:14:29+01:00
Loc Position: 47.046829 -8.301089
Temperature Ext: 23
WA|Song Meter|Prefix: POND
"""
_WAMD = {1: "SM4", 2: "S4A01234", 4: "POND", 5: "2023-05-04 04:30:00+10:00", 0x14: "WGS84,27.38880,S,152.88080,E"}
_MOTH = "Recorded at 04:30:00 04/05/2023 (UTC+1) by AudioMoth 24F3190361DA5D2E at medium gain while battery was 4.2V."


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _bext() -> bytes:
    texts = [(b"", 256), (b"ZOOM F6", 32), (b"ref", 32), (b"2023-05-04", 10), (b"04:30:00", 8)]
    return (b"".join(text.ljust(size, b"\0") for text, size in texts) + struct.pack("<Q", 7)).ljust(602, b"\0")


def _wamd() -> bytes:
    items = [struct.pack("<HI", kind, len(text)) + text.encode() for kind, text in _WAMD.items()]
    return struct.pack("<HIH", 0, 2, 1) + b"".join(items)


_CHUNKS = {
    "guano": lambda: _chunk(b"guan", _GUANO.encode()),
    "bext": lambda: _chunk(b"bext", _bext()),
    "wamd": lambda: _chunk(b"wamd", _wamd()),
    "audiomoth": lambda: _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", _MOTH.encode().ljust(384, b"\0"))),
}


def _recording(name: str, behind: bool) -> Callable[[Path, Path], Path]:
    """Before the samples, where damage hits most, or behind them, as some recorders do."""

    def make(shared: Path, folder: Path) -> Path:
        samples = np.random.default_rng(0).integers(-9_000, 9_000, 400).astype("<i2").tobytes()
        form = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, _RATE, 2 * _RATE, 2, 16))
        said, data = _CHUNKS[name](), _chunk(b"data", samples)
        body = b"WAVE" + form + (data + said if behind else said + data)
        (folder / "POND_20230504_043000.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        return folder / "POND_20230504_043000.wav"

    return make


def _read(shared: Path, path: Path) -> None:
    for rules in (ClockRules(), ClockRules.of("{site}_%Y%m%d_%H%M%S", "Europe/Berlin")):
        read_clock(path, rules)
    with stream_audio(path, _RATE) as stream:
        assert all(np.isfinite(block).all() for block in stream)


FORMATS = [Format(f"chunk-{name}", _recording(name, name in ("guano", "audiomoth")), _read) for name in _CHUNKS]
