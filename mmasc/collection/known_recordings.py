"""All recordings of a collection by stored path, without a Python object for each: columns and sorted digests.

A recording takes 16 bytes besides its columns. After another process has committed, only those pieces of the tables are
read that are new or changed, so that two writers on a large collection do not spend their time reading paths.
"""

from collections.abc import Collection, Iterator, MutableMapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmasc.collection.head import Head
from mmasc.collection.id_map import is_in
from mmasc.collection.path_digests import PathDigests
from mmasc.collection.stamps import STAMP_NAMES, Stamp
from mmasc.collection.store import Store
from mmasc.collection.table_reader import fragments_of

_COLUMNS = ["id", "path", "size", "mtime_ns", *STAMP_NAMES]
_AT_ONCE = 65_536
# What this process has changed itself is kept apart from the columns, and taken into them after so many
_CHANGED = 65_536


class Known(NamedTuple):
    """A recording that the store has: its id, the file as it was, and whether the space has its windows."""

    id: int
    stamp: Stamp
    embedded: bool


class KnownRecordings(MutableMapping[str, Known]):
    """The recordings of a store by stored path, in the order of the table; what is set or deleted counts here alone.

    Args:
        store: The collection's tables.
        head: Versions of the tables.
        space: Name of the space that counts for `Known.embedded`; without one none is embedded.
    """

    def __init__(self, store: Store, head: Head, space: str | None = None) -> None:
        self._store, self._space = store, space
        self._pieces: dict[str, pa.Table] = {}
        self._inside: dict[str, np.ndarray] = {}
        self._changed: dict[str, Known | None] = {}
        self._seen: Head | None = None
        self.see(head)

    def see(self, head: Head) -> None:
        """Know the recordings as they are at other versions; what was set here before is forgotten."""
        if head == self._seen and len(self._changed) < _CHANGED:
            return
        self._seen, self._changed = head, {}
        self._pieces = self._read_recordings(head)
        self._inside = self._read_space(head)
        tables = list(self._pieces.values())
        self._first = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
        self._tables = tables
        self._digests = PathDigests(table.column("path") for table in tables)
        ids = np.concatenate([np.zeros(0, np.int64), *(table.column("id").to_numpy() for table in tables)])
        embedded = np.zeros(len(ids), bool)
        for inside in self._inside.values():
            embedded |= is_in(ids, inside)
        self._embedded = embedded

    def __getitem__(self, path: str) -> Known:
        known = self.get(path)
        if known is None:
            raise KeyError(path)
        return known

    def get(self, path: str, default: Any = None) -> Any:
        """The recording of a path; an exception for each that is missing would take longer than looking."""
        if path in self._changed:
            changed = self._changed[path]
            return default if changed is None else changed
        row = self._row(path)
        return default if row is None else self._known(row)

    def __setitem__(self, path: str, known: Known) -> None:
        self._changed[path] = known

    def __delitem__(self, path: str) -> None:
        if path not in self:
            raise KeyError(path)
        self._changed[path] = None

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str):
            return False
        return self._changed[path] is not None if path in self._changed else self._row(path) is not None

    def __len__(self) -> int:
        stored = int(self._first[-1])
        for path, known in self._changed.items():
            stored += (known is not None) - (self._row(path) is not None)
        return stored

    def __iter__(self) -> Iterator[str]:
        for table in self._tables:
            for first in range(0, len(table), _AT_ONCE):
                for path in table.column("path").slice(first, _AT_ONCE).to_pylist():
                    if path not in self._changed:
                        yield path
        yield from [path for path, known in self._changed.items() if known is not None]

    def of_sizes(self, sizes: Collection[int]) -> Iterator[tuple[str, Known]]:
        """Paths and recordings whose files have one of these sizes in bytes."""
        wanted = np.array(sorted(sizes), np.int64)
        for table, first in zip(self._tables, self._first.tolist(), strict=False):
            for row in np.flatnonzero(np.isin(table.column("size").to_numpy(), wanted)).tolist():
                path = table.column("path")[row].as_py()
                if path not in self._changed:
                    yield path, self._known(first + row)
        for path, known in list(self._changed.items()):
            if known is not None and known.stamp.size in sizes:
                yield path, known

    def _read_recordings(self, head: Head) -> dict[str, pa.Table]:
        """The pieces of the table of recordings; those that are known already are not read again."""
        pieces = {}
        for one in fragments_of(self._store.recordings_dataset(head)):
            table = self._pieces.get(one.key)
            pieces[one.key] = self._store.recordings(head, _COLUMNS, [one]) if table is None else table
        return pieces

    def _read_space(self, head: Head) -> dict[str, np.ndarray]:
        """Ids of the recordings of which a piece of the space's table has windows, ascending, by piece."""
        pieces: dict[str, np.ndarray] = {}
        if self._space is None:
            return pieces
        space = head.spaces[self._space]
        for one in fragments_of(self._store.dataset(space)):
            inside = self._inside.get(one.key)
            pieces[one.key] = self._store.recordings_in(space, [one]) if inside is None else inside
        return pieces

    def _row(self, path: str) -> int | None:
        """Row of a path, over all pieces."""
        for row in self._digests.rows(path):
            table, place = self._at(row)
            if table.column("path")[place].as_py() == path:
                return row
        return None

    def _at(self, row: int) -> tuple[pa.Table, int]:
        piece = int(np.searchsorted(self._first, row, "right")) - 1
        return self._tables[piece], row - int(self._first[piece])

    def _known(self, row: int) -> Known:
        table, place = self._at(row)
        values = {name: table.column(name)[place].as_py() for name in _COLUMNS}
        return Known(values["id"], Stamp.of_row(values), bool(self._embedded[row]))
