"""What goes into and out of a collection as a whole: merge, export, and which recordings lie under a path."""

import csv
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.collection.metadata import own_columns
from mmasc.collection.space import SpaceReader
from mmasc.collection.store import (
    PROBES,
    RECORDING_COLUMNS,
    RECORDING_FIELDS,
    Store,
    Transaction,
    vector_column,
    windows_schema,
)
from mmasc.errors import MmascError
from mmasc.storage.files import replacing

if TYPE_CHECKING:
    from mmasc.collection.collection import Collection

_WINDOWS_AT_ONCE = 65_536


def ids_under(paths: Sequence[str | Path], recordings: pa.Table, root: str) -> set[int]:
    """Ids of the recordings that are these files or lie below these folders.

    Raises:
        MmascError: If a path has no recording in the collection.
    """
    stored = [os.path.normpath(os.path.join(root, path)) for path in recordings.column("path").to_pylist()]
    ids = recordings.column("id").to_pylist()
    chosen: set[int] = set()
    for path in paths:
        # As it was typed, from here; or as the collection names it, from its root
        readings = {os.path.abspath(path), os.path.normpath(os.path.join(root, path))}
        found = {
            one
            for one, file in zip(ids, stored, strict=True)
            if any(file == at or file.startswith(at + os.sep) for at in readings)
        }
        if not found:
            raise MmascError(f"{path}: no recording of the collection lies there; its root is {root}")
        chosen |= found
    return chosen


def merge(store: Store, other: Store) -> dict[str, int]:
    """Take over another store's recordings and windows; see `Collection.merge`."""
    if store.folder.resolve() == other.folder.resolve():
        raise MmascError(f"{store.folder} cannot be merged with itself")
    theirs = other.head()
    result = {"recordings": 0, "windows": 0, "already_there": 0}
    with store.transaction() as change:
        _check_spaces(store, other, change)
        table = other.recordings(theirs)
        paths = [
            os.path.relpath(os.path.normpath(os.path.join(theirs.root, path)), change.head.root).replace(os.sep, "/")
            for path in table.column("path").to_pylist()
        ]
        ours = store.recordings(change.head)
        id_of = dict(zip(ours.column("path").to_pylist(), ours.column("id").to_pylist(), strict=True))
        stamp_of = dict(zip(id_of.values(), _stamps(ours), strict=True))
        new_id, absent = {}, []
        for row, (path, theirs_id, stamp) in enumerate(
            zip(paths, table.column("id").to_pylist(), _stamps(table), strict=True)
        ):
            if path not in id_of:
                new_id[theirs_id] = new_recording_id()
                absent.append(row)
            elif stamp_of[id_of[path]] == stamp:
                new_id[theirs_id] = id_of[path]  # the same file: its windows may be missing in one of the spaces
            result["already_there"] += path in id_of
        own = table.drop_columns(list(RECORDING_COLUMNS)).to_pylist()
        known = table.select(list(RECORDING_COLUMNS)).set_column(1, "path", pa.array(paths, pa.string()))
        columns = own_columns([own[row] for row in absent], ours.schema)
        added = known.take(pa.array(absent, pa.int64()))
        ids = [new_id[one] for one in added.column("id").to_pylist()]
        added = added.set_column(0, "id", pa.array(ids, pa.int64()))
        for name, array in columns.items():
            added = added.append_column(name, array)
        change.append_recordings(added)
        result["recordings"] = len(added)
        for name in theirs.spaces:
            result["windows"] += _merge_windows(store, other, change, name, new_id)
    return result


