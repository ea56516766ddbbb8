"""Columns of the users' own: from a CSV beside the recordings, or from the names of the folders they lie in."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.collection.store import RECORDING_COLUMNS, WINDOW_COLUMNS
from mmasc.errors import MmascError

_KEYS = ("path", "filename", "file", "file_name", "fname", "slice_file_name")
_TAKEN = {*RECORDING_COLUMNS, *WINDOW_COLUMNS, "vector", "rank", "score", "duplicate"}
_TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string()}


class Metadata:
    """A table of own columns by file, read from a CSV (or tab-separated) file.

    Args:
        path: With a header; one column names the file (path, filename, file, file_name, fname or slice_file_name).
    Raises:
        MmascError: If the file cannot be read or has no such column; the line says which there are.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise MmascError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
        header = text.partition("\n")[0]
        if not header.strip():
            raise MmascError(f"{path}: empty; the first line must name the columns")
        delimiter = max(",;\t", key=header.count)
        try:
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            rows = list(reader)
        except csv.Error as error:
            raise MmascError(f"{path}: no CSV that can be read ({error})") from error
        names = list(reader.fieldnames or [])
        key = next((name for name in _KEYS if name in names), None)
        if key is None:
            raise MmascError(
                f"{path}: needs a column that names the file ({', '.join(_KEYS)}); it has: {', '.join(names)}"
            )
        self.columns = {name: _column_name(name) for name in names if name != key and name}
        types = {name: _type_of(row.get(name) for row in rows) for name in self.columns}
        self._rows: dict[str, dict[str, Any]] = {}
        for number, row in enumerate(rows, 2):
            if None in row or not (row.get(key) or "").strip():
                fault = "more values than columns" if None in row else f"nothing in column {key!r}"
                raise MmascError(f"{path}: line {number} has {fault}; mend the line")
            values = {new: _value(row.get(old), types[old]) for old, new in self.columns.items()}
            self._rows[Path(row[key].strip()).as_posix()] = values
        by_name: dict[str, list[str]] = {}
        for stored in self._rows:
            by_name.setdefault(stored.rpartition("/")[2], []).append(stored)
        self._by_name = {name: found[0] for name, found in by_name.items() if len(found) == 1}
        self.used: set[str] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, path: Path, root: str) -> dict[str, Any]:
        """Own columns of a file: its row is found by the path under the root, beside the CSV, whole, or by a file name
        that the table has once; {} if it has none."""
        bases = [base for base in (Path(root), self.path.parent.absolute()) if path.is_relative_to(base)]
        candidates = [path.as_posix(), *[path.relative_to(base).as_posix() for base in bases]]
        found = next((one for one in candidates if one in self._rows), self._by_name.get(path.name))
        if found is None:
            return {}
        self.used.add(found)
        return self._rows[found]


def folder_columns(path: Path, root: str, names: Sequence[str]) -> dict[str, Any]:
    """Names of the folders between the root and a file, outermost first, as columns.

    Raises:
        MmascError: If the file lies less deep than there are names.
    """
    parts = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    if len(parts) < len(names):
        raise MmascError(f"{path} lies {len(parts)} folders under {root}, too few for the columns {', '.join(names)}")
    return {_column_name(name): part for name, part in zip(names, parts, strict=False)}


def metadata_table(rows: Mapping[int, Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Own columns by recording id as a table whose types agree with the columns that are stored already.

    Raises:
        MmascError: If a value does not fit the type of the stored column.
    """
    arrays = own_columns([dict(values) for values in rows.values()], schema)
    return pa.table({"id": pa.array(list(rows), pa.int64()), **arrays})


def own_columns(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> dict[str, pa.Array]:
    """Own columns of some recordings as arrays, null where a recording has no value."""
    arrays = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if name in schema.names:
            wanted = schema.field(name).type
        else:
            wanted = _TYPES[_widest(type(value) for value in values if value is not None)]
        if wanted == pa.string():
            values = [None if value is None else str(value) for value in values]
        try:
            arrays[name] = pa.array(values, wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise MmascError(
                f"column {name!r} holds {wanted} in this collection; {error}; name it differently"
            ) from error
    return arrays


def _column_name(name: str) -> str:
    """Names that mmasc itself uses get `meta_` in front."""
    return f"meta_{name}" if name.lower() in _TAKEN else name


def _type_of(values: Iterable[str | None]) -> type:
    return _widest(_narrowest(value.strip()) for value in values if value is not None and value.strip())


def _narrowest(value: str) -> type:
    digits = value.lstrip("+-")
    if "_" in value or (digits[:1] == "0" and digits[1:2].isdigit()):
        return str  # "007" and "1_000" are names, not numbers
    try:
        if abs(int(value)) < 2**63:
            return int
    except ValueError:
        pass
    try:
        float(value)
    except ValueError:
        return str
    return float


def _widest(types: Iterable[type]) -> type:
    found = set(types)
    if not found or not found <= {int, float}:
        return str
    return float if float in found else int


def _value(value: str | None, kind: type) -> Any:
    if value is None or not value.strip():
        return None
    return kind(value.strip())
