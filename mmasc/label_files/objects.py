"""Labels as JSON and JSON lines: an object for each label, or for each recording with a list of its events."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError, show_path
from mmasc.label_files.columns import columns_of
from mmasc.label_files.rows import FIELDS, BadRowError, LabelFile, LabelRow, Problem, recording_named_by, row_from
from mmasc.printing import plain
from mmasc.storage.table_texts import text_of_file
from mmasc.storage.texts import parse_json

_LISTS = ("events", "labels", "annotations", "rows")


def read_json(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of a JSON list of objects, or of an object that holds such a list.

    Raises:
        MmascError: If the file cannot be read or is not JSON.
    """
    text = text_of_file(path)
    try:
        value = parse_json(text)
    except ValueError as error:
        raise MmascError(f"{show_path(path)} is not JSON ({error}); write it again") from error
    found = LabelFile([], [], [], str(path), "json")
    for line, item in _items(text, value):
        _read_object(found, item, line, label_column)
    return found


def read_jsonl(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of JSON lines.

    Raises:
        MmascError: If the file cannot be read.
    """
    found = LabelFile([], [], [], str(path), "jsonl")
    for line, text in enumerate(text_of_file(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            item = parse_json(text)
        except ValueError as error:
            found.problems.append(Problem(line, f"not JSON ({error})"))
            continue
        _read_object(found, item, line, label_column)
    return found


def json_text(rows: Iterable[LabelRow]) -> str:
    """A list of objects, one in a line."""
    return "[\n" + ",\n".join(_line(row) for row in rows) + "\n]\n"


def jsonl_text(rows: Iterable[LabelRow]) -> str:
    """An object in each line."""
    return "".join(f"{_line(row)}\n" for row in rows)


def _line(row: LabelRow) -> str:
    value: dict[str, Any] = {name: plain(getattr(row, name)) for name in FIELDS}
    if row.end == math.inf:
        # JSON has no infinity; without start and end a label holds for the whole recording
        value |= {"start": None, "end": None} if row.start == 0 else {"end": "inf"}
    line = json.dumps(value, ensure_ascii=False)
    # File names that are not UTF-8 stay as they are behind escapes
    return line if line.isascii() or not re.search("[\ud800-\udfff]", line) else json.dumps(value)


def _items(text: str, value: Any) -> Iterator[tuple[int, Any]]:
    """Objects with the lines on which they begin."""
    if not isinstance(value, list):
        yield 1, value
        return
    place, line, counted = text.index("[") + 1, 1, 0
    decoder = json.JSONDecoder()
    for item in value:
        while text[place] in " \t\r\n,":
            place += 1
        line += text.count("\n", counted, place)
        counted = place
        yield line, item
        _, place = decoder.raw_decode(text, place)


def _read_object(found: LabelFile, item: Any, line: int, label_column: str | None) -> None:
    """Add the rows of an object: itself, or the items of its list, which lack only what it says for all of them."""
    if not isinstance(item, dict):
        found.problems.append(Problem(line, "not an object with path, start, end and label"))
        return
    within = next((item[name] for name in _LISTS if isinstance(item.get(name), list)), None)
    holds_rows = within is not None and all(isinstance(one, dict) for one in within)
    of_recording = {key: value for key, value in item.items() if key == "path"}
    for one in within if within is not None and holds_rows else [item]:
        values = of_recording | one
        try:
            columns = columns_of(values, label_column)
            row = row_from({name: values[key] for name, key in columns.items()}, recording_named_by(found.path))
        except (BadRowError, MmascError) as fault:
            no_label = isinstance(fault, MmascError) and "no column of labels" in str(fault)
            reason = "no label" if no_label else str(fault)
            found.problems.append(Problem(line, reason))
            continue
        found.rows.append(row)
        found.lines.append(line)
