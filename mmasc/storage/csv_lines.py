"""Rows → lines of CSV that every reader reads back: values with a line break of any kind stand in quotes."""

import csv
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class _Writable(Protocol):
    def write(self, text: str, /) -> object: ...


class _Lines:
    """What `csv` writes, a whole line in each call, with `\\n` at the ends of lines."""

    def __init__(self, to: _Writable) -> None:
        self._to = to

    def write(self, line: str) -> object:
        return self._to.write(line.removesuffix("\r\n") + "\n")


def csv_writer(to: _Writable) -> Any:
    """A writer of the module `csv` that ends lines with `\\n` and puts values with `\\r` or `\\n` into quotes.

    With `lineterminator="\\n"` Python before 3.13 leaves a lone `\\r` bare, where readers end the line.

    Args:
        to: An open file or a text in memory; opened with `newline=""`, where line breaks in values are to stay.
    """
    return csv.writer(_Lines(to), lineterminator="\r\n")
