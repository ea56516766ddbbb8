"""Results to stdout in the format asked for; progress, remarks and bad files to stderr."""

import io
import json
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from mmasc.printing import counted, plain, printable, printable_json
from mmasc.storage.csv_lines import csv_writer

TABLE_WIDTH = 120  # used where stdout is not a terminal
_COLUMN_GAP = 2  # blanks between columns
_BROKEN_WIDTH = 15  # columns whose texts are broken over lines get this much at least, if they need it
_SENTENCE_WIDTH = 32  # a last column of longer texts that would get less than this stands beneath the rows instead
_INDENT = 4  # of these texts


def print_rows(rows: Iterable[Mapping[str, Any]], output_format: str, columns: Sequence[str] | None = None) -> None:
    """Print rows as a table, JSON list, JSON lines or CSV.

    Args:
        rows: One mapping per row; keys are the machine-readable names.
        output_format: "table", "json", "jsonl" or "csv".
        columns: Columns of table and csv, in order; default: the keys of the rows as they first appear.
    """
    if output_format == "jsonl":
        for row in rows:
            _print_json(row, None)
        return
    rows = list(rows)
    if output_format == "json":
        _print_json(rows, 1)
        return
    names = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    if output_format == "csv":
        _write_csv(sys.stdout, rows, names, shown)
        return
    print_table(rows, names)


def rows_text(rows: Sequence[Mapping[str, Any]], output_format: str) -> str:
    """What `print_rows` prints for programs, as the text of a file.

    Args:
        rows: As for `print_rows`.
        output_format: "json", "jsonl" or "csv".
    """
    if output_format == "csv":
        text = io.StringIO()
        _write_csv(text, rows, list(dict.fromkeys(key for row in rows for key in row)), lambda value: value)
        return text.getvalue()
    values = [plain(row) for row in rows]
    if output_format == "json":
        return _json(values, 1) + "\n"
    return "".join(_json(value, None) + "\n" for value in values)


def _write_csv(to: Any, rows: Sequence[Mapping[str, Any]], names: Sequence[str], show: Callable[[Any], Any]) -> None:
    writer = csv_writer(to)
    writer.writerow([show(name) for name in names])
    writer.writerows([[_csv_value(row.get(name), show) for name in names] for row in rows])


def _csv_value(value: Any, show: Callable[[Any], Any]) -> Any:
    """Missing values are empty texts; infinity, which JSON cannot express, is written as it is."""
    if isinstance(value, float) and math.isinf(value):
        return value
    known = plain(value)
    return "" if known is None else show(known)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None) -> None:
    """A table for people, as wide as the terminal (120 columns when there is none)."""
    from rich.console import Console
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH)
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    names = [printable(name) for name in columns]
    headings, whole = _fitted(names, cells, console.width)
    how: dict[str, Any] = {}
    if len(whole) < len(names):
        tight = _fitted(names, cells, console.width, 1)
        if len(tight[1]) == len(names):
            (headings, whole), how = tight, {"padding": (0, 1, 0, 0)}
    beneath: list[str] = []
    if _is_squeezed(headings, whole, cells, console.width):
        beneath = [row.pop() for row in cells]
        headings, whole = _fitted(names[:-1], cells, console.width)
    numeric = {
        place
        for place, name in enumerate(columns)
        if rows and all(isinstance(row.get(name), int | float | None) for row in rows)
    }
    with console.capture() as drawn:
        if beneath:
            widths = _widths(headings, whole, cells, console.width)
            console.print(_drawn(headings, [], numeric, whole, widths=widths))
            for row, text in zip(cells, beneath, strict=True):
                console.print(_drawn(headings, [row], numeric, whole, widths=widths, show_header=False))
                for line in textwrap.wrap(text, console.width - _INDENT):
                    console.print(Text(" " * _INDENT + line))
        else:
            shown_title = None if title is None else Text(printable(title))
            console.print(_drawn(headings, cells, numeric, whole, title=shown_title, title_justify="left", **how))
    # Blanks at the ends of lines get in the way of copying and comparing
    sys.stdout.write(re.sub(r" +((?:\x1b\[[0-9;]*m)*)$", r"\1", drawn.get(), flags=re.MULTILINE))
    sys.stdout.flush()


