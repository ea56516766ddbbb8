"""Columns of the users' own: from a CSV next to the recordings, or from the names of the folders they lie in."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.audio.clock_parts import wall_of_iso
from mmasc.collection.schema import RECORDING_COLUMNS, WINDOW_COLUMNS
from mmasc.collection.stamps import CLOCK_NOTE
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted
from mmasc.remote.addresses import normal
from mmasc.storage.matching import FileMatcher, match_rows, one_statement
from mmasc.storage.tables import read_table
from mmasc.storage.values import convert, plain_value, type_of

_KEYS = ("path", "filename", "file", "file_name", "fname", "slice_file_name")
_TAKEN = {*RECORDING_COLUMNS, *WINDOW_COLUMNS, "vector", "rank", "score", "duplicate", "best_start", "best_end"}
_TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string()}


class Metadata:
    """A table of own columns by file, see `mmasc.storage.tables.read_table`.

    Args:
        path: CSV file with a header; one column names the file (path, filename, file, file_name, fname or
            slice_file_name, in small or capital letters).
    Attributes:
        columns: Name in the table → name in the collection.
        types: Types of the columns by their name in the collection.
    Raises:
        MmascError: If the file cannot be read or has no such column; the line says which there are.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._table = table = read_table(path)
        alike = [name for wanted in _KEYS for name in table.columns if name.lower() == wanted]
        key = next((name for name in _KEYS if name in table.columns), alike[0] if alike else None)
        if key is None:
            raise MmascError(
                f"{show_path(path)}: needs a column that names the file ({', '.join(_KEYS)}); "
                f"it has: {', '.join(table.columns)}"
            )
        for row in table.rows:
            if not row[key]:
                raise MmascError(f"{show_path(path)}: line {row.line} has nothing in column {key!r}; fix the line")
        self._key = key
        self.columns = {name: _column_name(name) for name in table.columns if name != key}
        twice = [name for name, count in Counter(self.columns.values()).items() if count > 1]
        if twice:
            old = [name for name, new in self.columns.items() if new == twice[0]]
            raise MmascError(f"{show_path(path)}: columns {' and '.join(old)} are both {twice[0]} here; rename one")
        comma = table.delimiter == ";"
        self._kinds = {name: type_of((row[name] for row in table.rows), comma) for name in self.columns}
        self.types = {new: _TYPES[self._kinds[old]] for old, new in self.columns.items()}
        self._of: dict[str, dict[str, Any]] = {}
        self._remarks: list[str] = []

    def __len__(self) -> int:
        return len(self._table.rows)

    def match(self, files: Sequence[Path], others: Iterable[str], root: str, schema: pa.Schema) -> None:
        """Give the rows to files; `of` knows them then.

        Args:
            files: Files that are embedded now, absolute.
            others: Further recordings of the collection, absolute: a name is clear only against all.
            root: Root of the collection.
            schema: Schema of the stored recordings: a column of text stays one, even if its values look like numbers.
        Raises:
            MmascError: If two rows of a file say different things, or values do not fit the columns that are stored.
        """
        given = {normal(file): file for file in files}
        matcher = FileMatcher([*given, *others], [root, self.path.parent.absolute()])
        matched = match_rows(self._table.rows, self._key, matcher)
        for old, new in self.columns.items():
            if new in schema.names and schema.field(new).type == pa.string():
                self._kinds[old], self.types[new] = str, pa.string()
        elsewhere = 0
        for file, rows in matched.rows.items():
            if file not in given:
                elsewhere += len(rows)
                continue
            said = one_statement(self.path, file, rows, list(self.columns))
            # An empty value says nothing: it deletes none that was given before
            self._of[file] = {
                new: convert(said[old], self._kinds[old]) for old, new in self.columns.items() if said[old]
            }
        try:
            own_columns(list(self._of.values()), schema, self.types)
        except MmascError as error:
            raise MmascError(f"{show_path(self.path)}: {error}") from error
        silent = sum(normal(file) not in self._of for file in files)
        self._remarks = [*self._table.remarks, *self._counted(len(matched.strange), elsewhere, silent)]
        self._remarks += [*matched.remarks(self.path, self._key), *self._renamed()]

    def of(self, path: Path) -> dict[str, Any]:
        """Own columns of a file by name; {} if no row names it."""
        return self._of.get(normal(path), {})

    @property
    def remarks(self) -> list[str]:
        """What the table says that could not be used, one line each; after `match`."""
        return self._remarks

    def _counted(self, strange: int, elsewhere: int, silent: int) -> list[str]:
        rows = f"of {counted(len(self), 'row')} of {show_path(self.path)}"
        lines = [(strange, f"{strange} {rows} {'names' if strange == 1 else 'name'} no file here")]
        names = "names a recording that was" if elsewhere == 1 else "name recordings that were"
        stay = "it stays as it is" if elsewhere == 1 else "they stay as they are"
        lines += [(elsewhere, f"{elsewhere} {rows} {names} not given this time; {stay}")]
        have = "has" if silent == 1 else "have"
        lines += [(silent, f"{silent} of the files given {have} no row in {show_path(self.path)}")]
        return [line for count, line in lines if count]

    def _renamed(self) -> list[str]:
        renamed = [f"{old} → {new}" for old, new in self.columns.items() if old != new]
        return [f"columns whose names mmasc cannot keep were renamed: {', '.join(renamed)}"] if renamed else []


