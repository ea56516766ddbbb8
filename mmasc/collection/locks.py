"""Locks of a collection: one writer at a time, the others wait, with a remark."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mmasc.errors import MmascError
from mmasc.storage.files import is_there

_LOCK_SECONDS = 600.0
# In the cache folder of a published collection: nothing that is written there would stay
PUBLISHED = ".published"
_SAID_AFTER_SECONDS = 3.0
_log = logging.getLogger(__name__)


def refuse_published(folder: Path) -> None:
    """Stop where something would be written to the cache folder of a published collection.

    Raises:
        MmascError: It says what to do instead.
    """
    if is_there(folder / PUBLISHED) or is_there(folder.parent / PUBLISHED):
        raise MmascError(
            "a published collection is only read: change the collection where it was made, and publish it again with: "
            "mmasc collection publish"
        )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; it ends with its process, so none is ever left behind.

    Raises:
        MmascError: If another process holds it for very long, or nothing is written here.
    """
    refuse_published(folder)
    lock = FileLock(folder / ".lock")
    try:
        try:
            lock.acquire(timeout=_SAID_AFTER_SECONDS)
        except Timeout:
            _log.warning("another process writes to %s; waiting up to %.0f s for it", folder, _LOCK_SECONDS)
            lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise MmascError(f"{folder} is locked by another process for {_LOCK_SECONDS:.0f} s; try again later") from None
    try:
        yield
    finally:
        lock.release()
