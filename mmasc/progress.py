"""Progress of long work, sent to a listener: the one way in which functions of the library report.

Functions that take long report in which phase they are (`current().phase(...)`), how much of it is done (`advance`) and
the current item (`note`). The reports are dropped unless the caller listens:

    with listening(progress):
        mmasc.embed("recordings", "sounds.mmasc")

where `progress` is the caller's own `Progress`, which shows the reports. The command line's is in
`mmasc.cli.progress`.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

HOURS = "h"  # the unit of sound: shown with how many times faster than listening it goes


class Progress:
    """Hears how far work is; this one does nothing with it.

    A phase may lie within another: what is advanced and noted belongs to the innermost.
    """

    def begin(self, name: str, total: float | None, unit: str) -> int:
        """A phase begins, with nothing done; see `phase`.

        Returns:
            Its number, for `end`.
        """
        return 0

    def end(self, number: int) -> None:
        """A phase has ended, and those that lie within it; perhaps it has ended already with one around it."""

    def advance(self, n: float = 1.0) -> None:
        """So much more of the phase is done."""

    def note(self, text: str) -> None:
        """The current item, as in "night_03.wav, 37 %"; replaces the one before."""

    def remark(self, text: str) -> None:
        """One line that users must always see, such as the terms of a licence."""

    @contextlib.contextmanager
    def phase(self, name: str, total: float | None = None, unit: str = "") -> Iterator[None]:
        """A phase for as long as the block runs.

        Args:
            name: What is being done, as in "embedding"; of things that are counted one by one, as in "fold 2 of 4", one
                of them.
            total: How much there is to do; None where nobody knows.
            unit: What is counted: `HOURS` of sound, "files" and the like; "" for things one by one.
        """
        number = self.begin(name, total, unit)
        try:
            yield
        finally:
            self.end(number)


class Nobody(Progress):
    """Nobody listens; what users must know goes into Python's log, which shows it on stderr unless told otherwise."""

    def remark(self, text: str) -> None:
        """See `Progress.remark`."""
        logging.getLogger("mmasc").warning("%s", text)


SILENT, QUIET = Nobody(), Progress()  # nobody has asked, and somebody has asked for nothing
_LISTENER: ContextVar[Progress] = ContextVar("mmasc_progress", default=SILENT)


def current() -> Progress:
    """Who listens here; `SILENT` where nobody does, as in threads that functions start."""
    return _LISTENER.get()


@contextlib.contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """Progress that is reported inside the block goes to `progress`."""
    token = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextlib.contextmanager
def counting(name: str, unit: str = "") -> Iterator[Callable[..., None]]:
    """What functions call that tell how many are done and of how many: `(done, total)` or `(done, total, note)`.

    Another total, or fewer done than before, begins the phase again.
    """
    progress, number, before, reached = current(), None, None, 0.0

    def tell(done: float, total: float | None, note: str = "") -> None:
        nonlocal number, before, reached
        if number is None or total != before or done < reached:
            if number is not None:
                progress.end(number)
            number = progress.begin(name, total or None, unit)
            before, reached = total, 0.0
        progress.advance(done - reached)
        reached = done
        if note:
            progress.note(note)

    try:
        yield tell
    finally:
        if number is not None:
            progress.end(number)


def one_by_one(name: str, items: Sequence[Item]) -> Iterator[Item]:
    """The items, each reported as a phase: "fold 2 of 4"; a single one is not reported."""
    return with_progress(name, items, len(items)) if len(items) > 1 else iter(items)


def with_progress(name: str, items: Iterable[Item], total: float | None, unit: str = "") -> Iterator[Item]:
    """The items, reported as a phase in which each counts as one; see `Progress.phase`."""
    progress = current()
    with progress.phase(name, total, unit):
        for item in items:
            yield item
            progress.advance()
