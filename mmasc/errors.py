"""The one exception that users see: a problem that they can fix, in one line that also says how."""

import errno
import os

from mmasc.printing import printable

# What helps where the system refuses to write
_HELPS = {
    errno.ENOSPC: "make room on that disk, or name a place on another one",
    errno.EDQUOT: "make room on that disk, or name a place on another one",
    errno.EROFS: "name a place on a disk that can be written to",
    errno.EACCES: "check its permissions and those of its folder",
}


class MmascError(Exception):
    """An error that the user can fix: wrong encoder for a collection, missing extra, broken file.

    The message is one line, names the file or value at fault and says how to fix it. The command line prints it and
    exits with status 1.
    """


def said(error: OSError) -> str:
    """What the system refused, in one line that names the file first and says the fix where there is one.

    Files are named where they are written (`mmasc.storage.files.replacing`): a full disk without a name is stdout's.
    """
    if error.errno is None or error.strerror is None:
        return str(error)
    named = isinstance(error.filename, str | bytes)
    where = f"{show_path(error.filename)}: " if named else "stdout: " if error.errno == errno.ENOSPC else ""
    helps = _HELPS.get(error.errno, "")
    return f"{where}{error.strerror}{helps and '; '}{helps}"


def show_path(path: str | os.PathLike[str]) -> str:
    """A path fit for one line of a message: bytes that are not UTF-8 and line breaks are escaped."""
    return printable(os.fspath(path))
