"""Which recordings are removed: those under given paths, those that pass a condition, or those whose files are gone.

The table of recordings is read a piece at a time; of all of it the ids of those that are chosen are kept alone.
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from mmasc.collection.filters import passing_recordings
from mmasc.collection.head import Head
from mmasc.collection.id_map import is_in
from mmasc.collection.linked_paths import place_by_the_root
from mmasc.collection.table_reader import TableReader
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted
from mmasc.remote.addresses import absolute, is_address, place_of
from mmasc.remote.sightings import gone

AT_ONCE = 65_536


def ids_to_remove(
    store: TableReader,
    head: Head,
    paths: Sequence[str | os.PathLike[str]] = (),
    where: str | None = None,
    missing: bool = False,
    at_once: int = AT_ONCE,
) -> Int[np.ndarray, " item"]:
    """Ids of the recordings that `Collection.remove` removes, ascending: those that meet everything given.

    Args:
        store: The collection's tables.
        head: Versions of the tables.
        paths: Files, or folders for all below them.
        where: SQL on columns of the recordings.
        missing: Whether only those are meant whose files no longer exist.
        at_once: Recordings that are looked at together.
    Raises:
        MmascError: If a path or a condition finds nothing to be read, or all files are missing.
    """
    chosen = np.zeros(0, np.int64)
    if paths or where is not None:
        under = _Under(store.folder, paths, head.root)
        for table in store.recording_batches(head, None if where is not None else ["id", "path"], at_once):
            ids = table.column("id").to_numpy()
            meant = ids[under.those(table.column("path"))] if paths else ids
            passing = meant if where is None else passing_recordings(where, table)
            chosen = np.concatenate([chosen, meant[np.isin(meant, passing)]])
        under.require_all()
        chosen = np.unique(chosen)
    if missing:
        lost = np.unique(gone_ids(store, head, at_once))
        return chosen[is_in(chosen, lost)] if paths or where is not None else lost
    return chosen


class _Under:
    """Tells the recordings that are some files or lie below some folders."""

    def __init__(self, folder: Path, paths: Sequence[str | os.PathLike[str]], root: str) -> None:
        self._folder, self._root, self._paths = folder, root, list(paths)
        self._found = [False] * len(paths)
        if not all(map(os.fspath, paths)):  # would be the folder that one happens to be in, and all below it
            raise MmascError("'' is not a path; name a file or a folder")
        # As it was typed, from here; as the collection names it, from its root; or by a link to its root
        self._readings = [
            {absolute(path), place_of(root, os.fspath(path)), place_by_the_root(absolute(path), root)} for path in paths
        ]

    def those(self, stored: pa.ChunkedArray) -> Bool[np.ndarray, " item"]:
        """Which of some stored paths are meant."""
        places = [place_of(self._root, path) for path in stored.to_pylist()]
        meant = np.zeros(len(places), bool)
        for number, readings in enumerate(self._readings):
            below = tuple(at + (os.sep if os.path.isabs(at) else "/") for at in readings)
            inside = np.array([place in readings or place.startswith(below) for place in places], bool)
            self._found[number] |= bool(inside.any())
            meant |= inside
        return meant

    def require_all(self) -> None:
        """Raises MmascError for the first path that no recording was found under."""
        for path, found in zip(self._paths, self._found, strict=True):
            if not found:
                raise MmascError(
                    f"{show_path(path)}: no recording of {show_path(self._folder)} lies there; its root is "
                    f"{show_path(self._root)}"
                )


def places_gone(store: TableReader, head: Head, at_once: int = AT_ONCE) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Ids and paths of the recordings, a piece at a time, and whose files do not exist any more, bool `[row]`.

    Recordings that came with vectors alone, without a file, lack nothing.

    Raises:
        MmascError: If a server does not answer.
    """
    for table in store.recording_batches(head, ["id", "path", "size"], at_once):
        absent = gone([place_of(head.root, path) for path in table.column("path").to_pylist()], True)
        yield table, np.array(absent, bool) & (table.column("size").to_numpy() >= 0)


def gone_ids(store: TableReader, head: Head, at_once: int = AT_ONCE) -> Int[np.ndarray, " item"]:
    """Ids of the recordings whose files do not exist.

    Raises:
        MmascError: If that is all of them, or the root does not exist: the disk may just not be mounted.
    """
    lost, count = np.zeros(0, np.int64), 0
    for table, absent in places_gone(store, head, at_once):
        lost = np.concatenate([lost, table.column("id").to_numpy()[absent]])
        count += int((table.column("size").to_numpy() >= 0).sum())
    if not len(lost):
        return lost
    folder, root = store.folder, head.root
    what = "" if is_address(root) or os.path.isdir(root) else f"the root {show_path(root)} does not exist"
    if not what and len(lost) == count:
        what = f"none of the {counted(count, 'recording')} is found under {show_path(root)}"
    if what:
        raise MmascError(
            f"{what}, so nothing was removed from {show_path(folder)}: connect the disk, or say where the recordings "
            f"lie now with: mmasc collection move-root {shlex.quote(str(folder))} NEWROOT; those that are gone for "
            "good are removed by their paths or --where"
        )
    return lost
