"""Files of hits, as `mmasc search --format csv|json|jsonl` writes them, read back."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmasc.collection.hits import Hit
from mmasc.errors import MmascError, show_path
from mmasc.storage.table_texts import text_of_file
from mmasc.storage.tables import read_table
from mmasc.storage.texts import parse_json

_NUMBERS = ("start", "end", "score", "best_start", "best_end")
_NEEDED = ("rank", "path", *_NUMBERS)
_KNOWN = (*_NEEDED, "duplicate", "lane")


def read_hits(path: str | Path) -> list[Hit] | None:
    """The hits of a file, in its order.

    Args:
        path: CSV, a JSON list, or JSON lines; known by its ending (.json, .jsonl, .ndjson; others are CSV).
    Returns:
        None where the file holds something else (labels, for one). Own columns are texts where the file is CSV.
    Raises:
        MmascError: If the file cannot be read, or a line of it holds no hit.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl", ".ndjson"):
        rows = _objects(path, suffix == ".json")
        if not rows or not all(isinstance(row, dict) and rows[0].keys() >= set(_NEEDED) for row in rows[:1]):
            return None
        lines = list(enumerate(rows, 1))
    elif suffix == ".csv":
        table = read_table(path)
        if not set(_NEEDED) <= set(table.columns):
            return None
        lines = [(row.line, row) for row in table.rows]
    else:
        return None
    return [_hit(path, line, row) for line, row in lines]


def _objects(path: Path, whole: bool) -> list[Any]:
    text = text_of_file(path)
    try:
        found = parse_json(text) if whole else [parse_json(line) for line in text.split("\n") if line.strip()]
    except ValueError as error:
        raise MmascError(f"{show_path(path)} is not JSON ({error}); write it again") from error
    return found if isinstance(found, list) else []


def _hit(path: Path, line: int, row: Any) -> Hit:
    try:
        if not isinstance(row, Mapping):
            raise TypeError("it is not an object")
        start, end, score, best_start, best_end = (float(row[name]) for name in _NUMBERS)
        if not (0 <= start <= best_start < best_end <= end and math.isfinite(end) and math.isfinite(score)):
            raise ValueError("times must be in order, and numbers finite")
        if not isinstance(row["path"], str) or not row["path"]:
            raise ValueError("no path")
        lane = row.get("lane")
        own = {name: value for name, value in row.items() if name not in _KNOWN}
        same = row.get("duplicate") in (True, "True", "true")
        number = None if lane in (None, "") else int(lane)
        return Hit(int(row["rank"]), row["path"], start, end, score, same, number, own, best_start, best_end)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MmascError(f"{show_path(path)}: hit {line} cannot be used ({error}); write the file again") from error
