"""Progress of long work on stderr: one live line on a terminal, a line a minute elsewhere, nothing with --quiet."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size

from mmasc.cli.output import remark
from mmasc.printing import printable
from mmasc.progress import HOURS, QUIET, Progress, listening

_REDRAW_SECONDS = 0.2
_PATIENCE_SECONDS = 0.4  # what is done sooner shows no line
_LINE_SECONDS = 60.0  # from one line to the next where stderr is not a terminal
_BAR = 12  # characters
_NOTE = 20  # characters of what is in hand that are worth more than the bar
_LEAST_NOTE = 8  # characters: a shorter rest of a note says nothing
# What is known after a shorter time says nothing about the time that is left
_KNOWN_SECONDS = 2.0
_ROUNDING = 1e-6  # of shares that add up to a whole


@dataclass
class _Phase:
    """A phase and its number, how much of it is done, what is in hand, and when it began."""

    number: int
    name: str
    total: float | None
    unit: str
    began: float
    done: float = 0.0
    note: str = ""

    @property
    def share(self) -> float | None:
        """How much of it is done, from 0 to 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else None

    def parts(self, passed: float) -> Iterator[str]:
        """It in words, behind its name."""
        if self.unit == HOURS:
            yield f"{self.done:.2f} of {max(self.total, self.done):.2f} h" if self.total else f"{self.done:.2f} h"
            if passed >= _KNOWN_SECONDS and self.done:
                yield f"{3600 * self.done / passed:.0f} x real time"
        elif self.unit and self.total:
            yield f"{self.done:.0f} of {self.total:.0f} {self.unit}"
        elif self.unit and self.done:
            yield f"{self.done:.0f} {self.unit}"

    @property
    def title(self) -> str:
        """Its name, with its number where things are counted one by one."""
        if self.unit or not self.total:
            return self.name
        return f"{self.name} {min(int(self.done + _ROUNDING) + 1, int(self.total))} of {self.total:.0f}"


