"""A collection as it stood when it was opened: what is read of it, nothing that changes it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from mmasc.collection.head import Head
from mmasc.collection.index import IndexPolicy
from mmasc.collection.published import open_store
from mmasc.collection.schema import RECORDING_COLUMNS
from mmasc.collection.space import SpaceReader, space_summary
from mmasc.collection.store import Store
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import absolute, place_of


class Rows(Mapping[int, int]):
    """Rows of recordings by id: 16 bytes each; windows of a missing recording are reported as damage.

    Args:
        folder: The collection, for messages.
        ids: Ids, int64 `[row]`.
    """

    def __init__(self, folder: Path, ids: Int[np.ndarray, " row"]) -> None:
        self._folder = folder
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids.tolist())

    def __contains__(self, one: object) -> bool:
        return isinstance(one, int) and bool(self.find(np.array([one]))[1].all())

    def __getitem__(self, one: int) -> int:
        return int(self.of(np.array([one], np.int64))[0])

    def of(self, ids: Int[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
        """Rows of several ids, int64.

        Raises:
            MmascError: If one is missing.
        """
        rows, there = self.find(ids)
        if not there.all():
            raise MmascError(
                f"{self._folder} is damaged: it holds windows of a recording that is missing ({ids[~there][0]}); "
                "restore it from a backup, or see what is wrong with: mmasc collection check"
            )
        return rows

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of several ids, and which of them are there, bool; the rows of others mean nothing."""
        if not len(self._ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        # Of several rows with one id, which only damage makes, the last
        where = np.maximum(np.searchsorted(self._ids, ids, "right") - 1, 0)
        return self._order[where], self._ids[where] == ids


class Snapshot:
    """A collection as it stood when it was opened: what there is, and read access to its spaces.

    Args:
        folder: Folder with a collection in it; `mmasc.embed` makes one. Or the address of a published one.
        policy: When the index changes its kind; the default follows the machine's memory.
    Raises:
        MmascError: If there is no collection or a newer mmasc made it.
    """

    def __init__(self, folder: str | Path, policy: IndexPolicy | None = None) -> None:
        self.store: Store = open_store(folder)
        self._policy = policy
        self._readers: dict[str, SpaceReader] = {}
        self.head: Head = self.store.head()

    def refresh(self) -> None:
        """See the collection as it is now."""
        self.store.close()
        self.head = self.store.head()
        self._readers.clear()
        for name in ("recordings", "row_of"):
            self.__dict__.pop(name, None)

    @cached_property
    def recordings(self) -> pa.Table:
        """All recordings, a row each: id, path under the root, size in bytes, mtime_ns, duration in seconds,
        sample_rate in Hz, channels, status ("ok" or "truncated"), reason, and the columns of your own.

        A pyarrow table; `Collection.to_frame` gives it to pandas."""
        return self.store.recordings(self.head)

    @cached_property
    def row_of(self) -> Rows:
        """Row in `recordings` by id; a missing id is a fault of the collection, and raises MmascError."""
        return Rows(self.store.folder, self.recordings.column("id").to_numpy())

    @property
    def metadata_columns(self) -> list[str]:
        """Names of the users' own columns."""
        return [name for name in self.recordings.column_names if name not in RECORDING_COLUMNS]

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces, oldest first."""
        return list(self.head.spaces)

    def space(self, name: str | None = None) -> SpaceReader:
        """Read access to one space; without a name the only or oldest one.

        Raises:
            MmascError: If there is no such space; the line lists those there are.
        """
        if not self.head.spaces:
            raise MmascError(f"{self.store.location} holds no vectors yet; add some with: mmasc embed PATH --into ...")
        if name is None:
            name = self.spaces[0]
        if name not in self.head.spaces:
            raise MmascError(f"{self.store.location} has no space {name!r}; it has: {', '.join(self.spaces)}")
        if name not in self._readers:
            self._readers[name] = SpaceReader(self.store, self.head, name, self._policy)
        return self._readers[name]

    def path_of(self, relative: str) -> str:
        """Where a recording lies now: the root and its path under it."""
        return place_of(self.head.root, relative)

    def path_of_id(self, recording: int) -> str:
        """Where the recording with this id lies now."""
        return self.path_of(self.recordings.column("path")[self.row_of[recording]].as_py())

    def info(self) -> dict[str, Any]:
        """What is there: recordings, hours, own columns, root, format and every space with its identity."""
        durations = self.recordings.column("duration").to_numpy()
        return {
            "folder": self.store.location,
            "root": self.head.root,
            "format": self.head.format,
            "recordings": len(self.recordings),
            "hours": float(durations.sum()) / 3600,
            "truncated": pc.sum(pc.equal(self.recordings.column("status"), "truncated")).as_py() or 0,
            "columns": self.metadata_columns,
            "spaces": {name: space_summary(name, space) for name, space in self.head.spaces.items()},
        }


def ids_under(folder: Path, paths: Sequence[str | Path], recordings: pa.Table, root: str) -> set[int]:
    """Ids of the recordings of the collection in `folder` that are these files or lie below these folders.

    Raises:
        MmascError: If a path has no recording in the collection.
    """
    stored = [place_of(root, path) for path in recordings.column("path").to_pylist()]
    ids = recordings.column("id").to_pylist()
    chosen: set[int] = set()
    for path in paths:
        # As it was typed, from here; or as the collection names it, from its root
        readings = {absolute(path), place_of(root, os.fspath(path))}
        found = {
            one
            for one, file in zip(ids, stored, strict=True)
            if any(file == at or file.startswith(at + (os.sep if os.path.isabs(at) else "/")) for at in readings)
        }
        if not found:
            raise MmascError(
                f"{show_path(path)}: no recording of {show_path(folder)} lies there; its root is {show_path(root)}"
            )
        chosen |= found
    return chosen
