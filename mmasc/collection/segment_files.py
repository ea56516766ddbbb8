"""Segments of an index on the disk: a folder each, which is there whole or not at all, and needs no list of them.

    segments/
        segment-RANDOM/     vectors.faiss, rows.npy, segment.json: an index of some windows, by their row ids
        new-RANDOM/         one that is being built; renamed when it is on the disk

Several processes may build segments at once; the one that plans them holds `.segments.lock`. Readers map the files
and check their sizes; `collection check` compares the checksums. All of it is derived: what is not as it was written
counts as no segment.
"""

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection.index import VectorIndex, import_faiss
from mmasc.collection.index_files import read_faiss, write_index
from mmasc.storage.arrays import read_array
from mmasc.storage.files import crc32_of, sync_file, sync_folder, write_atomically
from mmasc.storage.texts import parse_json

SEGMENTS = "segments"
SEGMENT_FORMAT = 1
_HEADER = "segment.json"
_PREFIX = "segment-"
_FILES = ("vectors.faiss", "rows.npy")


def save_segment(space: Path, index: VectorIndex) -> str:
    """Write a segment into the folder of a space; returns its name.

    Raises:
        OSError: If it cannot be written; nothing of it stays.
    """
    folder = space / SEGMENTS
    folder.mkdir(exist_ok=True)
    name = secrets.token_hex(4)
    home = folder / f"new-{name}"
    try:
        home.mkdir()
        write_index(import_faiss(), home, index.index, index.row_ids)
        files = {one: {"size": (home / one).stat().st_size, "crc32": crc32_of(home / one)} for one in _FILES}
        header = {"format": SEGMENT_FORMAT, **index.about, "files": files}
        for one in _FILES:
            sync_file(home / one)
        write_atomically(home / _HEADER, json.dumps(header).encode())
        sync_folder(home)
        home.rename(folder / f"{_PREFIX}{name}")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    sync_folder(folder)
    return f"{_PREFIX}{name}"


def segment_names(space: Path) -> list[str]:
    """Names of the segments of a space."""
    folder = space / SEGMENTS
    return sorted(one.name for one in folder.glob(f"{_PREFIX}*")) if folder.is_dir() else []


def load_segment(space: Path, name: str) -> VectorIndex | None:
    """A segment, mapped from the disk; None if it is not as it was written, or was replaced just now."""
    home = space / SEGMENTS / name
    try:
        header = _read_header(home)
        if any((home / one).stat().st_size != header["files"][one]["size"] for one in _FILES):
            return None
        row_ids = read_array(home / "rows.npy", mapped=True)
        index = read_faiss(import_faiss(), home / "vectors.faiss", mapped=True)
        if row_ids.dtype != np.int64 or row_ids.ndim != 1 or index.ntotal != len(row_ids):
            return None
        return VectorIndex.of_files(index, row_ids, header)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError):
        return None


def damaged_segments(space: Path) -> list[str]:
    """Names of the segments whose files do not have the checksums that they were written with."""
    found = []
    for name in segment_names(space):
        home = space / SEGMENTS / name
        try:
            files = _read_header(home)["files"]
            whole = all(crc32_of(home / one) == files[one]["crc32"] for one in _FILES)
        except FileNotFoundError:
            continue  # replaced just now
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            found.append(name)
    return found


def drop_segments(space: Path, names: list[str]) -> None:
    """Delete segments; processes that have them open can go on reading.

    Raises:
        ValueError: If one of the names cannot be a segment's; then nothing is deleted.
    """
    for name in names:
        # "" would be the folder of all segments, and ".." that of the space
        if not name.startswith(_PREFIX) or Path(name).name != name:
            raise ValueError(f"{name!r} is not the name of a segment of {space}; segments are called {_PREFIX}RANDOM")
    for name in names:
        shutil.rmtree(space / SEGMENTS / name, ignore_errors=True)


def sweep_segments(space: Path) -> None:
    """Delete what killed builders left; called under the lock, so none of it is being written."""
    folder = space / SEGMENTS
    for one in folder.iterdir() if folder.is_dir() else ():
        if re.fullmatch(r"new-[0-9a-f]{8}", one.name) and one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)


def _read_header(home: Path) -> dict[str, Any]:
    """Raises ValueError where this version of mmasc did not write it."""
    header = parse_json((home / _HEADER).read_text(encoding="utf-8"))
    if header["format"] != SEGMENT_FORMAT or header["kind"] not in ("flat", "ivf", "rabitq"):
        raise ValueError(f"{home} is of another format")
    return dict(header)
