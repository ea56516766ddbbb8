"""What libraries written in C and Rust print to stderr by themselves, collected and reported in one line at the end.

Decoders report damaged files line by line, and storage libraries report damaged tables, where mmasc names the file and
the fix in one line. Descriptor 2 is replaced once, before anything runs, and only by the command line, because it
belongs to the whole process. It is replaced by a file, not by a pipe: a full pipe would block a library that holds the
interpreter.
"""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from mmasc.printing import counted

_WIDTH = 160  # characters of the line that is shown
# Rust's panic messages are for programmers; users get the error that a panic is turned into
_PANIC = re.compile(
    r"^thread '.*panicked at .*\n(?:(?!note: run with|thread '|Traceback).*\n)?(?:note: run with .*(?:\n|\Z))?",
    re.MULTILINE,
)
_LOG = re.compile(r"^\[\S+ (?:WARN|ERROR) +lance.*(?:\n|\Z)", re.MULTILINE)
_WHOLE = ("Traceback (most recent call last)", "Fatal Python error")  # these are real faults and are shown completely


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """Give libraries a separate stderr while the block runs; afterwards report in one line what they wrote.

    Does nothing where `sys.stderr` is not the descriptor 2 (tests, notebooks), or where no temporary file can be
    written.
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
        # A crash of the process must reach the stderr that people see
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
    """Report what libraries wrote: "" if nothing, all of it if it is a fault, otherwise a count and the first line."""
    text = _LOG.sub("", _PANIC.sub("", text))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or any(line.startswith(_WHOLE) for line in lines):
        return text.rstrip()
    first = "".join(sign if sign.isprintable() else " " for sign in lines[0])
    count = counted(len(lines), "line")
    return f"remark: libraries wrote {count} to stderr; the first: {first[:_WIDTH]}"
