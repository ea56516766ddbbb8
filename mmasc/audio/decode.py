"""One file, decoded once from beginning to end at its own rate, with a status: how much of it could be read.

soundfile reads what it can; PyAV (the extra `video`) reads the rest, and takes over where soundfile gives up half-way.
Both drop the delay that mp3 and AAC encoders add, so a file gives the same samples with either of them.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from jaxtyping import Float

from mmasc.audio.boxes import is_mp4
from mmasc.audio.chained import ChainDecoder
from mmasc.audio.container import ContainerDecoder, has_pyav
from mmasc.audio.headers import read_header
from mmasc.audio.layout import Header
from mmasc.audio.memory import MemoryFile, MemorySound, Sound, as_source
from mmasc.audio.native import EXTENSIONS, DecodeError, NativeDecoder
from mmasc.audio.pcm import PcmDecoder
from mmasc.audio.quality import CUT
from mmasc.errors import MmascError, show_path
from mmasc.remote.copies import held

_RATES_HZ = (1_000, 768_000)
# float32 numbers in a block at most (32 MiB): a header that claims 1,024 channels takes no memory by itself
_BLOCK_NUMBERS = 1 << 23
# Louder than this (full scale is 1) nothing is sound: damaged float files hold such numbers, and NaN
_LOUDEST = 1e9
# Files that soundfile can never open: for the fix in the message
_APPLE_DOUBLE = b"\0\x05\x16\x07"  # what macOS writes next to files on other systems' disks, as ._NAME
_CONTAINERS = (b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"FLV")
# Less than this is not missed where frames or pages are counted: encoders add up to so much at both ends
_COUNTED_SECONDS = 0.25
_COPY = "copy or record it again, or leave it out"


Decoder = NativeDecoder | ContainerDecoder | PcmDecoder | ChainDecoder


@dataclass(frozen=True)
class AudioStatus:
    """What became of a file.

    Attributes:
        state: "ok"; "truncated": there is sound, but less than there was, damaged, or lost in the mix of its channels;
            "failed": no sound to use.
        reason: One line that names the file and says why, and the fix; when ok what is odd in it, mostly "".
        declared_seconds: What the file says of its length; None if it does not say.
        decoded_seconds: What was decoded.
        silent_seconds: Seconds of digital silence in it, where it was listened for (`stream_audio`).
    """

    state: Literal["ok", "truncated", "failed"]
    reason: str
    declared_seconds: float | None
    decoded_seconds: float
    silent_seconds: float = 0.0


class AudioFile:
    """An open recording; made by `open_audio`. A context manager; also closed when its blocks are exhausted.

    Attributes:
        path: As given; "<memory>" (or the name that an open file has) for a sound in memory.
        sample_rate: Sample rate of the file, in Hz.
        channels: Channels of the file.
        declared_seconds: What the file says of its length; None if it does not say.
    """

    def __init__(self, path: Sound | MemorySound) -> None:
        source = as_source(path)
        self.path = source if isinstance(source, Path) else source.path
        self._name = show_path(self.path)
        # A remote recording has a copy here for as long as it is open
        self._copy = contextlib.ExitStack()
        try:
            self._source = self._copy.enter_context(held(source)) if isinstance(source, Path) else source.content
            self._begin()
        except BaseException:
            self._copy.close()
            raise

    def _begin(self) -> None:
        self._header = self._look()
        # Irregular mp3 goes to PyAV first: the decoder inside soundfile gives up early and prints to stderr.
        self._left: list[type[Decoder]] = [NativeDecoder, ContainerDecoder]
        if self._header.irregular:
            self._left.reverse()
        if self._header.samples is not None:
            self._left.insert(0, PcmDecoder)
        elif self._header.parts:
            self._left.insert(0, ChainDecoder)
        self._faults: list[str] = []
        self._frames = 0
        self._failure = ""
        self._started = False
        self._decoder = self._open()
        self.sample_rate = self._decoder.sample_rate
        self.channels = self._decoder.channels
        self.declared_seconds = self._decoder.declared_seconds

    def blocks(self, seconds: float = 30.0) -> Iterator[Float[np.ndarray, "channel time"]]:
        """Blocks of float32 samples in order, at the file's rate; can be taken once.

        Args:
            seconds: Longest block; recordings of very many channels come in shorter ones (32 MiB at most).
        Raises:
            MmascError: If there is no sound, or it holds NaN, infinite or absurdly large samples; `status` is "failed".
            ValueError: If `seconds` is not positive, or the blocks have been read already.
        """
        if not seconds > 0:
            raise ValueError(f"seconds must be positive, got {seconds}")
        if self._started:
            raise ValueError(f"the blocks of {self._name} have been read already; open it again")
        self._started = True
        return self._blocks(max(min(round(seconds * self.sample_rate), _BLOCK_NUMBERS // self.channels), 1))

    @property
    def frames(self) -> int:
        """Frames (samples of each channel) decoded so far."""
        return self._frames

    @property
    def status(self) -> AudioStatus:
        """What became of the file; final when the blocks are exhausted or have raised."""
        declared, decoded = self.declared_seconds, self._frames / self.sample_rate
        if self._failure:
            return AudioStatus("failed", self._failure, declared, decoded)
        header, decoder = self._header, self._decoder
        faults = [*self._faults, *filter(None, (header.cut, header.unread))]
        if header.parts and isinstance(decoder, NativeDecoder):
            faults.append(f"it holds {len(header.parts)} recordings one after the other, the first was read")
        there = max(declared or 0.0, header.holds or 0.0)
        missing = (declared is not None and declared - decoded > decoder.slack_seconds) or (
            header.holds is not None and header.holds - decoded > max(_COUNTED_SECONDS, decoder.slack_seconds)
        )
        if not faults and not missing:
            remarks = [one for one in (header.remark, decoder.remark) if one]
            reason = f"{self._name}: {'; '.join(remarks)}" if remarks else ""
            return AudioStatus("ok", reason, declared, decoded)
        what = f"{decoded:.3f}{CUT}" + (f" of {there:.3f} s" if there > decoded else "")
        why = f" ({'; '.join(faults)})" if faults else ""
        return AudioStatus("truncated", f"{self._name}: only {what}{why}; {_COPY}", declared, decoded)

    def close(self) -> None:
        """Give the file back to the system."""
        self._decoder.close()
        self._copy.close()

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self) -> Header:
        """Header of the file, after the checks that need no decoder."""
        if isinstance(self._source, bytes):
            if not self._source:
                raise MmascError(f"{self._name}: is empty (0 bytes); {_COPY}")
            self._start = self._source[:16]
            return read_header(MemoryFile(self._source), len(self._source))
        try:
            found = os.stat(self._source)
            if stat.S_ISDIR(found.st_mode):
                raise MmascError(f"{self._name}: is a folder; name a file, or find its files with find_audio")
            if not stat.S_ISREG(found.st_mode):
                raise MmascError(f"{self._name}: is not an ordinary file; save the sound in a file first")
            if found.st_size == 0:
                raise MmascError(f"{self._name}: is empty (0 bytes); {_COPY}")
            with open(self._source, "rb", buffering=0) as file:
                self._start = file.read(16)
                return read_header(file, found.st_size)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MmascError(f"{self._name}: cannot be read ({reason}); check the name and its permissions") from error

    def _open(self) -> Decoder:
        """The first decoder that can open the file."""
        fault: DecodeError | None = None
        while (decoder := self._next_decoder()) is not None:
            if isinstance(decoder, DecodeError):
                # soundfile speaks of the format, PyAV of what is wrong in it
                fault = decoder
                continue
            low, high = _RATES_HZ
            if low <= decoder.sample_rate <= high and decoder.channels > 0:
                return decoder
            decoder.close()
            raise MmascError(
                f"{self._name}: declares {decoder.sample_rate} Hz and {decoder.channels} channels, sound has {low} to "
                f"{high} Hz and a channel at least; {_COPY}"
            )
        if self._start.startswith(_APPLE_DOUBLE):
            raise MmascError(f"{self._name}: holds notes of macOS, not sound; leave out files named ._*")
        if self._needs_pyav():
            raise MmascError(f"{self._name}: needs PyAV: pip install 'mmasc[video]'") from fault
        raise MmascError(f"{self._name}: no sound that can be read ({fault}); {_COPY}") from fault

    def _next_decoder(self) -> Decoder | DecodeError | None:
        """The file in the next decoder, or why that one cannot open it; None if no decoder is left."""
        while self._left:
            kind = self._left.pop(0)
            if kind is ContainerDecoder and not has_pyav():
                continue
            try:
                return kind(self._source, self._header)
            except DecodeError as error:
                return error
        return None

    def _needs_pyav(self) -> bool:
        container = is_mp4(self._start) or self._start.startswith(_CONTAINERS)
        return not has_pyav() and (container or self.path.suffix.lower() not in EXTENSIONS)

    def _blocks(self, frames: int) -> Iterator[Float[np.ndarray, "channel time"]]:
        try:
            while (block := self._read(frames)).shape[1]:
                loudest = max(float(block.max()), -float(block.min()))
                if not loudest <= _LOUDEST:
                    raise self._fail(f"holds samples that are not sound (NaN, infinite or beyond {_LOUDEST:g})")
                self._frames += block.shape[1]
                yield block
            if self._frames == 0:
                raise self._fail("; ".join(["holds no sound (0 samples)", *self._faults]))
        finally:
            self.close()

    def _fail(self, what: str) -> MmascError:
        self._failure = f"{self._name}: {what}; {_COPY}"
        return MmascError(self._failure)

    def _read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next block, from the next decoder where this one gave up half-way."""
        while True:
            try:
                block = self._decoder.read(frames)
            except MemoryError as error:
                raise self._fail("needs more memory than there is") from error
            if block.shape[1]:
                return block
            expected = self._decoder.expected_frames
            # Also when there is nothing, unless the file says so itself: PyAV takes what follows for sound
            nothing = self._frames == 0 and self._header.seconds != 0
            short = nothing or (expected is not None and self._frames < expected and not self._header.cut)
            fault = self._decoder.fault
            if fault and fault not in self._faults:
                self._faults.append(fault)
            # PyAV goes on behind what it cannot decode: after it there is nothing to be had
            gave_up = isinstance(self._decoder, NativeDecoder) and (fault or short)
            if not gave_up or not self._take_over():
                return block

    def _take_over(self) -> bool:
        """Open the file with the next decoder and go to where the last one stopped; False if there is none."""
        decoder = self._next_decoder()
        if decoder is None or isinstance(decoder, DecodeError):
            return False
        self._decoder.close()
        self._decoder = decoder
        if (decoder.sample_rate, decoder.channels) != (self.sample_rate, self.channels):
            return False
        left = self._frames
        while left and (skipped := decoder.read(min(left, self.sample_rate)).shape[1]):
            left -= skipped
        return left == 0


def open_audio(path: Sound | MemorySound) -> AudioFile:
    """Open a recording, or the sound of a video.

    Args:
        path: A file of any kind that soundfile or PyAV reads; its content decides, not its name. Also the bytes of such
            a file, or an open binary file, which is read to its end.
    Returns:
        The open file, a context manager: `with open_audio(path) as file: for block in file.blocks(): ...`
    Raises:
        MmascError: If there is no such file, or no sound in it that can be read; the message says which and the fix.
    """
    return AudioFile(path)