class Shown(Progress):
    """Progress as a line of text.

    Args:
        name: What is being done while no phase says more.
        clock: Seconds since any moment.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._whole = _Phase(0, name, None, "", clock())
        self._phases: list[_Phase] = []
        self._number = 0

    def begin(self, name: str, total: float | None, unit: str) -> int:
        """See `Progress.begin`."""
        with self._lock:
            self._number += 1
            self._phases.append(_Phase(self._number, name, total, unit, self._clock()))
            return self._number

    def end(self, number: int) -> None:
        """See `Progress.end`."""
        with self._lock:
            numbers = [one.number for one in self._phases]
            if number in numbers:
                del self._phases[numbers.index(number) :]

    def advance(self, n: float = 1.0) -> None:
        """See `Progress.advance`."""
        with self._lock:
            if self._phases:
                self._phases[-1].done += n

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        with self._lock:
            if self._phases:
                self._phases[-1].note = text

    def remark(self, text: str) -> None:
        """See `Progress.remark`."""
        remark(text)

    def text(self, width: int) -> str:
        """How it stands, at most `width` cells: names, bar, amounts, speed, time left, and what is in hand."""
        with self._lock:
            now, phases = self._clock(), self._phases or [self._whole]
            last = phases[-1]
            parts = [", ".join(one.title for one in phases)]
            parts += [*last.parts(now - last.began), self._times(phases, now)]
            share, note = self._share(), printable(last.note)
        line = "  ".join(part for part in parts if part)
        taken = cell_len(line) + (min(cell_len(note), _NOTE) + 2 if note else 0)
        if share is not None and taken + _BAR + 4 <= width:
            # It says nothing that the numbers do not say: what is in hand comes first
            parts.insert(1, f"[{'#' * round(_BAR * share):.<{_BAR}}]")
            line = "  ".join(part for part in parts if part)
        line = _cut(line, width)
        room = width - cell_len(line) - 2
        return f"{line}  {_cut(note, room)}" if note and room >= min(_LEAST_NOTE, cell_len(note)) else line

    def _share(self) -> float | None:
        """How much is done of the outermost phase that has an end, those within it included."""
        share = None
        for one in reversed(self._phases):
            if one.total and one.share is not None:
                share = min(one.share + (share or 0.0) / one.total, 1.0) if not one.unit else one.share
        return share

    def _times(self, phases: list[_Phase], now: float) -> str:
        share = self._share()
        if share is None:
            return _clock_time(now - phases[-1].began)
        passed = now - next(one.began for one in phases if one.total)
        if not share or passed < _KNOWN_SECONDS:
            return ""
        return f"{_clock_time((1 - share) * passed / share)} left"


class _Line:
    """The last line of a terminal: what else is printed comes above it."""

    def __init__(self, shown: Shown, stream: TextIO) -> None:
        self.shown, self.stream, self.lock = shown, stream, threading.RLock()
        self.drawn, self.midway, self.owner = 0, False, os.getpid()

    def draw(self) -> None:
        """Show how it stands now; not within a line that somebody has begun."""
        with self.lock:
            if self.midway:
                return
            # A line that fills the last column would be broken by some terminals
            width = max(shutil.get_terminal_size().columns - 1, 20)
            text = self.shown.text(width)
            length = cell_len(text)
            self.stream.write(f"\r{text}{' ' * (self.drawn - length)}")
            self.stream.flush()
            self.drawn = length

    def clear(self) -> None:
        """Leave an empty line, and the cursor at its beginning."""
        with self.lock:
            if self.drawn:
                self.stream.write(f"\r{' ' * self.drawn}\r")
                self.stream.flush()
                self.drawn = 0


class _Above:
    """A stream of the terminal whose text stands above the line."""

    def __init__(self, stream: TextIO, line: _Line) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        """Write text, with no line in its way."""
        line = self._line
        # A process that was forked has no line, and perhaps a lock that nobody will open
        if not isinstance(text, str) or not text or os.getpid() != line.owner:
            return self._stream.write(text)
        with line.lock:
            line.clear()
            written = self._stream.write(text)
            self._stream.flush()
            line.midway = not text.endswith("\n")
        return written

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for text in lines:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def shown_progress(name: str, quiet: bool = False) -> Iterator[None]:
    """Show what functions within the block say of their progress.

    Args:
        name: What is being done while functions say no more.
        quiet: Show nothing, remarks included.
    """
    if quiet:
        with listening(QUIET):
            yield
        return
    shown = Shown(name)
    with listening(shown), _on_terminal(shown) if sys.stderr.isatty() else _in_lines(shown):
        yield


@contextlib.contextmanager
def _on_terminal(shown: Shown) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    line = _Line(shown, sys.stderr)
    sys.stderr = _Above(sys.stderr, line)
    if sys.stdout.isatty():
        sys.stdout = _Above(sys.stdout, line)
    try:
        with _repeating(line.draw, _PATIENCE_SECONDS, _REDRAW_SECONDS):
            yield
    finally:
        sys.stdout, sys.stderr = before
        line.clear()


@contextlib.contextmanager
def _in_lines(shown: Shown) -> Iterator[None]:
    stream, said = sys.stderr, [0]

    def say() -> None:
        said[0] += 1
        stream.write(shown.text(200) + "\n")
        stream.flush()

    try:
        with _repeating(say, _LINE_SECONDS, _LINE_SECONDS):
            yield
    finally:
        if said[0]:
            say()


@contextlib.contextmanager
def _repeating(action: Callable[[], None], first: float, after: float) -> Iterator[None]:
    """Do something again and again while the block runs, in a thread that ends with it."""
    stop = threading.Event()

    def work() -> None:
        wait = first
        while not stop.wait(wait):
            action()
            wait = after

    thread = threading.Thread(target=work, name="mmasc-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"
