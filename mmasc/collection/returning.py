"""Recordings that were removed and had annotations: embedded again, the same file is the same recording.

    annotations/removed.json     id, path under the root, and stamp of the content of each

A file with the content of a removed recording under its path gets that recording's id, so that the labels which people
gave it, and which stay in the journal, are there again.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from mmasc.collection.head import Head
from mmasc.collection.id_map import is_in
from mmasc.collection.journal import FOLDER, Journal
from mmasc.collection.stamps import CTIME, DIGEST, Stamp
from mmasc.collection.store import Store
from mmasc.storage.files import write_atomically
from mmasc.storage.texts import parse_json

REMOVED = "removed.json"
_KEPT = ["id", "path", "size", "mtime_ns", CTIME, DIGEST]
_AT_ONCE = 65_536


def keep_removed(store: Store, head: Head, ids: Int[np.ndarray, " item"]) -> None:
    """Remember which recordings are about to be removed, of those that ever had an annotation.

    Args:
        store: The collection, whose lock is held.
        head: The collection as it is.
        ids: Ids of the recordings that go.
    """
    folder = store.folder / FOLDER
    if not folder.is_dir():
        return
    with Journal(store.folder).writing() as journal:
        labelled = {one.recording for event in journal.read(quiet=True).events for one in event.annotations}
        labelled &= set(ids.tolist())
        if not labelled:
            return
        gone, added = np.array(sorted(labelled)), list[tuple[int, str, Stamp]]()
        for table in store.recording_batches(head, _KEPT, _AT_ONCE):
            rows = table.filter(pa.array(is_in(table.column("id").to_numpy(), gone)))
            added += [(row["id"], row["path"], Stamp.of_row(row)) for row in rows.to_pylist()]
        if added:
            kept = [one for one in _read(folder) if one[0] not in labelled] + added
            write_atomically(folder / REMOVED, json.dumps({"removed": list(map(_written, kept))}).encode())


class Returning:
    """The ids of removed recordings, for files that are embedded again.

    Args:
        store: The collection.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._of: dict[str, list[tuple[int, Stamp]]] = {}
        for number, path, stamp in _read(store.folder / FOLDER):
            self._of.setdefault(path, []).append((number, stamp))

    def id_of(self, stored: str, now: Stamp, head: Head) -> int | None:
        """The id of the recording that this file was; None where it was none, or that one is there.

        Args:
            stored: Path under the root.
            now: The file.
            head: The collection as it is.
        """
        found = [number for number, stamp in self._of.get(stored, ()) if stamp.alike(now)]
        if not found:
            return None
        there = pc.is_in(pa.array(found, pa.int64()), self._store.recordings(head, ["id"]).column("id"))
        free = [number for number, is_there in zip(found, there.to_pylist(), strict=True) if not is_there]
        return free[-1] if free else None


def _written(one: tuple[int, str, Stamp]) -> dict[str, Any]:
    number, path, stamp = one
    digest = None if stamp.digest is None else stamp.digest.hex()
    return {"id": number, "path": path, "size": stamp.size, "mtime_ns": stamp.mtime_ns, "digest": digest}


def _read(folder: Path) -> list[tuple[int, str, Stamp]]:
    """Oldest first; none where the file is damaged: then files that come again are new recordings."""
    try:
        found = []
        for one in parse_json((folder / REMOVED).read_text("utf-8"))["removed"]:
            digest = None if one["digest"] is None else bytes.fromhex(one["digest"])
            found.append((int(one["id"]), str(one["path"]), Stamp(one["size"], one["mtime_ns"], None, digest)))
        return found
    except (OSError, ValueError, KeyError, TypeError):
        return []
