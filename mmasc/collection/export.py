"""What goes into and out of a collection: rows of its tables, export, and which recordings lie under a path."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.collection.annotations import Annotations
from mmasc.collection.frames import window_order, windows_described
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.storage.files import make_folders, replacing

_WINDOWS_AT_ONCE = 65_536


def export(collection: Snapshot, reader: SpaceReader, to: Path, file_format: str) -> list[Path]:
    """Write a space for other programs; see `Collection.export`."""
    if file_format not in ("npy", "csv"):
        raise ValueError(f"file_format must be 'npy' or 'csv', got {file_format!r}")
    make_folders(to)
    order = window_order(collection, reader, np.arange(len(reader)))
    described = windows_described(collection, reader, order)
    table = described.select(["path", "start", "end", "lane", *collection.metadata_columns])
    annotations = _write_annotations(collection, to, file_format)
    if file_format == "csv":
        return [_write_csv(to / "windows.csv", table, reader, order), *annotations]
    # Both are whole before either takes its name: half an export must not be taken for one
    with replacing(to / "windows.parquet") as windows, replacing(to / "vectors.npy") as vectors:
        pq.write_table(table, windows)
        _write_vectors(vectors, reader, order)
    return [to / "vectors.npy", to / "windows.parquet", *annotations]


def _write_annotations(collection: Snapshot, to: Path, file_format: str) -> list[Path]:
    """Write all annotations; nothing where there are none, unless an older export's must be replaced."""
    path = to / ("annotations.csv" if file_format == "csv" else "annotations.parquet")
    table = Annotations(collection).to_table()
    if not len(table) and not path.exists():
        return []
    with replacing(path) as beside:
        if file_format == "csv":
            with open(beside, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(table.column_names)
                writer.writerows(list(row.values()) for row in table.to_pylist())
        else:
            pq.write_table(table, beside)
    return [path]


def _write_vectors(path: Path, reader: SpaceReader, order: np.ndarray) -> None:
    """Rows written one after the other: a full disk is an error here, and a bus error in a mapped file."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(order), reader.space.dim)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(order), _WINDOWS_AT_ONCE):
            file.write(reader.vectors(order[first : first + _WINDOWS_AT_ONCE]).astype("<f4", copy=False).tobytes())


def _write_csv(path: Path, table: pa.Table, reader: SpaceReader, order: np.ndarray) -> Path:
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*table.column_names, *[f"v{item}" for item in range(reader.space.dim)]])
        for first in range(0, len(order), _WINDOWS_AT_ONCE):
            vectors = reader.vectors(order[first : first + _WINDOWS_AT_ONCE])
            rows = table.slice(first, len(vectors)).to_pylist()
            # repr of a float32 as Python prints it: the shortest text that reads back as the same float32
            writer.writerows([[*row.values(), *map(str, vector)] for row, vector in zip(rows, vectors, strict=True)])
    return path
