"""Which Python files the user trusts: a file with an encoder is code, and runs only after the user allowed it.

What is trusted is a file at its place with its content: one changed byte, and it is asked again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.storage.files import write_atomically
from mmasc.weights.store import home, read_note

VARIABLE = "MMASC_TRUST"
_NAME = "trusted.json"
_ASKED: ContextVar[Callable[[str], bool] | None] = ContextVar("mmasc_trust", default=None)


@contextlib.contextmanager
def asking(ask: Callable[[str], bool]) -> Iterator[None]:
    """Within the block the user is asked about files that are not trusted yet.

    Args:
        ask: Called with the question; answers whether the file may run.
    """
    token = _ASKED.set(ask)
    try:
        yield
    finally:
        _ASKED.reset(token)


def trusted_source(path: Path) -> bytes:
    """The content of a Python file, if it may run.

    Args:
        path: Path of the file.
    Raises:
        MmascError: If it is missing, or nobody has said that it may run; the line says how to say so.
    """
    source = read_source(path)
    digest = hashlib.sha256(source).hexdigest()
    place = os.path.realpath(path)
    if place in _named() or read_note(home() / _NAME).get(place) == digest:
        return source
    ask = _ASKED.get()
    if ask is not None and ask(f"{show_path(path)} is a program (sha256 {digest[:12]}…) and can do anything. Run it?"):
        _remember(place, digest)
        return source
    raise MmascError(
        f"{show_path(path)} is a program that nobody has trusted yet: look at it, then run `mmasc models trust "
        f"{show_path(path)}`, or set {VARIABLE}={show_path(path)}"
    )


def trust(path: Path) -> tuple[str, bool]:
    """Remember that a file may run, with the content that it has now.

    Args:
        path: Path of the file.
    Returns:
        Its SHA-256, and whether it was trusted with another content before.
    """
    digest, place = hashlib.sha256(read_source(path)).hexdigest(), os.path.realpath(path)
    before = read_note(home() / _NAME).get(place)
    _remember(place, digest)
    return digest, before not in (None, digest)


def read_source(path: Path) -> bytes:
    """The content of a Python file.

    Raises:
        MmascError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MmascError(
            f"{show_path(path)} cannot be read ({error.strerror}); name a Python file as FILE.py:Class"
        ) from error


def _named() -> set[str]:
    """Files that the environment variable names, separated as in PATH."""
    return {os.path.realpath(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one}


def _remember(place: str, digest: str) -> None:
    path = home() / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    known = read_note(path) | {place: digest}
    write_atomically(path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
