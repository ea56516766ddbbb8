"""One home for what Lance and Arrow raise: every fault of a table becomes one line that names it and says what helps.

They raise `OSError`, `ValueError`, `RuntimeError` and, where their Rust code panics, a `BaseException`; panics also
print their own lines on the process's stderr, which are taken out here.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from mmasc.errors import MmascError

# Where the disk or the user's rights are at fault, not what the table holds
_REFUSED = re.compile(
    r"No space left|Permission denied|Read-only file system|[Qq]uota exceeded|Too many open files|Input/output error"
    r"|Stale file handle|File too large",
)
# The caller's rows do not fit the table
_WRONG_ROWS = re.compile(r"different schema|Schema error")
_REASON_LENGTH = 160
# A panic says where, why, and how to see more, on lines of which there may be many; Lance's own log is one line each
_PANIC = re.compile(rb"(?:\A|(?<=\n))\n?thread '[^\n]*panicked at .*", re.DOTALL)
_LOG = re.compile(rb"^\[\S+ (?:WARN|ERROR) +lance[^\n]*\n", re.MULTILINE)


@contextlib.contextmanager
def reading(table: Path, collection: Path) -> Iterator[None]:
    """Reading a table: `MmascError` with one line instead of what Lance raises."""
    try:
        with _without_panic_text():
            yield
    except BaseException as error:
        if not _is_of_lance(error):
            raise
        if _REFUSED.search(str(error)):
            raise MmascError(f"{table} cannot be read: {reason_of(error)}") from error
        raise _damaged(table, collection, error) from error


@contextlib.contextmanager
def writing(table: Path, collection: Path) -> Iterator[None]:
    """Changing a table: `MmascError` with one line instead of what Lance or the system raises.

    What is wrong with the rows that are to be written stays the error that it is.
    """
    try:
        with _without_panic_text():
            yield
    except BaseException as error:
        if not _is_of_lance(error) or _WRONG_ROWS.search(str(error)):
            raise
        if _REFUSED.search(str(error)) or getattr(error, "errno", None) is not None:
            raise _cannot_write(collection, error) from error
        raise _damaged(table, collection, error) from error


@contextlib.contextmanager
def unharmed(folder: Path) -> Iterator[None]:
    """Around a whole change: the system's refusals become one line that also says that nothing is harmed."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(folder, error) from error


def reason_of(error: BaseException) -> str:
    """The reason an exception gives, on one line, without the lines of source code that Lance adds."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    text = re.sub(r"External error: |LanceError\(\w+\): |Generic [\w/]+ error: ", "", text)
    text = re.split(r", (?:/home/|/root/|/rustc/|rust/|[A-Z]:\\)", text)[0].strip()
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def _damaged(table: Path, collection: Path, error: BaseException) -> MmascError:
    return MmascError(f"{table} is damaged or incomplete ({reason_of(error)}); restore {collection} from a backup")


def _cannot_write(folder: Path, error: BaseException) -> MmascError:
    return MmascError(f"cannot write to {folder}: {reason_of(error)}; what was stored before is unharmed")


def _is_of_lance(error: BaseException) -> bool:
    """Whether Lance, Arrow or the system raised it, and not the user's Ctrl-C or a line of ours."""
    if isinstance(error, Exception):
        return not isinstance(error, MmascError)
    return type(error).__name__ == "PanicException"


class _Stderr:
    """The process's stderr, kept back while at least one thread is inside Lance."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.own = self.spool = -1

    def hold(self) -> None:
        """Keep back what is written from now on."""
        with self.lock:
            self.inside += 1
            if self.inside > 1:
                return
            try:
                self.own, self.spool = os.dup(2), os.memfd_create("stderr") if hasattr(os, "memfd_create") else -1
            except OSError:  # stderr is closed: nobody reads it
                self.own = self.spool = -1
            if self.spool >= 0:
                os.dup2(self.spool, 2)

    def give(self) -> None:
        """Write what was kept back, without what Rust says to its programmers."""
        with self.lock:
            self.inside -= 1
            if self.inside:
                return
            if self.spool >= 0:
                os.dup2(self.own, 2)
                length = os.lseek(self.spool, 0, os.SEEK_END)
                os.lseek(self.spool, 0, os.SEEK_SET)
                text = _LOG.sub(b"", _PANIC.sub(b"", os.read(self.spool, length))) if length else b""
                if text:
                    os.write(2, text)
            for handle in (self.own, self.spool):
                if handle >= 0:
                    os.close(handle)
            self.own = self.spool = -1


_stderr = _Stderr()


@contextlib.contextmanager
def _without_panic_text() -> Iterator[None]:
    _stderr.hold()
    try:
        yield
    finally:
        _stderr.give()