def folder_columns(path: Path, root: str, names: Sequence[str]) -> dict[str, Any]:
    """Names of the folders between the root and a file, outermost first, as columns.

    Raises:
        MmascError: If the file lies less deep than there are names.
    """
    parts = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    if len(parts) < len(names):
        depth = counted(len(parts), "folder")
        raise MmascError(f"{path} lies {depth} under {root}, too few for the columns {', '.join(names)}")
    return {_column_name(name): part for name, part in zip(names, parts, strict=False)}


def metadata_table(
    rows: Mapping[int, Mapping[str, Any]], schema: pa.Schema, types: Mapping[str, pa.DataType] | None = None
) -> pa.Table:
    """Own columns by recording id as a table whose types agree with the columns that are stored already.

    Types are those of `own_columns`.

    Raises:
        MmascError: If a value does not fit the type of the stored column.
    """
    arrays = own_columns([dict(values) for values in rows.values()], schema, types)
    return pa.table({"id": pa.array(list(rows), pa.int64()), **arrays})


def own_columns(
    rows: Sequence[Mapping[str, Any]], schema: pa.Schema, types: Mapping[str, pa.DataType] | None = None
) -> dict[str, pa.Array]:
    """Own columns of some recordings as arrays, null where a recording has no value.

    Args:
        rows: Name → value, for each recording.
        schema: Schema of the stored recordings; its types count.
        types: Types of columns that are not stored yet; where nobody says it, that of the values.
    Raises:
        MmascError: If a value does not fit the type of the stored column.
    """
    arrays = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        # Types are given by mmasc alone, when it writes down what it read from recordings
        noted = types is not None and name == CLOCK_NOTE
        values = [row.get(name) if noted else plain_value(row.get(name), name) for row in rows]
        if not isinstance(name, str):
            raise MmascError(f"the name of a column must be a text, got {type(name).__name__}")
        stored = name in schema.names and name not in RECORDING_COLUMNS  # by earlier versions under any name
        if not noted and not stored and _column_name(name) != name:
            raise MmascError(f"a column of your own cannot be called {name!r}; name it {_column_name(name)!r}")
        if name in schema.names:
            wanted = schema.field(name).type
        elif types is not None and name in types:
            wanted = types[name]
        else:
            wanted = _TYPES[_widest(type(value) for value in values if value is not None)]
        if wanted == pa.string():
            values = [None if value is None else str(value) for value in values]
        elif pa.types.is_timestamp(wanted):
            values = [_time(value, name) for value in values]
        elif wanted == pa.int64():
            _refuse_fractions(values, name)
        try:
            arrays[name] = pa.array(values, wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise MmascError(
                f"column {name!r} holds {wanted} in this collection; {error}; name it differently"
            ) from error
    return arrays


def _refuse_fractions(values: Iterable[Any], name: str) -> None:
    """Refuse numbers with a fraction in a column of whole numbers: Arrow would cut it off without a word."""
    broken = next((one for one in values if isinstance(one, float) and not one.is_integer()), None)
    if broken is not None:
        raise MmascError(
            f"column {name!r} holds whole numbers (int64) in this collection, not {broken}; name it differently"
        )


def _time(value: Any, name: str) -> Any:
    """A text of the user's as a time, as the column of clocks holds it."""
    if not isinstance(value, str):
        return value
    wall = wall_of_iso(value)
    if wall is None:
        raise MmascError(f"column {name!r}: {value[:40]!r} is not a time like 2024-05-31T06:30:00; fix the value")
    return wall.time


def _column_name(name: str) -> str:
    """What a column of the users' own is called: names that mmasc itself uses get `meta_` in front."""
    kept = _kept_name(name)
    return f"meta_{kept}" if kept.lower() in _TAKEN else kept


def _kept_name(name: str) -> str:
    """A name that Lance can store and read again: with a backtick in it, it would write a table that nobody opens."""
    plain = re.sub(r"[.`]", "_", name) or "meta"
    return f"meta_{plain}" if plain.lower().startswith("_row") else plain


def _widest(types: Iterable[type]) -> type:
    found = set(types)
    if not found or not found <= {int, float}:
        return str
    return float if float in found else int
