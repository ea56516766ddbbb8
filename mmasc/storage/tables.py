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
from typing import Any

from mmasc.errors import MmascError, show_path
from mmasc.storage.texts import listed

# What R, pandas, spreadsheets and databases write where nothing is known. "None" and "none" are not among them: people
# use them as labels ("none of the species"), and no program writes them for a missing value but Python's own print.
MISSING = frozenset(
    ["NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null"]
    + ["1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"]
)
_DELIMITERS = ",;\t"
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?(0|[1-9][0-9]*),[0-9]+([eE][+-]?[0-9]+)?")
_SAVE = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


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

    Values are separated by commas, semicolons or tabs, whichever the first line has most of (outside quotes; a line
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
    text = _text(path)
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
    delimiter, records = _records(path, _text(path, lenient=True), False, delimiter, quotes, faults)
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
    _, records = _records(path, _text(path), comments=True)
    return [value.strip() for value in records[0][1]] if records else []


def is_missing(value: Any) -> bool:
    """Whether a value says nothing: None, NaN, blank text or one of `MISSING`."""
    return value is None or value != value or not str(value).strip() or str(value).strip() in MISSING


def type_of(values: Iterable[str], decimal_comma: bool = False) -> type:
    """Type of a column of text: int, float or str; str where no value says anything.

    "007", "1_000" and whole numbers beyond 64 bits are names, not numbers.

    Args:
        values: "" for missing ones.
        decimal_comma: Whether "1,5" is a number, as in tables with semicolons, unless others have a point.
    """
    known = [value for value in values if value]
    if decimal_comma and any(_DECIMAL_COMMA.fullmatch(value) for value in known):
        alike = all(_DECIMAL_COMMA.fullmatch(value) or _INTEGER.fullmatch(value) for value in known)
        return float if alike else str
    found = {_narrowest(value) for value in known}
    if not found or not found <= {int, float}:
        return str
    return float if float in found else int


def convert(value: str, kind: type) -> Any:
    """A value of a column of the given type; None for a missing one."""
    if not value:
        return None
    return float(value.replace(",", ".")) if kind is float else kind(value)


def _narrowest(value: str) -> type:
    if _INTEGER.fullmatch(value):
        return int if abs(int(value)) < 2**63 else str
    if _INFINITY.fullmatch(value):
        return float
    if _NUMBER.fullmatch(value) and abs(float(value)) != float("inf"):
        return float
    return str


def text_of_file(path: Path) -> str:
    """The text of a file that other programs may have written: UTF-8, or UTF-16 with a byte order mark.

    Bytes that are neither become lone surrogates, so that only the line in which they stand is lost.

    Raises:
        MmascError: If the file cannot be read or holds zero bytes.
    """
    return _text(path, lenient=True)


def _text(path: Path, lenient: bool = False) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MmascError(
            f"{show_path(path)} cannot be read ({error.strerror or error}); check the name and its permissions"
        ) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        if lenient:
            return content.decode("utf-16", "replace").replace("\0", " ")
        raise MmascError(f"{show_path(path)}: text in UTF-16; {_SAVE}")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise MmascError(f"{show_path(path)}: line {line} holds zero bytes, so this is not a table of text; {_SAVE}")
    try:
        return content.decode("utf-8-sig", "surrogateescape" if lenient else "strict")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MmascError(
            f"{show_path(path)}: not UTF-8 (byte {content[error.start]:#04x} in line {line}; perhaps Latin-1); {_SAVE}"
        ) from error


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
        raise MmascError(f"{show_path(path)}: column {twice[0]!r} is there twice; rename one of the two")
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
