"""Paths and ids that users give → the id of a recording, its path under the root, its seconds."""

import os
from pathlib import Path

from mmasc.collection.linked_paths import place_by_the_root
from mmasc.collection.snapshot import Snapshot
from mmasc.errors import MmascError, show_path
from mmasc.storage.matching import FileMatcher
from mmasc.storage.texts import listed


class NamedRecordings:
    """The recordings of a collection by path and id.

    Args:
        collection: Whose.
    """

    def __init__(self, collection: Snapshot) -> None:
        self._collection = collection

    def id_of(self, path: str | Path) -> int:
        """Id of the recording that a path means: under the root, from here, or the end of its path where it is clear.

        Raises:
            MmascError: If no recording, or more than one, is meant.
        """
        table, root = self._collection.recordings, self._collection.head.root
        paths = map(self._collection.path_of, table.column("path").to_pylist())
        ids = dict(zip(paths, table.column("id").to_pylist(), strict=True))
        matcher = FileMatcher(ids, [root, os.getcwd()])
        found = matcher.find(os.fspath(path))
        if not found and os.path.exists(path):  # by a link to the root, or where it is mounted once more
            found = matcher.find(place_by_the_root(os.fspath(path), root))
        if not found:
            raise MmascError(f"{show_path(path)}: no recording of the collection lies there; its root is {root}")
        if len(found) > 1:
            several = listed(map(show_path, found))
            raise MmascError(f"{show_path(path)} could be several recordings: {several}; write the folder too")
        return ids[found[0]]

    def known(self, recording: int) -> tuple[str, float]:
        """Path under the root and duration in seconds of a recording.

        Raises:
            MmascError: If there is no recording with this id.
        """
        table = self._collection.recordings
        if recording not in self._collection.row_of:
            folder = show_path(self._collection.store.location)
            raise MmascError(f"{folder} has no recording with the id {recording}")
        row = self._collection.row_of[recording]
        return table.column("path")[row].as_py(), table.column("duration")[row].as_py()
