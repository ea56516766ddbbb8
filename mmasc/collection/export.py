"""A space written for other programs, some windows at a time, so that spaces of any size need little memory."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.collection.annotations import Annotations
from mmasc.collection.frames import beside_windows, windows_described, windows_in_order
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.storage.files import make_folders, replacing

_WINDOWS_AT_ONCE = 32_768


def export(
    collection: Snapshot, reader: SpaceReader, to: Path, file_format: str, at_once: int = _WINDOWS_AT_ONCE
) -> list[Path]:
    """Write a space for other programs; see `Collection.export`."""
    if file_format not in ("npy", "csv"):
        raise ValueError(f"file_format must be 'npy' or 'csv', got {file_format!r}")
    make_folders(to)
    annotations = _write_annotations(collection, to, file_format)
    if file_format == "csv":
        return [_write_csv(to / "windows.csv", collection, reader, at_once), *annotations]
    # Both are whole before either takes its name: half an export must not be taken for one
    with replacing(to / "windows.parquet") as windows, replacing(to / "vectors.npy") as vectors:
        _write_arrays(windows, vectors, collection, reader, at_once)
    return [to / "vectors.npy", to / "windows.parquet", *annotations]


def _pieces(collection: Snapshot, reader: SpaceReader, at_once: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Windows by path, lane and start, some at a time: what is known of them, and their vectors `[window dim]`.

    At least one piece, which may be empty.
    """
    columns = ["path", "start", "end", "lane", *beside_windows(collection.metadata_columns)]
    nothing = [np.zeros(0, np.int64)] if not len(reader) else []
    for positions in chain(nothing, windows_in_order(collection, reader, at_once)):
        vectors = reader.vectors(positions).astype("<f4", copy=False)
        yield windows_described(collection, reader, positions).select(columns), vectors


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


def _write_arrays(windows: Path, vectors: Path, collection: Snapshot, reader: SpaceReader, at_once: int) -> None:
    """Rows written one after the other: a full disk is an error here, and a bus error in a mapped file."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(reader), reader.space.dim)}
    pieces = _pieces(collection, reader, at_once)
    begin = next(pieces)
    with pq.ParquetWriter(windows, begin[0].schema) as writer, open(vectors, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for table, some in chain([begin], pieces):
            writer.write_table(table)
            file.write(some.tobytes())


def _write_csv(path: Path, collection: Snapshot, reader: SpaceReader, at_once: int) -> Path:
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number, (table, vectors) in enumerate(_pieces(collection, reader, at_once)):
            if not number:
                writer.writerow([*table.column_names, *[f"v{item}" for item in range(reader.space.dim)]])
            # repr of a float32 as Python prints it: the shortest text that reads back as the same float32
            rows = zip(table.to_pylist(), vectors, strict=True)
            writer.writerows([[*row.values(), *map(str, vector)] for row, vector in rows])
    return path
