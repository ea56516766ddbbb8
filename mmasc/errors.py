"""The one exception that users meet: something they can fix, said in one line that also says how."""

import os

from mmasc.printing import printable


class MmascError(Exception):
    """An error that the user can fix: wrong encoder for a collection, missing extra, broken file.

    The message is one line, names the file or the thing at fault and says the fix. The command line prints it and
    exits with status 1.
    """


def show_path(path: str | os.PathLike[str]) -> str:
    """A path fit for one line of a message: bytes that are not UTF-8 and line breaks are escaped."""
    return printable(os.fspath(path))
