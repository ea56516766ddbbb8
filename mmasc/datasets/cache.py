"""Waveforms decoded and resampled once, kept as memory maps, shared by runs and processes.

A file of the cache is a NumPy array with its checksum behind it. Its name is the SHA-256 of the recording's bytes, the
rate, the channel policy and the version of the decoder: a moved recording is found again, a changed one is not mistaken
for the old. Files are written under another name and renamed, so two processes may fill one cache at once.
"""

import errno
import hashlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmasc.audio import CHANNELS, stream_audio
from mmasc.cores import usable_cores
from mmasc.errors import MmascError, show_path
from mmasc.progress import with_progress
from mmasc.storage.arrays import read_array
from mmasc.storage.files import make_folders
from mmasc.storage.sealed import sealed_fault, write_sealed

# Of what decodes and resamples; another number where the same recording gives other samples
DECODER = 1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Waveforms(Sequence[Any]):
    """Waveforms of clips, in the order asked for: float32 `[channel time]`, read-only, mapped when they are looked at.

    A part of one is copied before torch takes it: `torch.from_numpy(waveforms[3][:, 500:900].copy())`.

    Attributes:
        sample_rate: Sample rate in Hz.
        broken: Position → why this recording could not be read; looking at it raises MmascError.
        n_decoded: How many were decoded rather than found in the cache.
    """

    def __init__(
        self, kept: list[Path | np.ndarray | None], sample_rate: int, broken: dict[int, str], n_decoded: int
    ) -> None:
        self._kept, self.sample_rate, self.broken, self.n_decoded = kept, sample_rate, broken, n_decoded

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        kept = self._kept[position]
        if kept is None:
            raise MmascError(self.broken[position % len(self)])
        if isinstance(kept, np.ndarray):
            return kept
        try:
            return read_array(kept, mapped=True)
        except (OSError, ValueError) as error:
            raise MmascError(f"{kept} was in the cache and is not any more ({error}); start again") from error