def export(collection: "Collection", reader: SpaceReader, to: Path, file_format: str) -> list[Path]:
    """Write a space for other programs; see `Collection.export`."""
    if file_format not in ("npy", "csv"):
        raise ValueError(f"file_format must be 'npy' or 'csv', got {file_format!r}")
    to.mkdir(parents=True, exist_ok=True)
    recordings = collection.recordings
    rows = np.array([collection.row_of[int(one)] for one in reader.recording], np.int64)
    paths = [collection.path_of(path) for path in recordings.column("path").to_pylist()]
    path_rank = np.argsort(np.argsort(np.array(paths, object), kind="stable")) if paths else np.zeros(0, np.int64)
    order = np.lexsort((reader.start, reader.lane, path_rank[rows]))
    table = pa.table(
        {
            "path": pa.array([paths[row] for row in rows[order]], pa.string()),
            "start": pa.array(reader.start[order]),
            "end": pa.array(reader.end[order]),
            "lane": pa.array(reader.lane[order]),
        }
    )
    for name in collection.metadata_columns:
        table = table.append_column(name, recordings.column(name).take(pa.array(rows[order])))
    if file_format == "csv":
        return [_write_csv(to / "windows.csv", table, reader, order)]
    # Both are whole before either takes its name: half an export must not be taken for one
    with replacing(to / "windows.parquet") as windows, replacing(to / "vectors.npy") as vectors:
        pq.write_table(table, windows)
        _write_vectors(vectors, reader, order)
    return [to / "vectors.npy", to / "windows.parquet"]


def _check_spaces(store: Store, other: Store, change: Transaction) -> None:
    for name, space in other.head().spaces.items():
        ours = change.head.spaces.get(name)
        if ours is None:
            probes = other.space_folder(space.identity) / PROBES
            texts = np.load(probes, allow_pickle=False) if probes.exists() else None
            change.add_space(name, replace(space, windows=0, version=None), texts)
        elif ours.identity != space.identity:
            raise MmascError(
                f"space {name!r} of {store.folder} was made by {ours.encoder} {ours.identity}, that of {other.folder} "
                f"by {space.encoder} {space.identity}: they cannot be merged"
            )


def _merge_windows(store: Store, other: Store, change: Transaction, name: str, new_id: dict[int, int]) -> int:
    """Append the windows of recordings that have none in our space; return how many."""
    theirs = other.head().spaces[name]
    ours = set(store.windows(change.head.spaces[name], ["recording"]).column("recording").to_pylist())
    dataset = other.dataset(theirs)
    added = 0
    for batch in dataset.scanner(batch_size=_WINDOWS_AT_ONCE).to_batches() if dataset is not None else []:
        ids = [new_id.get(one) for one in batch.column("recording").to_pylist()]
        chosen = [row for row, one in enumerate(ids) if one is not None and one not in ours]
        part = pa.table(batch).take(pa.array(chosen, pa.int64()))
        part = part.set_column(0, "recording", pa.array([ids[row] for row in chosen], pa.int64()))
        change.append_windows(name, part.cast(windows_schema(theirs.dim)))
        added += len(part)
    return added


def _stamps(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table.column("size").to_pylist(), table.column("mtime_ns").to_pylist(), strict=True))


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


def new_recording_id() -> int:
    """A name for a recording that no other collection will ever give: 63 random bits."""
    return secrets.randbits(63)


def recordings_table(
    rows: list[dict], own: list[dict], schema: pa.Schema, types: Mapping[str, pa.DataType] | None = None
) -> pa.Table:
    """Rows of the table of recordings, with own columns beside the known ones; types as in `own_columns`."""
    table = pa.Table.from_pylist(rows, pa.schema(RECORDING_FIELDS))
    for name, array in own_columns(own, schema, types).items():
        table = table.append_column(name, array)
    return table


def windows_table(ids: list[int], files: list, dim: int) -> pa.Table:
    """Windows of embedded files (`FileVectors`) as rows of a space."""
    lengths = [len(file.vectors) for file in files]
    return pa.table(
        {
            "recording": pa.array(np.repeat(np.array(ids, np.int64), lengths)),
            "lane": pa.array(np.concatenate([file.lanes for file in files]).astype(np.int16)),
            "start": pa.array(np.concatenate([file.starts for file in files])),
            "end": pa.array(np.concatenate([file.ends for file in files])),
            "vector": vector_column(np.concatenate([file.vectors for file in files])),
        },
        schema=windows_schema(dim),
    )
