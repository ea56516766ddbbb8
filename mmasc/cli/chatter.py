"""What libraries written in C and Rust print to stderr by themselves, kept apart and told in one line at the end.

Decoders complain of damaged files line by line, and stores of damaged tables, where mmasc names the file and the fix
in one line. The descriptor 2 is exchanged once, before anything runs, and only by the command line: it belongs to the
whole process. A file and no pipe: a pipe that is full would stop a library that holds the interpreter.
"""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_WIDTH = 160  # of the line that is shown
# What Rust says to its programmers; what a panic means for users is said by the error that it becomes
_PANIC = re.compile(
    r"^thread '.*panicked at .*\n(?:(?!note: run with|thread '|Traceback).*\n)?(?:note: run with .*(?:\n|\Z))?",
    re.MULTILINE,
)
_LOG = re.compile(r"^\[\S+ (?:WARN|ERROR) +lance.*(?:\n|\Z)", re.MULTILINE)
_WHOLE = ("Traceback (most recent call last)", "Fatal Python error")  # what is a fault and no chatter is shown whole


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """Give libraries another stderr than mmasc while this lasts; then say in one line what they wrote, if anything.

    Does nothing where `sys.stderr` is not the descriptor 2 (tests, notebooks), or where there is no room for a file.
    """
    try:
        if sys.stderr.fileno() != 2:
            raise OSError("stderr is not the descriptor 2")
        held = tempfile.TemporaryFile()  # noqa: SIM115
    except (OSError, ValueError, AttributeError):
        yield
        return
    before = sys.stderr
    before.flush()
    own = os.fdopen(os.dup(2), "w", encoding=before.encoding, errors=before.errors, buffering=1)
    traces = not faulthandler.is_enabled()
    if traces:
        # A crash of the process must be seen where people look
        faulthandler.enable(own)
    os.dup2(held.fileno(), 2)
    sys.stderr = own
    try:
        yield
    finally:
        own.flush()
        os.dup2(own.fileno(), 2)
        sys.stderr = before
        if traces:
            faulthandler.disable()
        own.close()
        held.seek(0)
        text = held.read().decode("utf-8", "replace")
        held.close()
        if message := summary(text):
            print(message, file=before, flush=True)


def summary(text: str) -> str:
    """What is shown of chatter: "" of none, all of a fault, otherwise a line with the number of lines and the first."""
    text = _LOG.sub("", _PANIC.sub("", text))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or any(line.startswith(_WHOLE) for line in lines):
        return text.rstrip()
    first = "".join(sign if sign.isprintable() else " " for sign in lines[0])
    count = "a line" if len(lines) == 1 else f"{len(lines)} lines"
    return f"remark: libraries wrote {count} of their own; the first: {first[:_WIDTH]}"