class WaveformCache:
    """Decoded waveforms at one rate and channel policy.

    Args:
        folder: Where they are kept, made when needed; None keeps them in memory.
        sample_rate: Sample rate in Hz.
        channels: Policy of `mmasc.audio.apply_channels`: "mix", "left", "right", "each" or "mid-side".
        remark: Called with a line about what was repaired or is not whole.
    Raises:
        ValueError: If the rate or the policy is wrong.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        sample_rate: int,
        channels: str = "mix",
        remark: Callable[[str], None] | None = None,
    ) -> None:
        if sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, got {sample_rate}")
        if channels not in CHANNELS:
            raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {channels!r}")
        self.folder = None if folder is None else Path(folder)
        self.sample_rate, self.channels = sample_rate, channels
        self._remark = remark or (lambda _: None)

    def load(
        self,
        paths: Sequence[str | os.PathLike[str]],
        progress: Callable[[int, int], None] | None = None,
        broken: str = "fail",
        n_threads: int | None = None,
    ) -> Waveforms:
        """Waveforms of recordings, decoded where the cache does not have them.

        Args:
            paths: Recordings; equal contents are decoded once.
            progress: Called with the number done and the total.
            broken: "fail": a recording that cannot be read is an error; "skip": it is noted in `Waveforms.broken`.
            n_threads: Number of threads that decode; default: as many as there are cores.
        Raises:
            MmascError: If a recording cannot be read and `broken` is "fail" (it is named), or the cache cannot be
                written (its folder is named; what is in it stays good).
            ValueError: If `broken` is something else.
        """
        if broken not in ("fail", "skip"):
            raise ValueError(f"broken must be 'fail' or 'skip', got {broken!r}")
        if self.folder is not None:
            self._make_folder(self.folder)
        kept: list[Path | np.ndarray | None] = [None] * len(paths)
        faults: dict[int, str] = {}
        work = _Work(self)
        pool = ThreadPoolExecutor(n_threads or usable_cores(), thread_name_prefix="decode")
        try:
            jobs = {pool.submit(work.keep, Path(path)): position for position, path in enumerate(paths)}
            for done, job in enumerate(
                with_progress("reading sounds", as_completed(jobs), len(jobs), "files"), start=1
            ):
                try:
                    kept[jobs[job]] = job.result()
                except _BrokenError as error:
                    if broken == "fail":
                        raise MmascError(str(error)) from error
                    faults[jobs[job]] = str(error)
                if progress is not None:
                    progress(done, len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
        return Waveforms(kept, self.sample_rate, faults, work.n_decoded)

    def file(self, digest: str) -> Path:
        """Where the waveform of a recording is kept.

        Args:
            digest: SHA-256 of the recording's bytes, in hex.
        """
        if self.folder is None:
            raise ValueError("this cache is in memory: it has no files")
        return self.folder / digest[:2] / f"{digest}-{self.sample_rate}-{self.channels}-{DECODER}.npy"

    def _make_folder(self, folder: Path) -> None:
        try:
            make_folders(folder)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error


class _BrokenError(Exception):
    """A recording that cannot be read; never leaves this module."""


class _Work:
    """One call of `load`: what its threads share."""

    def __init__(self, cache: WaveformCache) -> None:
        self.cache = cache
        self.n_decoded = 0
        self._lock = threading.Lock()
        # digest -> lock while one thread decodes it, and the waveform where the cache is in memory
        self._locks: dict[str, threading.Lock] = {}
        self._memory: dict[str, np.ndarray] = {}

    def keep(self, path: Path) -> Path | np.ndarray:
        """The file (the waveform, in memory) of a recording, made where it is missing or damaged."""
        try:
            digest = file_digest(path)
        except OSError as error:
            raise _BrokenError(f"{show_path(path)}: cannot be read ({error.strerror}); check the name") from error
        with self._lock:
            lock = self._locks.setdefault(digest, threading.Lock())
        with lock:
            return self._in_memory(path, digest) if self.cache.folder is None else self._on_disk(path, digest)

    def _in_memory(self, path: Path, digest: str) -> np.ndarray:
        if digest not in self._memory:
            waveform = self._decode(path)
            waveform.setflags(write=False)
            self._memory[digest] = waveform
        return self._memory[digest]

    def _on_disk(self, path: Path, digest: str) -> Path:
        file = self.cache.file(digest)
        fault = sealed_fault(file)
        if fault == "":
            return file
        if fault is not None:
            self.cache._remark(f"{file} in the cache was damaged ({fault}); {show_path(path)} is decoded again")
        waveform = self._decode(path)
        try:
            _write(file, waveform)
        except OSError as error:
            raise _cannot_write(self.cache.folder, error) from error
        return file

    def _decode(self, path: Path) -> Float32[np.ndarray, "channel time"]:
        try:
            with stream_audio(path, self.cache.sample_rate, self.cache.channels) as stream:
                waveform = np.concatenate(list(stream) or [np.zeros((stream.n_lanes, 0), np.float32)], axis=1)
                status = stream.status
        except MmascError as error:
            raise _BrokenError(str(error)) from error
        if not waveform.shape[1]:
            raise _BrokenError(
                f"{show_path(path)}: is shorter than a sample at {self.cache.sample_rate} Hz; leave it out"
            )
        if status.state != "ok":
            self.cache._remark(status.reason)
        with self._lock:
            self.n_decoded += 1
        return np.ascontiguousarray(waveform, np.float32)


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(file: Path, waveform: Float32[np.ndarray, "channel time"]) -> None:
    content = io.BytesIO()
    np.save(content, waveform, allow_pickle=False)
    write_sealed(file, content.getvalue())


def _cannot_write(folder: Path | None, error: OSError) -> MmascError:
    if error.errno in _FULL:
        return MmascError(f"{folder}: no space left for the waveform cache; make room there, or name another folder")
    return MmascError(f"{folder}: the waveform cache cannot be written ({error.strerror}); name another folder")
