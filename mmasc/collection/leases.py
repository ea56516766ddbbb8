"""Leases: how a writer knows which old versions somebody still reads.

Every commit leaves a copy of the head, `heads/N.json`. A process that reads generation N holds a shared lock on that
file for as long as it reads; the writer that cleans takes an exclusive lock before it deletes the file and what only
that generation names. A lock ends with its process, so nothing is left to tidy up. Where there are no locks (Windows,
some network file systems) a generation is spared for an hour after the next one came.
"""

import contextlib
import os
import time
import weakref
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from mmasc.storage.files import make_folders, sync_folder, write_atomically

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

HEADS = "heads"
SPARED_SECONDS = 3_600.0
# Copies of heads that a commit leaves, next to those that are read: each costs a file
_KEPT_HEADS = 64


class Lease:
    """Keeps one generation from being cleaned while this object lives.

    Args:
        handle: Open descriptor of the head's copy, with a shared lock on it.
    """

    def __init__(self, handle: int) -> None:
        self._close = weakref.finalize(self, os.close, handle)

    def release(self) -> None:
        """Give the lease back before this object dies."""
        self._close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # a lock does not travel to another process


class Refusal(Enum):
    """Why there is no lease: the copy is being cleaned or gone, or there are no locks here."""

    GONE = "gone"
    NO_LOCKS = "no locks"


def take_lease(folder: Path, generation: int) -> Lease | Refusal:
    """A lease on a generation of the collection in `folder`. Needs no permission to write."""
    path = copy_path(folder, generation)
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return Refusal.GONE
    except OSError:
        return Refusal.NO_LOCKS  # not ours to open: its versions are read without a lease
    refusal = _refusal(handle, path)
    if refusal is None:
        return Lease(handle)
    os.close(handle)
    return refusal


def write_copy(folder: Path, generation: int, text: str) -> None:
    """Leave the copy of a head that is about to count, on the disk with its name."""
    home = folder / HEADS
    make_folders(home)
    write_atomically(copy_path(folder, generation), text.encode())
    sync_folder(home)


def generations(folder: Path) -> list[int]:
    """Generations with a copy, oldest first."""
    with contextlib.suppress(FileNotFoundError):
        names = (entry.name.partition(".json") for entry in os.scandir(folder / HEADS))
        return sorted(int(stem) for stem, dot, rest in names if stem.isascii() and stem.isdigit() and dot and not rest)
    return []


def drop_unread(folder: Path, current: int, spare_recent: bool) -> list[int]:
    """Delete copies of old heads that nobody reads; call it under the collection's lock.

    Args:
        folder: The collection.
        current: The generation that counts.
        spare_recent: Also keep those that were superseded within the hour, for readers who cannot lock.
    Returns:
        Older generations that stay because somebody reads them, or may.
    """
    there = generations(folder)
    return [one for one in there if one != current and not _dropped(folder, one, there, spare_recent)]


def sweep(folder: Path, current: int) -> None:
    """Bound the number of copies; called by every commit, looks only at those beyond the newest few."""
    there = generations(folder)
    for one in [one for one in there if one != current][:-_KEPT_HEADS]:
        _dropped(folder, one, there, spare_recent=False)


def copy_path(folder: Path, generation: int) -> Path:
    """Where the copy of a generation's head lies."""
    return folder / HEADS / f"{generation}.json"


def _refusal(handle: int, path: Path) -> Refusal | None:
    """Take the shared lock; None when it holds and the file still has its name."""
    if fcntl is None:
        return Refusal.NO_LOCKS
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Refusal.GONE  # a writer holds it to delete it
    except OSError:
        return Refusal.NO_LOCKS
    try:
        return None if os.path.samestat(os.fstat(handle), os.stat(path)) else Refusal.GONE
    except FileNotFoundError:
        return Refusal.GONE


def _dropped(folder: Path, generation: int, there: Sequence[int], spare_recent: bool) -> bool:
    """Delete the copy of a generation unless somebody reads it; says whether it is gone."""
    path = copy_path(folder, generation)
    recent = abs(_seconds_since_superseded(folder, generation, there)) < SPARED_SECONDS
    handle = None
    try:
        # On NFS an exclusive lock wants a file that is open for writing
        flags = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
        handle = None if fcntl is None else os.open(path, flags)
        read = None if handle is None else _is_read(handle)
        if read or (recent and (spare_recent or read is None)):
            return False
        path.unlink(missing_ok=True)
        return True
    except FileNotFoundError:
        return True
    except PermissionError:
        return False  # of another user: it stays, and so does what it names
    finally:
        if handle is not None:
            os.close(handle)


def _is_read(handle: int) -> bool | None:
    """Whether somebody holds a lease, else this process now holds the lock; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _seconds_since_superseded(folder: Path, generation: int, there: Sequence[int]) -> float:
    """Seconds since the next newer generation came; below 0 where the clock was ahead then."""
    newer = [one for one in there if one > generation]
    with contextlib.suppress(FileNotFoundError):
        return time.time() - copy_path(folder, newer[0] if newer else generation).stat().st_mtime
    return float("inf")
