"""Progress of long work on stderr: a live line on a terminal, nothing elsewhere."""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmasc.printing import printable


class ProgressLine:
    """One line: bar, items done and in total, time left, and a remark such as hours of sound."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total, remark="") if progress is not None else None

    def update(self, done: int, remark: str = "") -> None:
        """Show that `done` items are done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, remark=escape(printable(remark)))

    def show(self, done: int, total: int) -> None:
        """Show that `done` of `total` items are done: the form in which library functions report."""
        self.set_total(total)
        self.update(done)

    def set_total(self, total: int) -> None:
        """Set the number of items, once it is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)


@contextlib.contextmanager
def progress_line(name: str, total: int = 0, quiet: bool = False) -> Iterator[ProgressLine]:
    """A live line while the block runs; silent with `quiet` or where stderr is not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield ProgressLine(None, total)
        return
    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    # What a command prints meanwhile goes to stdout, wherever that leads, not above the line on stderr
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        yield ProgressLine(progress, total)
