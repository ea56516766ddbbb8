"""A collection as it stood when it was opened: what is read of it, nothing that changes it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from mmasc.collection.head import Head
from mmasc.collection.id_map import IdMap
from mmasc.collection.index import IndexPolicy
from mmasc.collection.published import open_store
from mmasc.collection.schema import RECORDING_COLUMNS
from mmasc.collection.space import SpaceReader, space_summary
from mmasc.collection.store import Store
from mmasc.errors import MmascError
from mmasc.remote.addresses import place_of


class Rows(IdMap):
    """Rows of recordings by id: 16 bytes each; windows of a missing recording are reported as damage.

    Args:
        folder: The collection, for messages.
        ids: Ids, int64 `[row]`.
    """

    def __init__(self, folder: Path, ids: Int[np.ndarray, " row"]) -> None:
        super().__init__(ids)
        self._folder = folder

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
        for name in ("recordings", "row_of", "metadata_columns"):
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
        # Those who ask for rows alone need not keep all recordings in memory
        table = self.__dict__.get("recordings")
        table = self.store.recordings(self.head, ["id"]) if table is None else table
        return Rows(self.store.folder, table.column("id").to_numpy())

    def rows(self, rows: Int[np.ndarray, " item"], columns: Sequence[str]) -> pa.Table:
        """Some rows of `recordings`, in the order in which they are asked for; not all are read for it."""
        if "recordings" in self.__dict__:
            return self.recordings.select(list(columns)).take(pa.array(rows))
        return self.store.take_recordings(self.head, rows, columns)

    @cached_property
    def metadata_columns(self) -> list[str]:
        """Names of the users' own columns."""
        return [name for name in self.store.recordings_schema(self.head).names if name not in RECORDING_COLUMNS]

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
            self._readers[name] = self.fresh_space(name)
        return self._readers[name]

    def fresh_space(self, name: str) -> SpaceReader:
        """Read access to a space that shares nothing with what `space` gives."""
        return SpaceReader(self.store, self.head, name, self._policy)

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
