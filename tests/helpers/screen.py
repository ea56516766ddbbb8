"""What a person sees: a command on a pseudo-terminal of 80 columns, and the screen after everything that it wrote."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.cells import cell_len

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """Rows of a terminal that knows characters, carriage return and line feed; long rows break as they do there."""

    def __init__(self, columns: int = 80) -> None:
        self.columns, self.rows, self.column = columns, [[" "] * columns], 0

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        for sign in _COLOURS.sub("", text):
            if sign == "\r":
                self.column = 0
            elif sign == "\n":
                self.rows.append([" "] * self.columns)
            else:
                assert sign.isprintable(), f"{sign!r} is more than this terminal knows"
                width = cell_len(sign)
                if self.column + width > self.columns:
                    self.rows.append([" "] * self.columns)
                    self.column = 0
                self.rows[-1][self.column : self.column + width] = [sign] + [""] * (width - 1)
                self.column += width

    @property
    def lines(self) -> list[str]:
        """Rows, without blanks at their ends."""
        return ["".join(row).rstrip() for row in self.rows]


def on_terminal(code: str, *arguments: object, columns: int = 80) -> tuple[int, list[list[str]]]:
    """Run Python code on a pseudo-terminal.

    Returns:
        Its exit status, and the lines of the screen after each thing that it wrote.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(theirs)
    screen, seen, rest = Screen(columns), [], b""
    with open(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                data = rest + terminal.read(65_536)
            except OSError:  # Linux says so when the last one that could write has gone
                break
            if not data:
                break
            text = data.decode("utf-8", "ignore")
            rest = data[len(text.encode()) :]
            screen.feed(text)
            seen.append(screen.lines)
    return process.wait(), seen
