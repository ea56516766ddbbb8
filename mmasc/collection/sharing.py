"""Collections that several people write to: what one of them writes, the others can read and write as well.

The rights of a collection's folder say who shares it. A user with a stricter umask would leave files and folders in it
that stop the others: a lock that only its owner may take, a folder that only its owner may write to.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

# The group may read and write where the folder says so; everybody may read, nobody else ever writes
_SHARED = stat.S_IRWXG | stat.S_IROTH | stat.S_IXOTH


class _Umask:
    """The process has one umask: who relaxes it takes turns being counted, and the last one puts it back."""

    def __init__(self) -> None:
        self.lock, self.users, self.before = threading.Lock(), 0, 0


_umask = _Umask()


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Files and folders made in the block get the rights of `folder` for its group and for others, not the umask's.

    Nothing changes where the folder does not exist yet, and where new files in it may be those of another group.
    """
    granted = _granted(folder)
    if not granted:
        yield
        return
    with _umask.lock:
        now = os.umask(0o077)
        if not _umask.users:
            _umask.before = now
        _umask.users += 1
        os.umask(now & ~granted)
    try:
        yield
    finally:
        with _umask.lock:
            _umask.users -= 1
            if not _umask.users:
                os.umask(_umask.before)


def _granted(folder: Path) -> int:
    """Bits of the umask that the folder's mode lifts."""
    if os.name != "posix":
        return 0
    try:
        found = folder.stat()
    except OSError:
        return 0
    # New files get the folder's group where it has the setgid bit, else that of the process
    if not found.st_mode & stat.S_ISGID and found.st_gid != os.getegid():
        return 0
    return found.st_mode & _SHARED


def owner_of(path: Path) -> str | None:
    """Owner of a file, or of the nearest folder above it that can be read; None if it is the user who asks."""
    for one in [path, *path.parents] if os.name == "posix" else []:
        with contextlib.suppress(OSError):
            owner = one.stat().st_uid
            if owner == os.geteuid():
                return None
            try:
                return one.owner()
            except KeyError:  # an account that this machine has no name for
                return f"user {owner}"
    return None
