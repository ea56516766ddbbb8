"""Spans of recordings, cut out in their own sample rate, channels and sample format; never a whole recording in memory.

Where a file holds its samples as they are (WAV, AIFF, FLAC and relatives), the span is sought and its samples come bit
for bit. From lossy formats, and from files whose headers are wrong, the recording is decoded from its beginning, since
seeking there is not exact; all spans of a file in one pass.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from mmasc.audio.decode import open_audio
from mmasc.audio.headers import read_header
from mmasc.audio.layout import Header
from mmasc.errors import MmascError, show_path
from mmasc.remote.copies import held
from mmasc.remote.paths import RemotePath, as_path

_BLOCK_SECONDS = 10.0
_HEADERS = 1_024  # that are kept: many spans of one recording are cut, one after the other
# Formats in which libsndfile seeks to the exact sample
_SOUGHT = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC")
# Subtype → type in which its samples are read without loss, and the subtype of WAV that holds them
_KEPT = {
    "PCM_S8": ("int16", "PCM_U8"),
    "PCM_U8": ("int16", "PCM_U8"),
    "PCM_16": ("int16", "PCM_16"),
    "PCM_24": ("int32", "PCM_24"),
    "PCM_32": ("int32", "PCM_32"),
    "FLOAT": ("float32", "FLOAT"),
    "DOUBLE": ("float64", "DOUBLE"),
    "ALAW": ("int16", "PCM_16"),
    "ULAW": ("int16", "PCM_16"),
}
# How samples lie in files with wrong headers → subtype of WAV
_OF_KIND = {"i3": "PCM_24", "i4": "PCM_32", "f4": "FLOAT", "f8": "FLOAT"}


@dataclass(frozen=True)
class SoundFormat:
    """How samples are kept.

    Attributes:
        sample_rate: In Hz.
        channels: Number of channels.
        subtype: As soundfile names it, one that WAV can hold: "PCM_16", "FLOAT" and others.
    """

    sample_rate: int
    channels: int
    subtype: str


@dataclass(frozen=True)
class Block:
    """Samples of a span.

    Attributes:
        span: Number of the span, from 0, as the spans were given.
        samples: `[frame channel]`, in a type that holds them without loss.
        last: Whether the span ends here.
    """

    span: int
    samples: np.ndarray
    last: bool


def cut_spans(path: str | Path, spans: Sequence[tuple[float, float]]) -> tuple[SoundFormat, Iterator[Block]]:
    """Samples of spans of a recording, block by block; spans may overlap.

    Args:
        path: The recording.
        spans: Start and end in seconds; edges go to the nearest sample, an end after the recording's is its end.
    Returns:
        The format of the samples, and the blocks, those of one span in order.
    Raises:
        MmascError: If the file is missing or cannot be read, or (while blocks are taken) ends before a span begins.
    """
    path = as_path(path)
    for start, end in spans:
        if not 0 <= start < end:
            raise ValueError(f"a span must begin at 0 s or later and end after that, got {start} to {end}")
    if not isinstance(path, RemotePath):
        return _cut(path, spans)
    # Until the last block is taken its copy is here
    copy = contextlib.ExitStack()
    try:
        kept, blocks = _cut(copy.enter_context(held(path)), spans, path)
    except BaseException:
        copy.close()
        raise
    return kept, _closing(copy, blocks)


def _closing(copy: contextlib.ExitStack, blocks: Iterator[Block]) -> Iterator[Block]:
    with copy:
        yield from blocks


def _cut(
    path: Path, spans: Sequence[tuple[float, float]], named: Path | None = None
) -> tuple[SoundFormat, Iterator[Block]]:
    """The spans of a file of this machine, which messages call `named`."""
    named = named or path
    header = _header(path)
    plain = not (header.offset or header.irregular or header.cut or header.parts) and header.patch is None
    if plain and header.samples is None and (found := _sought(path, spans, named)) is not None:
        return found
    return _decoded(named, spans, _OF_KIND.get(header.samples.kind[-2:], "PCM_16") if header.samples else "PCM_16")


def read_span(path: str | Path, start: float, end: float) -> tuple[np.ndarray, SoundFormat]:
    """A span of a recording in memory: samples `[frame channel]` as they are kept, and their format.

    Args:
        path: The recording.
        start, end: In seconds.
    Raises:
        MmascError: As `cut_spans` does.
    """
    kept, blocks = cut_spans(path, [(start, end)])
    return np.concatenate([block.samples for block in blocks]), kept


def _header(path: Path) -> Header:
    try:
        found = path.stat()
        state = found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
        with _lock_of(path, state):  # who asks meanwhile waits, instead of looking through the file as well
            return _header_of(path, state)
    except FileNotFoundError as error:
        raise MmascError(f"{show_path(path)}: no such file; was it moved, or is its disk not connected?") from error
    except OSError as error:
        raise MmascError(f"{show_path(path)} cannot be read ({error.strerror})") from error


@lru_cache(_HEADERS)
def _lock_of(path: Path, state: tuple[int, ...]) -> threading.Lock:
    return threading.Lock()


@lru_cache(_HEADERS)
def _header_of(path: Path, state: tuple[int, ...]) -> Header:
    """The header of a file in this state; some say what they must only when the whole file was looked through."""
    with open(path, "rb", buffering=0) as file:
        return read_header(file, state[0])


def _sought(
    path: Path, spans: Sequence[tuple[float, float]], named: Path
) -> tuple[SoundFormat, Iterator[Block]] | None:
    """By seeking; None where this is not exact, or soundfile does not open the file."""
    try:
        # An open file and not a name: libsndfile guesses raw formats from names
        with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
            if sound.format not in _SOUGHT or sound.subtype not in _KEPT:
                return None
            kind, subtype = _KEPT[sound.subtype]
            kept = SoundFormat(sound.samplerate, sound.channels, subtype)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError):
        return None
    return kept, _seek_blocks(path, spans, kind, named)


def _seek_blocks(path: Path, spans: Sequence[tuple[float, float]], kind: str, named: Path) -> Iterator[Block]:
    with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
        for number, (start, end) in enumerate(spans):
            first, stop = _frames(start, end, sound.samplerate)
            stop = min(stop, sound.frames)
            if first >= stop:
                raise _ends_before(named, start)
            try:
                sound.seek(first)
                while first < stop:
                    samples = sound.read(min(round(_BLOCK_SECONDS * sound.samplerate), stop - first), kind, True)
                    if not len(samples):
                        raise _ends_before(named, first / sound.samplerate)
                    first += len(samples)
                    yield Block(number, samples, first >= stop)
            except soundfile.LibsndfileError as error:
                raise MmascError(
                    f"{show_path(named)}: cannot be read at {start:g} s ({error.error_string}); copy it again"
                ) from error


def _decoded(path: Path, spans: Sequence[tuple[float, float]], subtype: str) -> tuple[SoundFormat, Iterator[Block]]:
    """By decoding from the beginning."""
    file = open_audio(path)
    kept = SoundFormat(file.sample_rate, file.channels, subtype)

    def blocks() -> Iterator[Block]:
        edges = [_frames(start, end, kept.sample_rate) for start, end in spans]
        begin, last = 0, max((stop for _, stop in edges), default=0)
        open_spans = set(range(len(edges)))
        with file:
            # Held back by one block: only then is it known whether the recording ends there
            held: dict[int, np.ndarray] = {}
            for block in file.blocks(_BLOCK_SECONDS):
                end = begin + block.shape[1]
                for number in sorted(open_spans):
                    first, stop = edges[number]
                    if first >= end:
                        continue
                    if number in held:
                        yield Block(number, held.pop(number), False)
                    samples = _as_kept(block[:, max(first - begin, 0) : stop - begin].T, subtype)
                    if stop <= end:
                        open_spans.discard(number)
                        yield Block(number, samples, True)
                    else:
                        held[number] = samples
                begin = end
                if begin >= last:
                    break
            for number, samples in held.items():
                open_spans.discard(number)
                yield Block(number, samples, True)
        if open_spans:
            raise _ends_before(path, min(spans[number][0] for number in open_spans))

    return kept, blocks()


def _as_kept(samples: np.ndarray, subtype: str) -> np.ndarray:
    """float32 samples `[frame channel]` in a type that is written without loss; 16 bits are rounded and clipped."""
    if subtype == "FLOAT":
        return np.ascontiguousarray(samples)
    bits = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}[subtype]
    whole = np.rint(samples.astype(np.float64) * (1 << (bits - 1)))
    whole = np.clip(whole, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return whole.astype(np.int16) if bits == 16 else (whole * (1 << (32 - bits))).astype(np.int32)


def _frames(start: float, end: float, rate: int) -> tuple[int, int]:
    """First and one after the last frame of a span: at least one."""
    first = round(start * rate)
    return first, max(round(min(end, 1e12) * rate), first + 1)


def _ends_before(path: Path, seconds: float) -> MmascError:
    return MmascError(f"{show_path(path)}: ends before {seconds:g} s; the file has changed")
