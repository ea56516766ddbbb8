"""Tables of results of other programs, CSV or parquet, whose columns are known by name → rows of labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError, show_path
from mmasc.label_files.rows import BadRowError, LabelFile, Problem, recording_named_by, row_from
from mmasc.storage.parquet import read_parquet
from mmasc.storage.tables import read_leniently
from mmasc.storage.texts import listed


def read_results(path: Path, meanings: Mapping[str, Sequence[str]], label_column: str | None = None) -> LabelFile:
    """Rows of a table.

    Args:
        path: The table, in parquet if it ends so.
        meanings: Field of a row → names of columns that may hold it; the first that is there counts. "A/B" are two
            columns, whose values become one path.
        label_column: Column of the labels, instead of that of `meanings`.
    Raises:
        MmascError: If the file cannot be read, or lacks columns for label and start.
    """
    found = LabelFile([], [], [], str(path))
    names, records = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path, found)
    columns = {key: next((one for one in some if {*one.split("/")} <= {*names}), "") for key, some in meanings.items()}
    columns["label"] = label_column if label_column is not None else columns["label"]
    if lacking := [key for key in ("label", "start") if columns[key] not in names]:
        lacks = columns[lacking[0]] or f"{lacking[0]} ({', '.join(meanings[lacking[0]])})"
        raise MmascError(f"{show_path(path)} has no column {lacks}; its columns are {listed(list(names))}")
    for line, record in records:
        values = {key: record.get(column) for key, column in columns.items() if column and "/" not in column}
        for key in (key for key, column in columns.items() if "/" in column):
            parts = [str(record.get(column) or "") for column in columns[key].split("/")]
            values[key] = re.sub("/+", "/", "/".join(part for part in parts if part))
        try:
            found.rows.append(row_from(values, recording_named_by(path)))
            found.lines.append(line)
        except BadRowError as fault:
            found.problems.append(Problem(line, str(fault)))
    return replace(found, problems=sorted(found.problems, key=lambda problem: problem.line))


def _text(path: Path, found: LabelFile) -> tuple[Sequence[str], list[tuple[int, Mapping[str, Any]]]]:
    table, faults = read_leniently(path)
    found.problems.extend(Problem(line, fault) for line, fault in faults)
    return table.columns, [(row.line, row) for row in table.rows]


def _parquet(path: Path) -> tuple[Sequence[str], list[tuple[int, Mapping[str, Any]]]]:
    table = read_parquet(path)
    return table.column_names, list(enumerate(table.to_pylist(), 1))
