"""Progress in hours of sound: how much there is, from headers, and how much of it went through the network."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmasc.audio import open_audio
from mmasc.audio.headers import read_header
from mmasc.audio.layout import open_source
from mmasc.encoders.embedding import FileVectors
from mmasc.errors import MmascError
from mmasc.progress import HOURS, QUIET, SILENT, Progress, current
from mmasc.remote.paths import RemotePath

# Formats whose few first bytes declare the length; others are walked from end to end, or left to a decoder
_DECLARED_AT_ONCE = {
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".rf64", ".snd", ".w64", ".wav", ".wave"
}  # fmt: skip
_WALKED = 3  # files of any other format that are looked at; of the rest their sizes are known
_THREADS = 8  # headers wait for the disk
_CHUNK = 64


class SoundProgress:
    """Hours of files that go through the network; tells `progress`.

    Args:
        progress: Who hears it.
        seconds: Lengths of files, as far as they are known.
    """

    def __init__(self, progress: Progress, seconds: dict[Path, float]) -> None:
        self._progress, self._seconds = progress, seconds
        self._reached: dict[Path, float] = {}

    def heard(self, path: Path, seconds: float) -> None:
        """Report that so many seconds of a file are done."""
        self._advance(path, seconds)
        whole = self._seconds.get(path)
        far = f"{min(100 * seconds / whole, 100):.0f} %" if whole else f"{seconds / 60:.1f} min"
        self._progress.note(f"{far} of {path.name}")

    def done(self, file: FileVectors) -> None:
        """A file is done, or cannot be read: what it promised counts as done then."""
        failed = file.status.state == "failed"
        self._advance(file.path, self._seconds.get(file.path, 0.0) if failed else file.duration)
        del self._reached[file.path]
        self._progress.note(file.path.name)

    def _advance(self, path: Path, seconds: float) -> None:
        more = seconds - self._reached.get(path, 0.0)
        self._reached[path] = seconds
        if more:
            self._progress.advance(more / 3600)


@contextlib.contextmanager
def sound_phase(name: str, files: Sequence[Path]) -> Iterator[SoundProgress]:
    """A phase in which these files are heard; nothing is read where nobody listens."""
    progress = current()
    seconds = {} if progress in (SILENT, QUIET) else lengths(files)
    with progress.phase(name, sum(seconds.values()) / 3600 or None, HOURS):
        yield SoundProgress(progress, seconds)


def lengths(files: Sequence[Path]) -> dict[Path, float]:
    """Seconds of files as they declare them, or as their sizes let expect; those that say nothing are missing.

    Args:
        files: Their headers are read in threads (none of those on servers); of formats without a length in the
            header, a few are looked at and the others are expected to have as many bytes a second.
    """
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if isinstance(path, RemotePath):
            continue  # a question for each of them would take longer than what it tells is worth
        kinds[path.suffix.lower()].append(path)
    asked = [path for kind, some in kinds.items() for path in (some if kind in _DECLARED_AT_ONCE else some[:_WALKED])]
    found: dict[Path, float] = {}
    progress = current()
    with progress.phase("reading headers", len(asked), "files"), _threads() as pool:
        for first in range(0, len(asked), _CHUNK):
            some = asked[first : first + _CHUNK]
            found.update((path, one) for path, one in zip(some, pool.map(_length, some), strict=True) if one)
            progress.advance(len(some))
    for kind, some in kinds.items():
        known = [path for path in some if path in found]
        if kind in _DECLARED_AT_ONCE or not known:
            continue
        sizes = {path: _size(path) for path in some}
        a_byte = sum(found[path] for path in known) / max(sum(sizes[path] for path in known), 1)
        found.update((path, size * a_byte) for path, size in sizes.items() if path not in found)
    return found


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(_THREADS, "mmasc-headers")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _length(path: Path) -> float | None:
    """Seconds that a file declares; files that cannot be read are reported when they are embedded."""
    try:
        with open_source(path) as file:
            header = read_header(file, path.stat().st_size)
        if header.seconds is not None:
            return header.seconds
        with open_audio(path) as audio:
            return header.holds if audio.declared_seconds is None else audio.declared_seconds
    except (OSError, MmascError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