def _drawn(
    headings: list[str],
    cells: list[list[str]],
    numeric: set[int],
    whole: set[int],
    widths: Sequence[int] | None = None,
    **how: Any,
) -> Any:
    """A table of rich."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", **how)
    for place, heading in enumerate(headings):
        table.add_column(
            Text(heading),
            justify="right" if place in numeric else "left",
            overflow="fold",
            no_wrap=place in whole,
            width=None if widths is None else widths[place],
        )
    for row in cells:
        # Text, not markup: file names may hold brackets
        table.add_row(*map(Text, row))
    return table


def _widths(headings: list[str], whole: set[int], cells: list[list[str]], width: int) -> list[int]:
    """Width of each column: the full one of those that are never broken; the others share what is left."""
    from rich.cells import cell_len

    lines = [[*heading.split("\n"), *(row[place] for row in cells)] for place, heading in enumerate(headings)]
    full = [max(map(cell_len, texts)) for texts in lines]
    left = width - _COLUMN_GAP * (len(headings) - 1) - sum(full[place] for place in whole)
    share = left // max(len(headings) - len(whole), 1)
    return [one if place in whole else min(one, max(share, 1)) for place, one in enumerate(full)]


def _is_squeezed(headings: list[str], whole: set[int], cells: list[list[str]], width: int) -> bool:
    """Whether the last column holds sentences and has no room for them."""
    last = len(headings) - 1
    longest = max((len(row[-1]) for row in cells), default=0)
    return last not in whole and longest > _SENTENCE_WIDTH > _widths(headings, whole, cells, width)[last]


def _fitted(
    headings: list[str], cells: list[list[str]], width: int, gap: int = _COLUMN_GAP
) -> tuple[list[str], set[int]]:
    """Headings, split at underscores where room is short; and the columns that are never broken, narrow ones first."""
    room = width - gap * (len(headings) - 1)
    whole = _whole_columns([[name] for name in headings], cells, room)
    if len(whole) >= len(headings) - 1:
        return headings, whole
    split = [re.split("(?<=_)", name) for name in headings]
    return ["\n".join(parts) for parts in split], _whole_columns(split, cells, room)


def _whole_columns(headings: list[list[str]], cells: list[list[str]], room: int) -> set[int]:
    """Columns that keep their full width, the narrowest first, while the others have room for their longest words."""
    from rich.cells import cell_len

    natural, needs = [], []
    for place, lines in enumerate(headings):
        texts = [*lines, *(row[place] for row in cells)]
        natural.append(max(map(cell_len, texts)))
        needs.append(min(_BROKEN_WIDTH, max(cell_len(word) for text in texts for word in text.split() or [""])))
    whole = set()
    for place in sorted(range(len(headings)), key=natural.__getitem__):
        if natural[place] + sum(needs) - needs[place] <= room:
            needs[place] = natural[place]
            whole.add(place)
    return whole


def print_object(value: Mapping[str, Any], output_format: str) -> None:
    """Print one mapping: JSON for json and jsonl, otherwise `name  value` lines."""
    if output_format in ("json", "jsonl"):
        _print_json(value, 1 if output_format == "json" else None)
    else:
        rows = [{"name": key, "value": _cell(item)} for key, item in value.items()]
        print_rows(rows, output_format, ["name", "value"])


def _print_json(value: Any, indent: int | None) -> None:
    click.echo(json_text(value, indent))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON for people; escaped if a file name is not UTF-8, so that the name can be recovered."""
    line = _json(plain(value), indent)
    return printable_json(line) if sys.stdout.isatty() else line


def _json(value: Any, indent: int | None) -> str:
    line = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return line


def shown(value: Any) -> Any:
    """A value for stdout: without control characters on a terminal, unchanged for other programs."""
    return printable(value) if isinstance(value, str) and sys.stdout.isatty() else value


def shown_rows(rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """Rows of values as `shown` gives them; for other programs they are not looked at one by one."""
    return ([shown(value) for value in row] for row in rows) if sys.stdout.isatty() else rows


def echo(message: str = "", nl: bool = True, err: bool = False) -> None:
    """Print lines; control characters are kept for programs that read stdout, and removed on terminals and stderr."""
    if err:
        message = printable(message)
    elif sys.stdout.isatty():
        message = printable(message, keep="\n\t")
    click.echo(message, nl=nl, err=err)


def remark(message: str, quiet: bool = False) -> None:
    """Print one line on stderr, unless `quiet`."""
    if not quiet:
        click.echo(printable(message), err=True)


def left_out(number: int, which: str) -> str:
    """A line about recordings that had no part in an answer: how many, and which ones."""
    return f"{counted(number, 'recording')} {which} {'was' if number == 1 else 'were'} left out"


def print_note(sentence: str, output_format: str, quiet: bool = False) -> None:
    """What must be known of the figures above: below a table on stdout; otherwise a remark. Nothing for no sentence."""
    if sentence and output_format == "table":
        echo(f"note: {sentence}")
    elif sentence:
        remark(f"note: {sentence}", quiet)


def shorten(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis if it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(key)}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return printable(value)
