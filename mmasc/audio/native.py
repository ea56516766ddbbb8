"""Decoding with soundfile (libsndfile): wav, flac, ogg, mp3, aiff and their relatives."""

import os
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from mmasc.audio.headers import Header

# Frames at once when the last good ones before a fault are fetched
_SALVAGE_FRAMES = 1024
_ERRORS = (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError, EOFError, OverflowError, MemoryError)


class DecodeError(Exception):
    """A decoder cannot read the file; the message is half a sentence. Never leaves mmasc.audio."""


class NativeDecoder:
    """soundfile behind the face that `mmasc.audio.decode` describes."""

    extensions = frozenset(
        "." + extension
        for extension in "aif aifc aiff au caf flac mp2 mp3 oga ogg opus rf64 snd spx voc w64 wav wave".split()
    )
    slack_seconds = 1e-3

    def __init__(self, path: Path, header: Header) -> None:
        self.fault = ""
        # A descriptor and not a name: libsndfile guesses raw formats from names, takes no name that is not UTF-8, and
        # sees no tag in front of the offset. Windows has no descriptors that libraries share.
        self._file = None if os.name == "nt" else open(path, "rb", buffering=0)  # noqa: SIM115
        try:
            self._sound = self._open(path, header.offset)
        except _ERRORS as error:
            if self._file is not None:
                self._file.close()
            raise DecodeError(_first_line(error)) from error
        self.sample_rate = int(self._sound.samplerate)
        self.channels = int(self._sound.channels)
        frames = self._sound.frames
        # Without a Xing tag the length of mp3 is a guess; where the writer did not know it, it is huge.
        exact = (self._sound.format != "MP3" or header.seconds is not None) and frames < 1 << 48
        self.expected_frames = frames if exact else None
        self.declared_seconds = frames / self.sample_rate if exact and self.sample_rate > 0 else None
        self._position = 0

    def read(self, frames: int) -> Float[np.ndarray, "channel time"]:
        """The next frames as float32; fewer at the end or before a fault, none after it."""
        if self.fault:
            return np.zeros((self.channels, 0), np.float32)
        try:
            block = self._sound.read(frames, dtype="float32", always_2d=True)
        except _ERRORS as error:
            self.fault = _first_line(error)
            block = self._salvage(frames)
        self._position += len(block)
        return block.T

    def close(self) -> None:
        """Close the file."""
        self._sound.close()
        if self._file is not None:
            self._file.close()

    def _open(self, path: Path, offset: int) -> soundfile.SoundFile:
        if self._file is None:
            return soundfile.SoundFile(str(path))
        os.lseek(self._file.fileno(), offset, os.SEEK_SET)
        return soundfile.SoundFile(self._file.fileno(), closefd=False)

    def _salvage(self, frames: int) -> Float[np.ndarray, "time channel"]:
        """What comes before the fault, in small steps: soundfile keeps nothing of a read that fails."""
        pieces = [np.zeros((0, self.channels), np.float32)]
        try:
            self._sound.seek(self._position)
            while frames > 0:
                piece = self._sound.read(min(frames, _SALVAGE_FRAMES), dtype="float32", always_2d=True)
                if len(piece) == 0:
                    break
                pieces.append(piece)
                frames -= len(piece)
        except _ERRORS as error:
            self.fault = _first_line(error)
        return np.concatenate(pieces)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    # soundfile puts the descriptor's number and a colon in front
    return text.rpartition(": ")[2].rstrip(". ") or type(error).__name__
