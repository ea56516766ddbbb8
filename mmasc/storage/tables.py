"""Tables that people write: CSV with commas, semicolons or tabs → rows of text, missing values known as missing.

One reader for all tables (own columns, data sets, pairs, texts), so that what one command takes the others take too.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.storage.table_texts import decoded_text
from mmasc.storage.texts import listed
from mmasc.storage.values import MISSING

_DELIMITERS = ",;\t"


class Row(dict[str, str]):
    """Values of a row by column, without blanks around them; "" where one is missing.

    Attributes:
        line: Number of the line in the file on which the row begins, from 1.
    """

    def __init__(self, values: Iterable[tuple[str, str]], line: int) -> None:
        super().__init__(values)
        self.line = line


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        path: Path of the file.
        columns: Names, in order.
        rows: Rows in order; none is empty.
        delimiter: Between values.
        read_as_missing: Words that were read as missing values, and how often: NA → 3.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    delimiter: str
    read_as_missing: Counter[str] = field(default_factory=Counter)

    @property
    def remarks(self) -> list[str]:
        """What users may want to know, one line each."""
        if not self.read_as_missing:
            return []
        words = ", ".join(f"{word} {count}×" for word, count in self.read_as_missing.most_common())
        total = sum(self.read_as_missing.values())
        return [f"{total} values of {show_path(self.path)} were read as missing ({words})"]

    def need(self, *names: str) -> None:
        """Refuse the table where one of these columns does not exist, or has no value in a row.

        Raises:
            MmascError: It names the columns that are there, or the line.
        """
        for name in names:
            if name not in self.columns:
                raise MmascError(
                    f"{show_path(self.path)} has no column {name!r}; its columns are {listed(self.columns)}"
                )
        for row in self.rows:
            for name in names:
                if not row[name]:
                    raise MmascError(
                        f"{show_path(self.path)}, line {row.line}: {name} is empty or missing; fill it in or take the "
                        "row out"
                    )


def read_table(path: str | Path, names: Sequence[str] | None = None) -> Table:
    """A table of text.

    Values are separated by commas, semicolons or tabs: the one that the first line has most of (outside quotes; a line
    `sep=;` before it decides too). The encoding is UTF-8, with or without a byte order mark. Empty lines are passed
    over; a column without a name is left out.

    Args:
        path: File with the names of the columns in the first line.
        names: Names of the columns, for a table without such a line; those at the end may be missing from the whole
            table, and lines that start with "#" are then comments.
    Raises:
        MmascError: If the file cannot be read, is not such a table, names a column twice, has a row with more or fewer
            values than columns (the line is named), a quote that is never closed, or no rows.
    """
    path = Path(path)
    text = decoded_text(path)
    delimiter, records = _records(path, text, comments=names is not None)
    if not records:
        raise MmascError(f"{show_path(path)}: empty; the first line must name the columns")
    if names is None:
        header, records = [name.strip() for name in records[0][1]], records[1:]
    else:
        header = list(names[: len(records[0][1])])
    columns = _columns(path, header)
    if not records:
        raise MmascError(f"{show_path(path)} has no rows, only the columns {listed(columns)}")
    replaced: Counter[str] = Counter()
    rows = []
    for line, values in records:
        values = _trimmed(values, header)
        if fault := _count_fault(values, header):
            raise MmascError(
                f"{show_path(path)}: line {line} has {fault}; "
                "fix the line (a value with a separator or a line break in it needs quotes)"
            )
        rows.append(_row(line, header, values, replaced))
    return Table(path, columns, rows, delimiter, replaced)


def read_leniently(
    path: str | Path, delimiter: str | None = None, quotes: bool = True
) -> tuple[Table, list[tuple[int, str]]]:
    """A table of text with columns in its first line, whose bad lines are passed over and named.

    Args:
        path: A table as `read_table` takes it, also one without rows, or in UTF-16 with a byte order mark; bytes that
            are not UTF-8 become lone surrogates.
        delimiter: Between values; default: as `read_table` finds it.
        quotes: Whether double quotes may surround a value.
    Returns:
        The table, and what is wrong with lines that are in none of its rows, in the order of the file.
    Raises:
        MmascError: If the file cannot be read, is empty, holds zero bytes or names a column twice.
    """
    path = Path(path)
    faults: list[tuple[int, str]] = []
    delimiter, records = _records(path, decoded_text(path, lenient=True), False, delimiter, quotes, faults)
    if not records:
        raise MmascError(f"{show_path(path)}: empty; the first line must name the columns")
    header = [name.strip() for name in records[0][1]]
    columns = _columns(path, header)
    replaced: Counter[str] = Counter()
    rows = []
    for line, values in records[1:]:
        values = _trimmed(values, header)
        if fault := _count_fault(values, header):
            faults.append((line, fault))
        else:
            rows.append(_row(line, header, values, replaced))
    return Table(path, columns, rows, delimiter, replaced), sorted(faults)


def first_values(path: str | Path) -> list[str]:
    """The values of the first line of a table: the names of its columns, where it has such a line."""
    path = Path(path)
    _, records = _records(path, decoded_text(path), comments=True)
    return [value.strip() for value in records[0][1]] if records else []


def _records(
    path: Path,
    text: str,
    comments: bool,
    delimiter: str | None = None,
    quotes: bool = True,
    faults: list[tuple[int, str]] | None = None,
) -> tuple[str, list[tuple[int, list[str]]]]:
    """The delimiter, and the records that are not empty with the line on which each begins.

    With `faults` a line that cannot be read is written there and passed over, otherwise it is an error.
    """
    lines = list(io.StringIO(text, newline=""))
    first = 0
    told = re.fullmatch(r"sep=([,;\t])", lines[0].strip("\r\n").strip(" ")) if lines else None
    if told:
        first = 1
    delimiter = delimiter or (told[1] if told else _delimiter(lines, comments))
    records: list[tuple[int, list[str]]] = []
    while True:
        begins = first + 1
        kept = (("\n" if comments and line.startswith("#") else line) for line in lines[first:])
        reader = csv.reader(
            kept,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            skipinitialspace=True,
            strict=True,
        )
        try:
            for values in reader:
                if any(value.strip() for value in values):
                    records.append((begins, values))
                begins = first + reader.line_num + 1
            return delimiter, records
        except csv.Error as error:
            fault = "a quote is opened and never closed" if "unexpected end of data" in str(error) else str(error)
            if faults is None:
                raise MmascError(
                    f"{show_path(path)}: line {begins} cannot be read as CSV ({fault}); fix the line"
                ) from error
            faults.append((begins, f"cannot be read as CSV ({fault})"))
            first = begins


def _delimiter(lines: Sequence[str], comments: bool) -> str:
    """The sign that the first line has most often outside quotes; the comma where it has none."""
    counts: Counter[str] = Counter()
    quoted = False
    for sign in _signs_of_first_record(lines, comments):
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in "\r\n":
            break
        elif not quoted and sign in _DELIMITERS:
            counts[sign] += 1
    return max(_DELIMITERS, key=lambda sign: counts[sign])


def _signs_of_first_record(lines: Sequence[str], comments: bool) -> Iterator[str]:
    begun = False
    for line in lines:
        if not begun and (not line.strip() or (comments and line.startswith("#"))):
            continue
        begun = True
        yield from line


def _columns(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name for name in header if name)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise MmascError(f"{show_path(path)}: column {twice[0]!r} occurs twice; rename one of the two")
    return columns


def _trimmed(values: list[str], header: Sequence[str]) -> list[str]:
    """Without the empty values that a delimiter at the end of a line adds: they say nothing."""
    while len(values) > len(header) and not values[-1].strip():
        values = values[:-1]
    return values


def _count_fault(values: list[str], header: Sequence[str]) -> str:
    if len(values) == len(header):
        return ""
    fault = "more" if len(values) > len(header) else "fewer"
    return f"{fault} values than columns ({len(values)}, not {len(header)})"


def _row(line: int, header: Sequence[str], values: list[str], replaced: Counter[str]) -> Row:
    pairs = []
    for name, raw in zip(header, values, strict=True):
        value = raw.strip()
        if not name:
            continue
        if value in MISSING:
            replaced[value] += 1
            value = ""
        pairs.append((name, value))
    return Row(pairs, line)
