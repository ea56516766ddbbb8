"""Samples that are not compressed, read from where they lie: for files whose header is wrong about their length.

Full scale and rounding are those of libsndfile, so that a file gives the same numbers with both readers. A-law and
mu-law: ITU-T G.711.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from mmasc.audio.layout import FileWindow, Header, open_source
from mmasc.audio.native import DecodeError

_MOST_CHANNELS = 1024  # as libsndfile has it
_SAMPLE_BYTES = {"alaw": 1, "ulaw": 1, "i1": 1, "u1": 1}


def sample_bytes(kind: str) -> int:
    """Bytes of one sample of a kind of `Samples`; 0 for "", which is a kind that is not read here."""
    return _SAMPLE_BYTES.get(kind) or int(kind[-1:] or 0)


class PcmDecoder:
    """The samples that `Header.samples` describes, with the same face as `NativeDecoder`.

    Attributes:
        As those of `NativeDecoder`.
    Raises:
        DecodeError: If the header describes no such samples.
    """

    slack_seconds = 1e-3
    fault = remark = ""

    def __init__(self, path: Path | bytes, header: Header, window: FileWindow | None = None) -> None:
        samples = header.samples
        if samples is None or not 0 < samples.channels <= _MOST_CHANNELS or not sample_bytes(samples.kind):
            raise DecodeError("its header does not say how its samples are stored")
        self._kind, self.channels, self.sample_rate = samples.kind, samples.channels, samples.sample_rate
        self._frame_bytes = sample_bytes(samples.kind) * samples.channels
        self._stretches = [(samples.offset, samples.size), *samples.more]
        self._left = 0  # frames of the stretch that is being read
        frames = sum(size // self._frame_bytes for _, size in self._stretches)
        self.expected_frames: int | None = frames
        self.declared_seconds: float | None = frames / max(self.sample_rate, 1)
        self._file = open_source(path) if window is None else window

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames as float32; fewer at the end of a chunk; none at the end, or where it cannot be read on."""
        while not self._left and self._stretches:
            offset, size = self._stretches.pop(0)
            self._file.seek(offset)
            self._left = size // self._frame_bytes
        wanted = min(frames, self._left) * self._frame_bytes
        pieces: list[bytes] = []
        try:
            # A read of more than 2 GiB, or on a network, may give less than asked for
            while wanted and (piece := self._file.read(wanted)):
                pieces.append(piece)
                wanted -= len(piece)
        except OSError as error:
            self.fault = error.strerror or "it cannot be read on"
        data = b"".join(pieces)
        count = len(data) // self._frame_bytes
        if wanted:
            self._stretches.clear()
        self._left = self._left - count if not wanted else 0
        return _decode(data[: count * self._frame_bytes], self._kind).reshape(count, self.channels).T

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _decode(data: bytes, kind: str) -> Float[np.ndarray, " number"]:
    """float32 numbers, full scale 1."""
    if kind in ("alaw", "ulaw"):
        return _law_table(kind)[np.frombuffer(data, np.uint8)]
    if kind == "u1":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if kind.endswith("i3"):
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(parts), 4), np.uint8)
        wide[:, 1:] = parts if kind[0] == "<" else parts[:, ::-1]
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)
    numbers = np.frombuffer(data, kind)
    if numbers.dtype.kind == "i":
        return numbers.astype(np.float32) / np.float32(1 << (8 * numbers.itemsize - 1))
    with np.errstate(over="ignore", invalid="ignore"):  # becomes infinite, and is refused as such
        return numbers.astype(np.float32)


def _law_table(kind: str) -> Float[np.ndarray, " code"]:
    """The numbers of the 256 codes of G.711, full scale 1 at 32,768."""
    codes = np.arange(256) ^ (0xFF if kind == "ulaw" else 0x55)
    segment, step = codes >> 4 & 7, codes & 15
    if kind == "ulaw":
        size = ((2 * step + 33) << segment) * 4 - 132
        negative = codes & 0x80 != 0
    else:
        size = np.where(segment == 0, (2 * step + 1) << 3, (2 * step + 33) << (np.maximum(segment, 1) + 2))
        negative = codes & 0x80 == 0
    return (np.where(negative, -size, size) / 32_768).astype(np.float32)
