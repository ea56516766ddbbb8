"""Decoding with soundfile (libsndfile): wav, flac, ogg, mp3, aiff and their relatives."""

import os
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from mmasc.audio.layout import FileWindow, Header, open_source

# Formats in which decoding can fail half-way
_FRAGILE = ("FLAC", "OGG", "MP3", "CAF")
_ERRORS = (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError, EOFError, OverflowError, MemoryError)
# Files called so and not read are broken; called otherwise they may be for PyAV
EXTENSIONS = frozenset(
    (".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx",
     ".voc", ".w64", ".wav", ".wave")
)  # fmt: skip


class DecodeError(Exception):
    """A decoder cannot read the file; the message is half a sentence. Never leaves mmasc.audio."""


class _SequentialFile(soundfile.SoundFile):
    """A file read from front to end: soundfile seeks after each read otherwise, which takes time in flac and opus and
    goes astray in damaged Ogg (sound comes twice)."""

    def seekable(self) -> bool:
        return False


class NativeDecoder:
    """soundfile, with the same face as `ContainerDecoder`.

    Attributes:
        sample_rate, channels: Sample rate and channels of the file.
        declared_seconds: What the file says of its length; None if it does not say.
        slack_seconds: By which that may exceed what a whole file holds.
        expected_frames: Frames that must come, where known exactly; None where not.
        fault: Why decoding ended early, as half a sentence; "" if it did not.
        remark: What to tell of a file that is read, as half a sentence.
    Raises:
        DecodeError: If soundfile cannot open the file.
    """

    remark = ""

    def __init__(self, path: Path | bytes, header: Header, window: FileWindow | None = None) -> None:
        self.fault = ""
        self.expected_frames: int | None = None
        # A descriptor and not a name: libsndfile guesses raw formats from names, takes no name that is not UTF-8, and
        # sees no tag in front of the offset. Windows has no descriptors that libraries share.
        by_name = os.name == "nt" and isinstance(path, Path) and header.patch is None
        self._file = None if by_name or window is not None else open_source(path)
        try:
            self._sound = self._open(path, header, window)
        except _ERRORS as error:
            if self._file is not None:
                self._file.close()
            raise DecodeError(_first_line(error)) from error
        self.sample_rate = int(self._sound.samplerate)
        self.channels = int(self._sound.channels)
        frames = self._sound.frames
        # An mp3 that declares less padding than the decoder's own delay holds up to a frame less than it declares.
        self.slack_seconds = 1152 / max(self.sample_rate, 1) if self._sound.format == "MP3" else 1e-3
        # Without a Xing tag the length of mp3 is a guess; where the writer did not know it, it is huge.
        exact = (self._sound.format != "MP3" or header.seconds is not None) and frames < 1 << 48
        if exact:
            self.expected_frames = frames
        self.declared_seconds: float | None = header.seconds
        # An Ogg file declares its length on its last page; libsndfile takes the last that is there
        if header.seconds is None and exact and not header.cut:
            self.declared_seconds = frames / max(self.sample_rate, 1)
        self._fragile = self._sound.format in _FRAGILE
        self._left = frames

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames as float32; fewer at the end or before a fault, none after it."""
        frames = min(frames, self._left)
        if self.fault or frames <= 0:
            return np.zeros((self.channels, 0), np.float32)
        block = np.empty((frames, self.channels), np.float32)
        if self._fragile:
            # soundfile does not tell how much of a read that failed was good: what it did not write stays NaN
            block.fill(np.nan)
        try:
            count = len(self._sound.read(out=block))
        except _ERRORS as error:
            self.fault = _first_line(error)
            count = int(np.argmax(np.isnan(np.append(block[:, -1], np.nan)))) if self._fragile else 0
        self._left = self._left - count if count == frames else 0
        return block[:count].T

    def close(self) -> None:
        """Close the file."""
        self._sound.close()
        if self._file is not None:
            self._file.close()

    def _open(self, path: Path | bytes, header: Header, window: FileWindow | None) -> _SequentialFile:
        if window is not None:
            return _SequentialFile(window)
        if self._file is None:
            return _SequentialFile(str(path))
        if header.patch is not None or isinstance(path, bytes):
            size = len(path) if isinstance(path, bytes) else os.fstat(self._file.fileno()).st_size
            return _SequentialFile(
                FileWindow(self._file, header.offset if header.patch is None else 0, size, header.patch)
            )
        os.lseek(self._file.fileno(), header.offset, os.SEEK_SET)
        return _SequentialFile(self._file.fileno(), closefd=False)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    # soundfile puts the descriptor's number and a colon in front
    return text.rpartition(": ")[2].rstrip(". ") or type(error).__name__
