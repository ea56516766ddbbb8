"""Files with vectors of another program → what `Collection.add_vectors` takes.

A matrix (.npy) has its moments in a table next to it; an archive (.npz) and parquet may hold them themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Num

from mmasc.collection.vector_rows import VectorRows
from mmasc.errors import MmascError, show_path
from mmasc.storage.arrays import read_array, read_arrays
from mmasc.storage.parquet import read_parquet
from mmasc.storage.tables import read_table
from mmasc.storage.texts import listed

_VECTORS = ("vectors", "vector", "embeddings", "embedding")
# What a row needs, and the names of columns or arrays that may hold it; the first that is there counts
_NAMES = {
    "path": ("path", "recordings", "recording", "filename", "file"),
    "start": ("start", "starts"),
    "end": ("end", "ends"),
    "duration": ("duration", "durations"),
}
_MOST_BYTES = 1 << 36  # of an archive, unfolded


@dataclass(frozen=True)
class GivenVectors:
    """Vectors with their moments, as `Collection.add_vectors` takes them.

    Attributes:
        vectors: Numbers `[row dim]`.
        recordings: The path of each row's recording.
        starts, ends: Seconds `[row]`.
        durations: Seconds of recordings by path, of those for which they are said.
    """

    vectors: Num[np.ndarray, "row dim"]
    recordings: list[str]
    starts: Float[np.ndarray, " row"]
    ends: Float[np.ndarray, " row"]
    durations: dict[str, float]


def read_vectors(path: str | Path, table: str | Path | None = None) -> GivenVectors:
    """Vectors of a file, and the moments that they are of.

    Args:
        path: FILE.npy, a matrix `[row dim]`; FILE.npz with the array vectors; FILE.parquet with the column vector
            (lists), or columns v0, v1 ...
        table: CSV or parquet with a row per vector, in their order: path, start, end (seconds), and duration (of the
            recording) where you like. An archive and parquet may hold these themselves.
    Raises:
        MmascError: If a file cannot be read, lacks something, or a row cannot be used; the line names it.
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in (".npy", ".npz", ".parquet"):
        raise MmascError(f"{show_path(file)}: vectors come as .npy, .npz or .parquet; write one of these")
    vectors, columns = _arrays(file) if ending != ".parquet" else _of_parquet(file)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise MmascError(
            f"{show_path(file)} holds {vectors.dtype} {list(vectors.shape)}; vectors must be numbers [row, dim]"
        )
    if table is None and ending == ".npy":
        raise MmascError(
            f"{show_path(file)} holds vectors alone: give their moments with --table CSV (path, start, end)"
        )
    source = file if table is None else Path(table)
    given = _moments(columns if table is None else _of_table(source), source)
    if len(given["path"]) != len(vectors):
        raise MmascError(
            f"{show_path(source)} has {len(given['path'])} rows, {show_path(file)} has {len(vectors)} vectors; give a "
            "row per vector"
        )
    paths = [str(one) for one in given["path"]]
    starts, ends = _numbers(given["start"], "start", source), _numbers(given["end"], "end", source)
    try:
        VectorRows.checked(vectors, paths, starts, ends)
    except (MmascError, ValueError) as error:
        raise MmascError(f"{show_path(file)}: {error}") from error
    return GivenVectors(vectors, paths, starts, ends, _durations(paths, given.get("duration"), source))


def read_durations(table: str | Path) -> dict[str, float]:
    """Seconds of recordings by path, from a table with the columns path and duration.

    Raises:
        MmascError: If it cannot be read, or lacks one of them.
    """
    source = Path(table)
    given = _moments(_of_table(source), source, ("path", "duration"))
    return _durations([str(one) for one in given["path"]], given["duration"], source)


