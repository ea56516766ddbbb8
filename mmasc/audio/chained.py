"""Recordings that lie one after the other in one file (cat a.wav b.wav), read as one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mmasc.audio.boxes import is_mp4
from mmasc.audio.container import ContainerDecoder
from mmasc.audio.headers import read_header
from mmasc.audio.joining import ChunkReader, uniform
from mmasc.audio.layout import FileWindow, Header, open_source, read_at
from mmasc.audio.native import DecodeError, NativeDecoder
from mmasc.audio.pcm import PcmDecoder

_BLOCK_FRAMES = 1 << 16
_PartDecoder = NativeDecoder | PcmDecoder | ContainerDecoder


class ChainDecoder:
    """Recordings that lie one after the other in one file, with the same face as `NativeDecoder`.

    Rate and channels are those of the first; later ones are brought to them.

    Attributes:
        As those of `NativeDecoder`.
    Raises:
        DecodeError: If the first of them cannot be opened.
    """

    slack_seconds = 1e-3
    expected_frames: int | None = None
    remark = ""

    def __init__(self, path: Path | bytes, header: Header) -> None:
        self.fault = ""
        self._path, self._parts = path, header.parts
        self._file = open_source(path)
        try:
            first, seconds = self._open(0)
        except (DecodeError, OSError) as error:
            self._file.close()
            raise error if isinstance(error, DecodeError) else DecodeError(error.strerror or str(error)) from error
        self.sample_rate, self.channels = first.sample_rate, first.channels
        # Of later parts it is known only when they are reached
        self.declared_seconds: float | None = None
        self._reader = ChunkReader(
            uniform(self._chunks(first, seconds), self.sample_rate, self.channels), self.channels
        )

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames as float32; fewer at the end."""
        return self._reader.read(frames)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self, number: int) -> tuple[_PartDecoder, float | None]:
        """The decoder of a part, and what the part declares."""
        begin, end = self._parts[number]
        header = read_header(FileWindow(self._file, begin, end), end - begin)
        if header.cut or header.unread:
            self._fault(number, header.cut or header.unread)
        kind: type[_PartDecoder] = NativeDecoder if header.samples is None else PcmDecoder
        if is_mp4(read_at(self._file, begin, 16)):
            kind = ContainerDecoder
        decoder = kind(self._path, header, FileWindow(self._file, begin, end, header.patch))
        return decoder, decoder.declared_seconds

    def _chunks(self, first: _PartDecoder, declared: float | None) -> Iterator[tuple[int, np.ndarray]]:
        decoder = first
        for number in range(len(self._parts)):
            if number:
                try:
                    decoder, declared = self._open(number)
                except (DecodeError, OSError) as error:
                    self._fault(number, str(error))
                    continue
            frames = 0
            while (block := decoder.read(_BLOCK_FRAMES)).shape[1]:
                frames += block.shape[1]
                yield decoder.sample_rate, block
            seconds = frames / max(decoder.sample_rate, 1)
            if decoder.fault:
                self._fault(number, decoder.fault)
            elif declared is not None and declared - seconds > decoder.slack_seconds:
                self._fault(number, f"{seconds:.3f} s of {declared:.3f} s")
            decoder.close()

    def _fault(self, number: int, what: str) -> None:
        if not self.fault:
            self.fault = f"of part {number + 1} of {len(self._parts)}: {what}"
