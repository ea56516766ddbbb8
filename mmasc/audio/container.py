"""Decoding with PyAV (FFmpeg): video files, AAC, and all other files that soundfile cannot read; the extra `video`."""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.audio.joining import ChunkReader, uniform
from mmasc.audio.layout import FileWindow, Header
from mmasc.audio.native import DecodeError

# Only what holds sound in itself: no play lists, no formats that open other files or addresses
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,"
    "mpeg,mpegts,mxf,ogg,rm,tta,voc,w64,wav,wv,xwma"
)
# Formats whose declared length is counted, not estimated from a bit rate
_EXACT = frozenset(
    ("aiff", "ape", "avi", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg", "tta", "w64", "wav", "wv")
)
# Time stamps of containers are rounded, and the last AAC or Opus frame may be declared whole
_SLACK_SECONDS = 0.15
# An AAC track declares where its sound ends inside the last frames: at most two of 2,048 samples
_MOST_PADDING = 4096
# A cut file ends this much before the length its container declares
_CUT_SECONDS = 1.0


def has_pyav() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


class ContainerDecoder:
    """PyAV, with the same face as `NativeDecoder`.

    The first sample of the stream is time 0, however late it starts relative to the picture; gaps in the time stamps
    are ignored. Where channels or rate change on the way, they are brought to those of the beginning.

    Args:
        path: The file, or its bytes.
        header: What its header says.
        file: Where it is read instead, such as a part of it.
    Attributes:
        As those of `NativeDecoder`.
    Raises:
        DecodeError: If PyAV cannot open the file, or there is no sound in it.
    """

    slack_seconds = _SLACK_SECONDS
    expected_frames: int | None = None

    def __init__(self, path: Path | bytes, header: Header, file: FileWindow | None = None) -> None:
        import av

        # av.FFmpegError has children of OSError, ValueError, EOFError and others
        self._errors = (
            av.FFmpegError, OSError, ValueError, TypeError, EOFError, RuntimeError, OverflowError, MemoryError,
            IndexError, NotImplementedError,
        )  # fmt: skip
        self.fault, self.remark = "", ""
        self.declared_seconds: float | None = None
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        try:
            source: Any = file
            if source is None:
                # "file:" keeps FFmpeg from reading a name as a protocol
                source = io.BytesIO(path) if isinstance(path, bytes) else f"file:{path.absolute()}"
            self._container = av.open(source, options=options, metadata_errors="replace")
        except av.ArgumentError as error:
            raise DecodeError("its format is unknown or not allowed") from error
        except self._errors as error:
            raise DecodeError(_reason(error)) from error
        try:
            self._stream = self._best_stream()
            self._chunks = self._native_chunks()
            self.sample_rate, first = 0, np.zeros((0, 0), np.float32)
            for rate, chunk in self._chunks:
                if rate > 0 and chunk.shape[1]:
                    self.sample_rate, first = rate, chunk
                    break
            if not self.sample_rate:
                raise DecodeError(self.fault or "no sound in it could be decoded")
            self.channels = len(first)
            self.declared_seconds = self._declared(header)
            chunks = chain([(self.sample_rate, first)], self._chunks)
            parts = self._trimmed(uniform(chunks, self.sample_rate, self.channels))
            self._reader = ChunkReader(parts, self.channels)
        except self._errors as error:
            self._container.close()
            raise DecodeError(_reason(error)) from error
        except DecodeError:
            self._container.close()
            raise

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames as float32; fewer at the end."""
        return self._reader.read(frames)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _best_stream(self) -> Any:
        stream = self._container.streams.best("audio")
        if stream is None:
            raise DecodeError("it holds no sound, only " + (_kinds(self._container) or "data"))
        if stream.codec_context is None:
            raise DecodeError("its sound is coded in a way that PyAV does not know")
        stream.codec_context.thread_count = 1
        tracks = list(self._container.streams.audio)
        if len(tracks) > 1:
            place = [one.index for one in tracks].index(stream.index) + 1
            self.remark = f"it holds {len(tracks)} tracks of sound, number {place} is heard"
        return stream

    def _native_chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(rate, float32 [channel time]) of every frame; what cannot be decoded is counted and left out."""
        packets = iter(self._container.demux())
        latest, decoded_seconds = 0.0, 0.0
        damaged, trailing = 0, 0  # packets; those behind the last good one
        while True:
            try:
                packet = next(packets, None)
            except self._errors as error:
                self.fault = _reason(error)
                break
            if packet is None:
                break
            if packet.pts is not None and packet.time_base:
                latest = max(latest, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != self._stream.index:
                continue
            try:
                frames: list[Any] = packet.decode()
                chunks = [(frame.sample_rate, _samples(frame)) for frame in frames]
            except self._errors:
                trailing += 1
                continue
            if chunks:
                damaged, trailing = damaged + trailing, 0
            for rate, chunk in chunks:
                decoded_seconds += chunk.shape[1] / max(rate, 1)
                yield rate, chunk
        declared = self.declared_seconds
        if declared is None or decoded_seconds < declared - _SLACK_SECONDS:
            # Otherwise what is behind the declared end is not sound, but zeros or tags
            damaged += trailing
        if damaged and not self.fault:
            self.fault = f"damaged places left out: {damaged}"
        self._check_end(latest)

    def _check_end(self, latest: float) -> None:
        """A cut file of several streams ends before the length that the container declares for all of them."""
        duration = self._container.duration
        if self.fault or duration is None or self._container.format.name not in _EXACT:
            return
        declared = (duration + max(self._container.start_time or 0, 0)) / 1e6
        if declared - latest > _CUT_SECONDS:
            self.fault = f"its header declares {declared:.2f} s, it holds {latest:.2f} s"

    def _trimmed(self, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Without the padding behind the end that an mp4 track declares: FFmpeg drops only the one in front."""
        limit = None
        if self._container.format.name.startswith("mov") and self.declared_seconds is not None:
            limit = round(self.declared_seconds * self.sample_rate)
        count, held = 0, list[np.ndarray]()
        for part in parts:
            count += part.shape[1]
            if limit is None or count <= limit:
                yield part
                continue
            inside = part.shape[1] - (count - limit)
            if inside > 0:
                yield part[:, :inside]
            held.append(part[:, max(inside, 0) :])
            if count - limit > _MOST_PADDING:
                # No padding: the declared length is wrong
                limit = None
                yield from held
                held = []

    def _declared(self, header: Header) -> float | None:
        """Length of the sound by the container; None where it is estimated or speaks of other streams only."""
        stream = self._stream
        if header.seconds is not None:
            return header.seconds
        if self._container.format.name not in _EXACT:
            return None
        if stream.duration is not None and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        text = stream.metadata.get("DURATION", "")
        parts = text.strip().split(":")
        if len(parts) == 3:
            try:
                return int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
            except ValueError as error:
                raise DecodeError(f"its stream declares a length of {text!r}") from error
        return None


def _samples(frame: Any) -> Float[np.ndarray, "channel time"]:
    """Samples of a frame as float32 [channel time], full scale 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / np.float32(-float(np.iinfo(samples.dtype).min))
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        return samples.astype(np.float32, copy=False)


def _kinds(container: Any) -> str:
    return ", ".join(sorted({stream.type or "data" for stream in container.streams}))


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0]
