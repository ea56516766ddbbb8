"""Changes to a collection's tables: made under its lock, on the disk before the head names them."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lance
import numpy as np
import pyarrow as pa

from mmasc.collection.checksums import add_checksums
from mmasc.collection.columns import forget_columns
from mmasc.collection.damage import writing
from mmasc.collection.head import Head, SpaceHead, is_leftover, read_copies
from mmasc.collection.index_files import forget
from mmasc.collection.pieces import Pieces
from mmasc.collection.probes import write_probes
from mmasc.collection.segment_files import SEGMENTS
from mmasc.collection.stamps import foreign_stamps, own_name
from mmasc.collection.tables import Tables, manifest, versions
from mmasc.storage.files import make_folders, names_below, sync_new

_FRAGMENTS_BEFORE_COMPACTION = 256
_IDS_AT_ONCE = 20_000  # each condition reads all ids of the table


@runtime_checkable
class Owner(Protocol):
    """What a transaction needs of the store that handed it out."""

    tables: Tables

    def head(self) -> Head:
        """The head as it is on disk now."""
        ...

    def replace_head(self, head: Head) -> Head:
        """Make a head count; returns it with its generation."""
        ...


class Transaction:
    """Changes to the tables of one store, made under its lock; `Store.transaction` hands it out.

    Attributes:
        head: The versions that will count.
        compacted: Whether old versions may go once the head has been replaced.
    """

    def __init__(self, store: Owner, head: Head) -> None:
        self.store, self.tables = store, store.tables
        self.head = self._begun = head
        self.compacted = False
        self._changed: set[Path] = set()
        # What version 0.1.0 wrote may never have been synced
        self._before = self._names() - self._rests() if head.generation else set()

    def take_back_rests(self) -> None:
        """Undo what a writer left behind that died between changing a table and replacing the head."""
        recordings = self.tables.take_back(self.tables.recordings, self.head.recordings)
        self.head = replace(self.head, recordings=recordings)
        self._remove_leftover_spaces()
        for name, space in self.head.spaces.items():
            version = self.tables.take_back(self.tables.windows(space.identity), space.version)
            self._set_space(name, replace(space, version=version))

    def add_space(self, name: str, space: SpaceHead, probes: np.ndarray | None = None) -> None:
        """Make an empty space; `probes` are text vectors `[item dim]` for measuring the index."""
        folder = self.tables.space(space.identity)
        make_folders(folder)
        self.tables.take_back(self.tables.windows(space.identity), None)
        forget(folder)
        forget_columns(folder)
        shutil.rmtree(folder / SEGMENTS, ignore_errors=True)
        if probes is not None:
            write_probes(folder, probes)
        self.head = replace(self.head, spaces={**self.head.spaces, name: space})

    def append_recordings(self, rows: pa.Table | Iterable[pa.Table]) -> int:
        """Add rows; columns that the table of recordings lacks are added to it, the others filled with null.

        Args:
            rows: A table, or pieces of one schema, which are written as they come.
        Returns:
            How many rows were added.
        """
        pieces = Pieces(rows)
        if pieces.schema is None:
            return 0
        if self.head.recordings is not None:
            self._add_columns(pieces.schema)
        version = self._append(self.tables.recordings, pieces, self.head.recordings)
        self.head = replace(self.head, recordings=version)
        return pieces.rows

    def append_windows(self, name: str, rows: pa.Table | Iterable[pa.Table]) -> int:
        """Add windows (schema of `windows_schema`) to a space, as `append_recordings` does recordings."""
        pieces = Pieces(rows)
        if pieces.schema is None:
            return 0
        space = self.head.spaces[name]
        version = self._append(self.tables.windows(space.identity), pieces, space.version)
        self._set_space(name, replace(space, version=version, windows=space.windows + pieces.rows))
        return pieces.rows

    def remove_recordings(self, ids: Sequence[int] | np.ndarray) -> None:
        """Remove recordings and their windows in every space."""
        if not len(ids) or self.head.recordings is None:
            return
        dataset = self._delete(self.tables.recordings, "id", ids)
        self.head = replace(self.head, recordings=dataset.version)
        for name in list(self.head.spaces):
            self.remove_windows(name, ids)

    def remove_windows(self, name: str, ids: Sequence[int] | np.ndarray) -> None:
        """Remove the windows of these recordings from one space."""
        space = self.head.spaces[name]
        if space.version is None or not len(ids):
            return
        dataset = self._delete(self.tables.windows(space.identity), "recording", ids)
        self._set_space(name, replace(space, version=dataset.version, windows=dataset.count_rows()))

    def update_recordings(self, table: pa.Table) -> None:
        """Set columns of recordings that are there already; `table` has `id` and the columns to set."""
        if not len(table):
            return
        uri = self.tables.recordings
        self._add_columns(table.schema)
        dataset = self._newest(uri)
        with writing(uri, self.tables.folder):
            dataset.merge_insert("id").when_matched_update_all().execute(table)
        self.head = replace(self.head, recordings=self._newest(uri).version)

    def set_root(self, root: str) -> None:
        """The folder that paths are relative to."""
        self.head = replace(self.head, root=root)

    def compact(self) -> None:
        """Join small files and drop deleted rows; row ids stay. Old versions stay until `Store.clean`."""
        self.compacted = True
        for uri in self._tables_in_use():
            self._compact(uri)
        if self.head.recordings is not None:
            self.head = replace(self.head, recordings=self._newest(self.tables.recordings).version)
        for name, space in self.head.spaces.items():
            if space.version is not None:
                version = self._newest(self.tables.windows(space.identity)).version
                self._set_space(name, replace(space, version=version))

    def commit(self) -> None:
        """Make the changes count: data, names and checksums on the disk first, then the head that names them."""
        if any(len(self._newest(uri).get_fragments()) > _FRAGMENTS_BEFORE_COMPACTION for uri in self._changed):
            self.compact()
        if self.head != self._begun:
            self._sync()
            self.head = self._begun = self.store.replace_head(self.head)

    def _sync(self) -> None:
        """Bring all new files, their checksums and the names of their folders to the disk: Lance never syncs."""
        after = self._names()
        add_checksums(self.tables.folder, [path for path in after - self._before if _keeps_its_bytes(path)])
        sync_new(self._before, after)
        self._before = after

    def _tables_in_use(self) -> list[Path]:
        spaces = [self.tables.windows(one.identity) for one in self.head.spaces.values() if one.version is not None]
        return spaces if self.head.recordings is None else [self.tables.recordings, *spaces]

    def _names(self) -> set[Path]:
        """All files and folders of tables; indexes are derived and belong to the process that saves them."""
        spaces = [self.tables.windows(one.identity) for one in self.head.spaces.values()]
        names = names_below([self.tables.recordings, *spaces])
        return {path for path in names if not path.name.startswith(".tmp")}

    def _rests(self) -> set[Path]:
        """What a writer that died left: its manifests' names, of a table that never counted all, come again with other
        bytes."""
        counted = [(self.tables.recordings, self.head.recordings)]
        counted += [(self.tables.windows(one.identity), one.version) for one in self.head.spaces.values()]
        rests = names_below([table for table, version in counted if version is None])
        for table, version in counted:
            if version is not None:
                rests |= {manifest(table, one) for one in versions(table) if one > version}
        return rests

    def _remove_leftover_spaces(self) -> None:
        folder = self.tables.spaces
        known = {space.identity for space in self.head.spaces.values()}
        unknown = [one for one in folder.iterdir() if is_leftover(one, known)] if folder.is_dir() else []
        if not unknown:
            return
        # A head from a backup may be older than a space: what any copy of a head names stays
        known |= {space.identity for head in read_copies(self.tables.folder) for space in head.spaces.values()}
        for one in unknown:
            if one.name not in known:
                shutil.rmtree(one)

    def _set_space(self, name: str, space: SpaceHead) -> None:
        self.head = replace(self.head, spaces={**self.head.spaces, name: space})

    def _newest(self, uri: Path) -> lance.LanceDataset:
        """The table as this transaction has changed it so far."""
        self._changed.add(uri)
        return self.tables.open(uri)

    def _append(self, uri: Path, pieces: Pieces, version: int | None) -> int:
        if version is None:
            make_folders(uri.parent)
        else:
            self._newest(uri)
        self._changed.add(uri)
        mode = "create" if version is None else "append"
        with pieces.own_faults(), writing(uri, self.tables.folder):
            return lance.write_dataset(pieces.reader(), str(uri), mode=mode, enable_stable_row_ids=True).version

    def _add_columns(self, schema: pa.Schema) -> None:
        dataset = self._newest(self.tables.recordings)
        for name in foreign_stamps(dataset.schema):
            with writing(self.tables.recordings, self.tables.folder):
                renaming: Any = {"path": name, "name": own_name(name)}  # Lance's type for it names no strings
                dataset.alter_columns(renaming)
            dataset = self._newest(self.tables.recordings)
        missing = [item for item in schema if item.name not in dataset.schema.names]
        if missing:
            with writing(self.tables.recordings, self.tables.folder):
                dataset.add_columns(pa.schema(missing))

    def _delete(self, uri: Path, column: str, ids: Sequence[int] | np.ndarray) -> lance.LanceDataset:
        dataset = self._newest(uri)
        with writing(uri, self.tables.folder):
            for first in range(0, len(ids), _IDS_AT_ONCE):
                some = ", ".join(str(int(one)) for one in ids[first : first + _IDS_AT_ONCE])
                dataset.delete(f"{column} IN ({some})")
        return self._newest(uri)

    def _compact(self, uri: Path) -> None:
        dataset = self._newest(uri)
        with writing(uri, self.tables.folder):
            dataset.optimize.compact_files()


def _keeps_its_bytes(path: Path) -> bool:
    """Whether a file of a table is written once: all but Lance's hint, which a reader can do without."""
    return path.suffix in (".lance", ".arrow", ".bin", ".manifest", ".txn") and path.is_file()
