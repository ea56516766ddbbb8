"""Limits for requests to servers and for space on this machine's disk, and how often a request is tried."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmasc.errors import MmascError

Result = TypeVar("Result")
MAX_BYTES = 4 * 10**9
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
TRIES = 3
# Before the second and the third try; tests make it short
WAIT_SECONDS = [1.0, 4.0]
# Workers in other processes see what was set here
_BYTES_NAME, _FOLDER_NAME = "MMASC_MAX_BYTES", "MMASC_TEMPORARY"


class AgainError(OSError):
    """A server failed in a way that may be over in a moment."""


@dataclass(frozen=True)
class Limits:
    """Limits of what is fetched.

    Attributes:
        max_bytes: Bytes of one recording, at most.
        folder: Folder for recordings on their way; None for the system's.
    """

    max_bytes: int = MAX_BYTES
    folder: Path | None = None


def limits() -> Limits:
    """Those that hold now: of `limited`, or of the environment (MMASC_MAX_BYTES, MMASC_TEMPORARY).

    Raises:
        MmascError: If the environment holds no number.
    """
    text, folder = os.environ.get(_BYTES_NAME, ""), os.environ.get(_FOLDER_NAME, "")
    if text and not (text.isdecimal() and int(text) > 0):
        raise MmascError(f"{_BYTES_NAME} must be a number of bytes, got {text!r}")
    return Limits(int(text) if text else MAX_BYTES, Path(folder) if folder else None)


@contextlib.contextmanager
def limited(max_bytes: int | None = None, folder: str | Path | None = None) -> Iterator[None]:
    """Other limits inside a block, in this process and in those that it starts.

    Args:
        max_bytes: Bytes of one recording, at most; None leaves it as it is.
        folder: Folder for recordings on their way; None leaves it as it is.
    Raises:
        MmascError: If there is no such folder.
    """
    if folder is not None and not os.path.isdir(folder):
        raise MmascError(f"{folder} is not a folder; give one for recordings on their way (--temporary)")
    given = {_BYTES_NAME: max_bytes, _FOLDER_NAME: None if folder is None else os.path.abspath(folder)}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def tried(work: Callable[[], Result]) -> Result:
    """What `work` gives, tried three times with waiting while it raises `AgainError`.

    Raises:
        OSError: What was raised last, with how often it was tried.
    """
    for wait in [*WAIT_SECONDS[: TRIES - 1], None]:
        try:
            return work()
        except AgainError as error:
            if wait is None:
                raise OSError(f"{error}; tried {TRIES} times") from error
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")
