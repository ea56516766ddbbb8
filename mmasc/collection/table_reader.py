"""Reads the tables of a collection at the versions that a head names: recordings, windows and vectors."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lance
import numpy as np
import pyarrow as pa
from jaxtyping import Int

from mmasc.collection.damage import reading
from mmasc.collection.head import Head, SpaceHead
from mmasc.collection.schema import RECORDING_FIELDS, WINDOW_COLUMNS, as_matrix, vector_type, windows_schema
from mmasc.collection.stamps import STAMP_NAMES, foreign_stamps, with_stamps
from mmasc.collection.tables import Tables
from mmasc.errors import MmascError
from mmasc.forking import check_may_open

_IDS_AT_ONCE = 10_000  # of a condition, which reads all ids of the table

# Lance reads up to 2 GB ahead of who asks
_LITTLE_AHEAD: dict[str, Any] = {"io_buffer_size": 64 << 20, "batch_readahead": 2, "fragment_readahead": 1}


class Fragment(NamedTuple):
    """A piece of a table, which never changes under this key: rows that are deleted give it another one.

    Attributes:
        number: Its number in the table.
        key: Names of its files, which are random.
        rows: How many rows count.
    """

    number: int
    key: str
    rows: int


def fragments_of(dataset: lance.LanceDataset | None) -> list[Fragment]:
    """The pieces of a table, in the order in which it is read."""
    found = []
    for one in [] if dataset is None else dataset.get_fragments():
        names = [file.path for file in one.data_files()]
        found.append(Fragment(one.fragment_id, "|".join([*names, one.deletion_file() or ""]), one.count_rows()))
    return found


def _chosen(dataset: lance.LanceDataset, fragments: Sequence[Fragment]) -> list[lance.LanceFragment]:
    numbers = {one.number for one in fragments}
    return [one for one in dataset.get_fragments() if one.fragment_id in numbers]


def _stored(schema: pa.Schema, columns: Sequence[str] | None) -> list[str] | None:
    """Columns of the table of recordings that are read where these are asked for; None for all."""
    if columns is None or foreign_stamps(schema):
        return None
    return [name for name in columns if name in schema.names or name not in STAMP_NAMES]


def _as_asked(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """What was read with the columns of stamps, and with those that are asked for alone."""
    table = with_stamps(table)
    return table if columns is None else table.select(list(columns))


class TableReader:
    """The tables of the collection in `folder`, read at the versions of a head."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = Tables(folder)
        self._opened: dict[Path, tuple[int, lance.LanceDataset]] = {}
        check_may_open()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}

    def head(self) -> Head:
        """The head as it is on disk now."""
        raise NotImplementedError

    def recordings(
        self,
        head: Head | None = None,
        columns: Sequence[str] | None = None,
        fragments: "Sequence[Fragment] | None" = None,
    ) -> pa.Table:
        """The table of recordings, or some of its pieces."""
        head = head or self.head()
        dataset = self.recordings_dataset(head)
        if dataset is None:
            schema = pa.schema(RECORDING_FIELDS)
            return schema.empty_table().select(list(columns) if columns is not None else schema.names)
        with reading(self.tables.recordings, self.folder):
            chosen = None if fragments is None else _chosen(dataset, fragments)
            names = _stored(dataset.schema, columns)
            return _as_asked(dataset.scanner(columns=names, fragments=chosen).to_table(), columns)

    def recording_batches(
        self, head: Head, columns: Sequence[str] | None = None, at_once: int = 65_536
    ) -> Iterator[pa.Table]:
        """The table of recordings, at most `at_once` rows at a time, in order; an empty one where there are none."""
        dataset, empty = self.recordings_dataset(head), True
        if dataset is not None:
            with reading(self.tables.recordings, self.folder):
                names = _stored(dataset.schema, columns)
                parts = iter(
                    dataset.scanner(columns=names, batch_size=at_once, scan_in_order=True, **_LITTLE_AHEAD).to_batches()
                )
            while True:
                with reading(self.tables.recordings, self.folder):
                    part = next(parts, None)
                if part is None:
                    break
                if part.num_rows:
                    yield _as_asked(pa.Table.from_batches([part]), columns)
                    empty = False
        if empty:
            yield self.recordings(head, columns)

    def take_recordings(
        self, head: Head, rows: Int[np.ndarray, " row"], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Some rows of the table of recordings, in the order in which they are asked for."""
        dataset = self.recordings_dataset(head)
        if dataset is None or not len(rows):
            return self.recordings(head, columns, [])
        known, place = np.unique(rows, return_inverse=True)
        with reading(self.tables.recordings, self.folder):
            table = dataset.take(known.tolist(), columns=_stored(dataset.schema, columns))
            return _as_asked(table, columns).take(pa.array(place))

    def recordings_by_id(self, head: Head, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Rows of the table of recordings by id, of those ids that are there."""
        dataset, found = self.recordings_dataset(head), dict[int, dict[str, Any]]()
        for first in range(0, 0 if dataset is None else len(ids), _IDS_AT_ONCE):
            assert dataset is not None
            some = ", ".join(str(int(one)) for one in ids[first : first + _IDS_AT_ONCE])
            with reading(self.tables.recordings, self.folder):
                table = with_stamps(dataset.to_table(filter=f"id IN ({some})"))
            found |= {row["id"]: row for row in table.to_pylist()}
        return found

    def recordings_dataset(self, head: Head) -> lance.LanceDataset | None:
        """The Lance table of recordings at the version that counts; None before the first commit."""
        return None if head.recordings is None else self._open(self.tables.recordings, head.recordings)

    def recordings_schema(self, head: Head) -> pa.Schema:
        """Columns of the table of recordings and their types."""
        if head.recordings is None:
            return pa.schema(RECORDING_FIELDS)
        return with_stamps(self._open(self.tables.recordings, head.recordings).schema.empty_table()).schema

    def windows(self, space: SpaceHead, columns: Sequence[str] = WINDOW_COLUMNS, row_ids: bool = False) -> pa.Table:
        """The table of a space's windows, without vectors unless asked; `row_ids` adds `_rowid`, stable for life."""
        dataset = self.dataset(space)
        if dataset is None:
            table = windows_schema(space.dim).empty_table().select(list(columns))
            return table.append_column("_rowid", pa.array([], pa.uint64())) if row_ids else table
        with reading(self.tables.windows(space.identity), self.folder):
            return dataset.scanner(columns=list(columns), with_row_id=row_ids).to_table()

    def recordings_in(
        self, space: SpaceHead, fragments: "Sequence[Fragment] | None" = None
    ) -> Int[np.ndarray, " item"]:
        """Ids of the recordings that have windows in a space, or in pieces of its table, ascending."""
        found = np.zeros(0, np.int64)
        for batch in self.batches(space, ["recording"], 1 << 20, fragments):
            found = np.union1d(found, batch.column("recording").to_numpy())
        return found

    def vectors(
        self, space: SpaceHead, batch: int = 65_536, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(Row ids `[item]`, vectors `[item dim]`) of a space, a batch at a time, in the order of `windows`.

        Args:
            space: The space.
            batch: Windows at once, at most.
            first, last: Which windows: those from position `first` on, before `last`; default: all.
        """
        parts, at = fragments_of(self.dataset(space)), 0
        if first > 0 or last is not None:
            ends = np.cumsum([one.rows for one in parts])
            begin = int(np.searchsorted(ends, first, "right"))
            end = len(parts) if last is None else int(np.searchsorted(ends, last, "left")) + 1
            at, parts = int(ends[begin - 1]) if begin else 0, parts[begin:end]
        for part in self.batches(space, ["vector"], batch, parts):
            low, high = max(first - at, 0), part.num_rows if last is None else min(last - at, part.num_rows)
            at += part.num_rows
            if low < high:
                some = part.slice(low, high - low)
                yield some.column("_rowid").to_numpy(), as_matrix(some.column("vector"), space.dim)

    def batches(
        self,
        space: SpaceHead,
        columns: Sequence[str] | None = None,
        batch: int = 65_536,
        fragments: "Sequence[Fragment] | None" = None,
    ) -> Iterator[pa.RecordBatch]:
        """Windows of a space with these columns (default: all) and `_rowid`, a batch at a time, in order.

        `fragments` are those of `fragments_of` that are read; default: all.
        """
        dataset = self.dataset(space)
        if dataset is None or fragments == []:
            return
        table = self.tables.windows(space.identity)
        names = dataset.schema.names if columns is None else list(columns)
        with reading(table, self.folder):
            chosen = None if fragments is None else _chosen(dataset, fragments)
            scanner = dataset.scanner(
                columns=names, with_row_id=True, batch_size=batch, scan_in_order=True, fragments=chosen, **_LITTLE_AHEAD
            )
            parts = iter(scanner.to_batches())
        while True:
            with reading(table, self.folder):
                part = next(parts, None)
            if part is None:
                return
            yield part

    def take_vectors(self, space: SpaceHead, row_ids: np.ndarray) -> np.ndarray:
        """Vectors `[item dim]` of the given row ids, in their order."""
        dataset = self.dataset(space)
        if dataset is None or not len(row_ids):
            return np.zeros((0, space.dim), np.float32)
        order = np.argsort(row_ids)
        with reading(self.tables.windows(space.identity), self.folder):
            table = dataset._take_rows(row_ids[order].tolist(), columns=["vector"])
            vectors = np.empty((len(row_ids), space.dim), np.float32)
            vectors[order] = as_matrix(table.column("vector"), space.dim)
        return vectors

    def dataset(self, space: SpaceHead) -> lance.LanceDataset | None:
        """The Lance table of a space's windows at the version that counts; None before the first commit."""
        if space.version is None:
            return None
        table = self.tables.windows(space.identity)
        dataset = self._open(table, space.version)
        if "vector" not in dataset.schema.names or dataset.schema.field("vector").type != vector_type(space.dim):
            raise MmascError(
                f"{table} does not hold vectors of {space.dim} numbers as the head says; restore {self.folder}"
            )
        return dataset

    def _open(self, table: Path, version: int) -> lance.LanceDataset:
        """A version of a table; the one that was read last stays open: opening takes longer than a search's vectors."""
        opened, dataset = self._opened.get(table, (None, None))
        if dataset is None or opened != version:
            dataset = self.tables.open(table, version)
            self._opened[table] = version, dataset
        check_may_open()
        return dataset

    def close(self) -> None:
        """Open tables again from here on: the folder may have been replaced, or a number given to another version."""
        self._opened.clear()
