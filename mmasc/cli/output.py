"""Results to stdout in the format asked for; progress, remarks and bad files to stderr."""

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from mmasc.printing import printable, printable_json

TABLE_WIDTH = 120  # used where stdout is not a terminal


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
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([shown(name) for name in names])
        writer.writerows(
            [["" if row.get(name) is None else shown(plain(row.get(name))) for name in names] for row in rows]
        )
        return
    print_table(rows, names)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None) -> None:
    """A table for people, as wide as the terminal (120 columns when there is none)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(printable(title)),
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in columns:
        numeric = bool(rows) and all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(Text(printable(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not markup: file names may hold brackets
        table.add_row(*[Text(_cell(row.get(name))) for name in columns])
    console = Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH)
    console.print(table)


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
    line = json.dumps(plain(value), ensure_ascii=False, indent=indent)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(plain(value), indent=indent)
    return printable_json(line) if sys.stdout.isatty() else line


def shown(value: Any) -> Any:
    """A value for stdout: without control characters on a terminal, unchanged for other programs."""
    return printable(value) if isinstance(value, str) and sys.stdout.isatty() else value


def echo(message: str = "", nl: bool = True, err: bool = False) -> None:
    """Print lines; control characters are kept for programs that read stdout, and removed on terminals and stderr."""
    if err:
        message = printable(message)
    elif sys.stdout.isatty():
        message = printable(message, keep="\n\t")
    click.echo(message, nl=nl, err=err)


def plain(value: Any) -> Any:
    """The same value in types of JSON; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and callable(value.item):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def speaks() -> bool:
    """Whether this process prints results: the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def remark(message: str, quiet: bool = False) -> None:
    """Print one line on stderr, unless `quiet`."""
    if not quiet:
        click.echo(printable(message), err=True)


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
