"""Pieces of sound of any rate and number of channels, brought to those of the first, and whole files joined so."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr
from jaxtyping import Float

from mmasc.audio.headers import read_header
from mmasc.audio.layout import FileWindow, Header, open_source
from mmasc.audio.native import DecodeError, NativeDecoder
from mmasc.audio.pcm import PcmDecoder

_BLOCK_FRAMES = 1 << 16


class ChunkReader:
    """Reads of any length from chunks of other lengths.

    Args:
        chunks: float32 [channel time].
        channels: Number of channels of every chunk.
    """

    def __init__(self, chunks: Iterator[np.ndarray], channels: int) -> None:
        self._chunks, self._channels = chunks, channels
        self._waiting: list[np.ndarray] = []
        self._n_waiting = 0

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames; fewer at the end."""
        while self._n_waiting < frames and (part := next(self._chunks, None)) is not None:
            self._waiting.append(part)
            self._n_waiting += part.shape[1]
        if not self._waiting:
            return np.zeros((self._channels, 0), np.float32)
        joined = np.concatenate(self._waiting, axis=1)
        self._waiting = [joined[:, frames:]] if joined.shape[1] > frames else []
        self._n_waiting = max(joined.shape[1] - frames, 0)
        return joined[:, :frames]


def uniform(chunks: Iterator[tuple[int, np.ndarray]], sample_rate: int, channels: int) -> Iterator[np.ndarray]:
    """(rate, float32 [channel time]) chunks at one rate and with one number of channels; others become their mean."""
    converter, converted_rate = None, 0
    for rate, chunk in chunks:
        if converter is not None and rate != converted_rate:
            yield converter.resample_chunk(np.zeros((0, channels), np.float32), last=True).T
            converter = None
        if len(chunk) != channels:
            mean = chunk.mean(axis=0, dtype=np.float32)
            chunk = np.repeat(mean[None], channels, axis=0)
        if rate == sample_rate:
            yield chunk
        elif rate > 0:
            if converter is None:
                converter = soxr.ResampleStream(rate, sample_rate, channels, dtype="float32", quality="HQ")
                converted_rate = rate
            yield converter.resample_chunk(np.ascontiguousarray(chunk.T)).T
    if converter is not None:
        yield converter.resample_chunk(np.zeros((0, channels), np.float32), last=True).T


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

    def _open(self, number: int) -> tuple[NativeDecoder | PcmDecoder, float | None]:
        """The decoder of a part, and what the part declares."""
        begin, end = self._parts[number]
        header = read_header(FileWindow(self._file, begin, end), end - begin)
        if header.cut or header.unread:
            self._fault(number, header.cut or header.unread)
        kind = NativeDecoder if header.samples is None else PcmDecoder
        decoder = kind(self._path, header, FileWindow(self._file, begin, end, header.patch))
        return decoder, decoder.declared_seconds

    def _chunks(self, first: NativeDecoder | PcmDecoder, declared: float | None) -> Iterator[tuple[int, np.ndarray]]:
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
