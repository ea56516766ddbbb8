"""Errors that Lance and Arrow raise → one line that names the damaged table and says what helps.

They raise `OSError`, `ValueError`, `RuntimeError` and, where their Rust code panics, a `BaseException`; what panics
print on the process's stderr is kept apart by the command line.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from mmasc.collection.sharing import owner_of, shared
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import without_secrets

# Where the disk or the user's rights are at fault, not what the table holds
_REFUSED = re.compile(
    r"No space left|Permission denied|Read-only file system|[Qq]uota exceeded|Too many open files|Input/output error"
    r"|Stale file handle|File too large",
)
# The caller's rows do not fit the table
_WRONG_ROWS = re.compile(r"different schema|Schema error")
_DENIED = "Permission denied"
_REASON_LENGTH = 160


@contextlib.contextmanager
def reading(table: Path, collection: Path) -> Iterator[None]:
    """Reading a table: `MmascError` with one line instead of what Lance raises."""
    try:
        yield
    except BaseException as error:
        if not _is_of_lance(error):
            raise
        if _REFUSED.search(str(error)):
            raise MmascError(f"{table} cannot be read: {reason_of(error)}") from error
        raise _damaged(table, collection, error) from error


@contextlib.contextmanager
def reading_published(table: Path) -> Iterator[None]:
    """Opening a table in an object store: the same, with what helps there."""
    try:
        yield
    except BaseException as error:
        if not _is_of_lance(error):
            raise
        raise MmascError(
            f"{table} cannot be read ({without_secrets(reason_of(error))}); check the address and your rights to it, "
            "or publish the collection again"
        ) from error


@contextlib.contextmanager
def writing(table: Path, collection: Path) -> Iterator[None]:
    """Changing a table: `MmascError` with one line instead of what Lance or the system raises.

    What is wrong with the rows that are to be written stays the error that it is.
    """
    try:
        yield
    except BaseException as error:
        if not _is_of_lance(error) or _WRONG_ROWS.search(str(error)):
            raise
        if _REFUSED.search(str(error)) or getattr(error, "errno", None) is not None:
            raise cannot_write(collection, error) from error
        raise _damaged(table, collection, error) from error


@contextlib.contextmanager
def unharmed(folder: Path) -> Iterator[None]:
    """Around a whole change: the system's refusals become one line that also says that nothing is harmed.

    What is written has the rights of the folder, so that those who share it can go on.
    """
    try:
        with shared(folder):
            yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def reason_of(error: BaseException) -> str:
    """The reason an exception gives, on one line, without the lines of source code that Lance adds."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    text = re.sub(r"External error: |LanceError\(\w+\): |Generic [\w/]+ error: ", "", text)
    text = re.split(r", (?:/home/|/root/|/rustc/|rust/|[A-Z]:\\)", text)[0].strip()
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def _damaged(table: Path, collection: Path, error: BaseException) -> MmascError:
    return MmascError(f"{table} is damaged or incomplete ({reason_of(error)}); restore {collection} from a backup")


def cannot_write(folder: Path, error: BaseException) -> MmascError:
    """The error for a collection that cannot be written to: it says what was refused, and who can change it."""
    reason, named = reason_of(error), getattr(error, "filename", None)
    if isinstance(error, OSError) and error.strerror is not None:
        reason = f"{show_path(named)}: {error.strerror}" if isinstance(named, str) else error.strerror
    helps = _who_helps(folder, Path(named) if isinstance(named, str) else folder) if _DENIED in reason else ""
    return MmascError(f"cannot write to {show_path(folder)}: {reason}{helps}; what was stored before is unharmed")


def _who_helps(folder: Path, refused: Path) -> str:
    """Who can give the user the right to write, and with which command."""
    owner, where = owner_of(refused), shlex.quote(show_path(folder))
    if owner is None:
        return f"; to give yourself the right: chmod -R u+rwX {where}"
    return f"; it belongs to {owner}, who can let its group write: chmod -R g+rwX {where}"


def _is_of_lance(error: BaseException) -> bool:
    """Whether Lance, Arrow or the system raised it, and not the user's Ctrl-C or a line of ours."""
    if isinstance(error, Exception):
        return not isinstance(error, MmascError)
    return type(error).__name__ == "PanicException"
