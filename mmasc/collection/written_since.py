"""Recordings whose files were written since they were embedded: their vectors, and what was found by them, may be of
another sound than the files hold now.

Only sizes and the times of writing are compared; what a file holds, `embed` looks at. Objects on servers are not asked.
"""

import os
import shlex
import stat
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from mmasc.collection.coverage import Counted
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.stamps import Stamp
from mmasc.printing import counted
from mmasc.remote.addresses import is_address, place_of

COLUMNS = ["path", "size", "mtime_ns"]


def written_since(table: pa.Table, root: str) -> Bool[np.ndarray, " row"]:
    """Which of some recordings (`COLUMNS`) have files that are there and not as they were when they were embedded."""
    rows = zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)
    return np.array([_is_written(place_of(root, path), size, mtime) for path, size, mtime in rows], bool)


def written_remarks(collection: Snapshot, places: Collection[str]) -> list[str]:
    """A line where some of the recordings that lie at these places were written again; else none."""
    table = collection.recordings
    here = np.array([collection.path_of(path) in places for path in table.column("path").to_pylist()], bool)
    some = table.select(COLUMNS).filter(pa.array(here))
    found = Counted()
    found.add(some.column("path"), written_since(some, collection.head.root))
    if not found.count:
        return []
    return [f"{_rewritten(found)}: what was found in them may not be what they hold now; {again(collection)}"]


def written_warning(collection: Snapshot, at_once: int) -> list[str]:
    """The same for all recordings, as `collection check` says it."""
    found = Counted()
    for table in collection.store.recording_batches(collection.head, COLUMNS, at_once):
        found.add(table.column("path"), written_since(table, collection.head.root))
    if not found.count:
        return []
    return [
        f"{_rewritten(found)}: if they hold other sounds now, their vectors are of the old ones; {again(collection)}"
    ]


def again(collection: Snapshot) -> str:
    """The command that looks at all recordings again."""
    words = ["mmasc", "embed", collection.head.root, "--into", str(collection.store.location)]
    return f"embed again with: {shlex.join(words)}"


def _rewritten(found: Counted) -> str:
    return f"{counted(found.count, 'recording was', 'recordings were')} written again since being embedded ({found})"


def _is_written(place: str, size: int, mtime_ns: int) -> bool:
    if size < 0 or is_address(place):  # a recording that came with vectors and without a file, or lies on a server
        return False
    try:
        now = os.stat(place)
    except OSError:
        return False  # gone, or not to be looked at: others say so
    if stat.S_ISDIR(now.st_mode):
        return False  # the file is gone, a folder has its name
    stamp = Stamp.of(now)
    return (stamp.size, stamp.mtime_ns) != (size, mtime_ns)
