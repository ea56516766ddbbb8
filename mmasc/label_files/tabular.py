"""Labels in a table: `path,start,end,label` and more columns, under the names that programs and people give them."""

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mmasc.errors import show_path
from mmasc.label_files.columns import Layout, columns_of, layout_of
from mmasc.label_files.rows import FIELDS, BadRowError, LabelFile, LabelRow, Problem, recording_named_by, row_from
from mmasc.storage.csv_lines import csv_writer
from mmasc.storage.tables import read_leniently


def read_csv(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of a table with commas, semicolons or tabs (there 1,5 is a number, unless others have a point).

    A table without columns of time labels whole recordings. In a table of clips to judge (columns clip and verdict)
    rows without a verdict are counted and left out.

    Raises:
        MmascError: If the file cannot be read, or has no column of labels.
    """
    table, faults = read_leniently(path)
    columns = columns_of(table.columns, label_column, show_path(path))
    numbers = [columns[name] for name in ("start", "end", "duration") if name in columns]
    decimal_comma = table.delimiter != "," and not any("." in row[name] for row in table.rows for name in numbers)
    layout = layout_of(table.columns, columns, table.rows)
    found = LabelFile([], [Problem(line, fault) for line, fault in faults], [], str(path), "csv")
    own, unjudged = recording_named_by(path), 0
    to_fill_in = columns.get("verdict") if "clip" in {name.lower() for name in table.columns} else None
    for row in table.rows:
        if to_fill_in is not None and not row[to_fill_in].strip():
            unjudged += 1
            continue
        try:
            values = {name: row[column] for name, column in columns.items()}
            if layout.folders:
                values["path"] = _whole_path(row, layout, values["path"])
            found.rows.append(row_from(values, own, decimal_comma, layout.first_channel))
            found.lines.append(row.line)
        except BadRowError as fault:
            found.problems.append(Problem(row.line, str(fault)))
    found.problems.sort(key=lambda problem: problem.line)
    return replace(found, unjudged=unjudged)


def _whole_path(row: Mapping[str, str], layout: Layout, name: str) -> str:
    """The name with its folders before it; those of a machine with backslashes are joined by them."""
    folders = [row[column].strip().rstrip("/\\") for column in layout.folders]
    sign = "\\" if any("\\" in folder for folder in folders) else "/"
    return sign.join([*(folder for folder in folders if folder), name.strip()])


def csv_text(rows: Iterable[LabelRow]) -> str:
    """A table with a column for every field; numbers read back exactly, what is not known is empty."""
    text = io.StringIO(newline="")
    writer = csv_writer(text)
    writer.writerow(FIELDS)
    for row in rows:
        values = [getattr(row, name) for name in FIELDS]
        if row.start == 0 and row.end == math.inf:
            values[1] = values[2] = None  # the whole recording
        writer.writerow(["" if value is None else value for value in values])
    return text.getvalue()