def _arrays(file: Path) -> tuple[np.ndarray, Mapping[str, Sequence[Any]]]:
    """The matrix, and the arrays next to it by name."""
    try:
        if file.suffix.lower() == ".npy":
            return read_array(file, mapped=True), {}
        found = read_arrays(file, _MOST_BYTES)
    except OSError as error:
        raise MmascError(f"{show_path(file)} cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise MmascError(f"{error}; write it again with NumPy") from error
    name = next((one for one in _VECTORS if one in found), None)
    if name is None:
        raise MmascError(f"{show_path(file)} has no array vectors; its arrays are {listed(list(found))}")
    vectors = found.pop(name)
    return vectors, {key: array.tolist() for key, array in found.items() if array.ndim == 1}


def _of_parquet(file: Path) -> tuple[np.ndarray, Mapping[str, Sequence[Any]]]:
    table = read_parquet(file)
    name = next((one for one in _VECTORS if one in table.column_names), None)
    numbered = [f"v{place}" for place in range(len(table.column_names)) if f"v{place}" in table.column_names]
    if name is None and not numbered:
        raise MmascError(
            f"{show_path(file)} has no column vector; its columns are {listed(table.column_names)}: write lists of "
            "numbers, or columns v0, v1 ..."
        )
    try:
        vectors = (
            _lists(table.column(name)) if name is not None else np.stack([_flat(table, one) for one in numbered], 1)
        )
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise MmascError(f"{show_path(file)}: vectors must be numbers, as many in each row") from error
    others = [one for one in table.column_names if one != name and one not in numbered]
    return vectors, {one: table.column(one).to_pylist() for one in others}


def _lists(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of equal length as a matrix."""
    sizes = set(pc.list_value_length(column).to_pylist())
    if len(sizes) > 1 or None in sizes:
        raise ValueError("lists of several lengths")
    flat = np.concatenate([np.zeros(0, np.float32), *(one.flatten().to_numpy(False) for one in column.chunks)])
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0)


def _flat(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy()


def _of_table(source: Path) -> Mapping[str, Sequence[Any]]:
    if source.suffix.lower() == ".parquet":
        table = read_parquet(source)
        return {name: table.column(name).to_pylist() for name in table.column_names}
    read = read_table(source)
    return {name: [row[name] for row in read.rows] for name in read.columns}


def _moments(
    columns: Mapping[str, Sequence[Any]], source: Path, needed: Sequence[str] = ("path", "start", "end")
) -> dict[str, Sequence[Any]]:
    """What is known of each row, by the names of this module."""
    found = {}
    for meaning, names in _NAMES.items():
        name = next((one for one in names if one in columns), None)
        if name is not None:
            found[meaning] = columns[name]
        elif meaning in needed:
            there = listed(list(columns)) if columns else "none"
            raise MmascError(f"{show_path(source)} has no column {meaning}; its columns are {there}")
    if len({len(one) for one in found.values()}) > 1:
        raise MmascError(f"{show_path(source)} says path, start and end of different numbers of rows; give one each")
    return found


def _numbers(values: Sequence[Any], name: str, source: Path) -> Float[np.ndarray, " row"]:
    """Values as float64; the row of one that is none is named."""
    found = np.zeros(len(values))
    for row, value in enumerate(values):
        try:
            found[row] = float(value)
        except (TypeError, ValueError) as error:
            raise MmascError(f"{show_path(source)}, row {row + 1}: {name} is {value!r}, not a number") from error
    return found


def _durations(paths: Sequence[str], values: Sequence[Any] | None, source: Path) -> dict[str, float]:
    """Seconds by path, of rows that say them."""
    found: dict[str, float] = {}
    for row, (path, value) in enumerate(zip(paths, values or [], strict=bool(values))):
        if value is None or value == "":
            continue
        seconds = float(_numbers([value], "duration", source)[0])
        if found.setdefault(path, seconds) != seconds:
            raise MmascError(
                f"{show_path(source)}, row {row + 1}: {show_path(path)} lasts {seconds:g} s here and {found[path]:g} s "
                "in another row"
            )
    return found
