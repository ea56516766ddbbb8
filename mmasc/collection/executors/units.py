"""Files into units of work: small, so that a lost worker costs little, and smallest at the end."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MOST_FILES = 64
MOST_SECONDS = 600.0
# Bytes that a second of sound takes at least in the formats that are small; of all others as in wav, 16 bits, 44.1 kHz
_SMALL = 8_000.0
_BYTES_A_SECOND = {
    **dict.fromkeys((".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".spx", ".mp4", ".webm"), _SMALL),
    ".flac": 40_000.0,
}
_WAV = 88_200.0
_SHARES = 4  # units that each worker should still get of what is left


class SharedFiles:
    """Files that several take from, each one once; in threads as well.

    Args:
        files: Taken as they are asked for.
        expected: About how many there are.
    """

    def __init__(self, files: Iterable[Path], expected: int) -> None:
        self._files, self._lock = iter(files), threading.Lock()
        self.left, self.finished = expected, False
        self._peeked: list[Path] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is not one more; looks for it."""
        with self._lock:
            if not self._peeked and not self.finished:
                try:
                    self._peeked.append(next(self._files))
                except StopIteration:
                    self.finished = True
            return not self._peeked

    def __iter__(self) -> Iterator[Path]:
        return self

    def __next__(self) -> Path:
        with self._lock:
            if self.finished:
                raise StopIteration
            try:
                path = self._peeked.pop() if self._peeked else next(self._files)
            except StopIteration:
                self.finished = True
                raise
            self.left -= 1
            return path

    def unit(self, workers: int) -> list[Path]:
        """The files of the next unit; none when all are taken.

        Args:
            workers: How many workers take from them.
        """
        most = min(max(self.left // (_SHARES * workers), 1), MOST_FILES)
        files: list[Path] = []
        seconds = 0.0
        while len(files) < most and seconds < MOST_SECONDS:
            path: Any = next(self, None)
            if path is None:
                break
            files.append(path)
            seconds += expected_seconds(path)
        return files


def expected_seconds(path: Path) -> float:
    """About how long a recording is at most, by its size and the kind that its name says."""
    try:
        size = path.stat().st_size
    except OSError:
        return 0.0
    return size / _BYTES_A_SECOND.get(path.suffix.lower(), _WAV)
