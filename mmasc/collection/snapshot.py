"""A collection as it stood when it was opened: what is read of it, nothing that changes it."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.collection.head import Head
from mmasc.collection.index import IndexPolicy
from mmasc.collection.published import open_store
from mmasc.collection.schema import RECORDING_COLUMNS
from mmasc.collection.space import SpaceReader, space_summary
from mmasc.collection.store import Store
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import absolute, place_of


class _Rows(dict[int, int]):
    """Positions by id; windows of a missing recording are reported as damage."""

    def __init__(self, folder: Path, ids: Sequence[int]) -> None:
        super().__init__({one: row for row, one in enumerate(ids)})
        self._folder = folder

    def __missing__(self, one: int) -> int:
        raise MmascError(
            f"{self._folder} is damaged: it holds windows of a recording that is missing ({one}); "
            "restore it from a backup, or see what is wrong with: mmasc collection check"
        )


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
    def row_of(self) -> dict[int, int]:
        """Row in `recordings` by id; a missing id is a fault of the collection, and raises MmascError."""
        return _Rows(self.store.folder, self.recordings.column("id").to_pylist())

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
            "truncated": sum(status == "truncated" for status in self.recordings.column("status").to_pylist()),
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
