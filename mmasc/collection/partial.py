"""Vectors of long recordings that are not whole yet: `partial/` in a collection, next to its tables.

A recording counts when all its windows are committed, never before: what lies here is in no table, is not searched and
not checked. It spares the network what it has done already when an `embed` that was stopped is started again. Each
part is a file that is there whole or not at all, and says of which content, space and cutting it is; where anything of
that is another now, it is thrown away.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save

from mmasc.collection.damage import unharmed
from mmasc.collection.head import SpaceHead
from mmasc.collection.stamps import Stamp
from mmasc.encoders.file_vectors import Place
from mmasc.errors import MmascError, show_path
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.tensors import load_arrays

FOLDER = "partial"
_NAME = re.compile(r"[0-9a-f]{32}")


class Subject(NamedTuple):
    """A file that is being embedded: the path that it is stored under, and the file when it was opened."""

    stored: str
    stamp: Stamp


class Partials:
    """The parts of recordings of one space; the `Keeper` of `embed_files`.

    Args:
        folder: Folder of the collection.
        space: The space: identity, hop, window, channels.
        subject_of: What is known of a file that is being embedded.

    Attributes:
        remarks: Parts that could not be read, one line each.
    """

    def __init__(self, folder: Path, space: SpaceHead, subject_of: Callable[[Path], Subject]) -> None:
        self.collection, self.folder, self.space, self.subject_of = folder, folder / FOLDER, space, subject_of
        self.remarks: list[str] = []

    def begun(self, path: Path) -> Mapping[Place, np.ndarray]:
        """Vectors that an earlier run kept of this content; what it kept of another is removed."""
        if not self.folder.exists():  # as mostly: nothing is looked for, file by file
            return {}
        subject = self.subject_of(path)
        place, about, found = self._place(subject.stored), self._about(subject), dict[Place, np.ndarray]()
        for part in sorted(place.glob("*.safetensors")):
            try:
                arrays, said = load_arrays(part)
                if said != about:
                    self.forget(subject.stored)
                    return {}
                places, vectors = arrays["places"], arrays["vectors"]
                if vectors.shape != (len(places), self.space.dim) or vectors.dtype != np.float32:
                    raise MmascError(f"{show_path(part)} holds no vectors of this space")
                found.update(zip(map(_place, places.tolist()), vectors, strict=True))
            except (KeyError, ValueError, MmascError):
                self.remarks.append(f"{show_path(part)} is damaged: that part of {subject.stored} was embedded again")
                part.unlink(missing_ok=True)
        return found

    def keep(self, path: Path, places: Sequence[Place], vectors: np.ndarray) -> None:
        """Keep the next windows of a file.

        Raises:
            MmascError: If the folder cannot be written to.
        """
        subject = self.subject_of(path)
        place = self._place(subject.stored)
        content = save(
            {"places": np.array(places, np.int64), "vectors": np.ascontiguousarray(vectors)},
            {"config": json.dumps(self._about(subject), sort_keys=True)},
        )
        lane, start, _ = places[0]
        with unharmed(self.collection):
            make_folders(place)
            write_atomically(place / f"{start:015d}-{lane}.safetensors", content)

    def forget(self, stored: str) -> None:
        """Remove what was kept of a recording: it is whole now, or it is another."""
        if self.folder.exists():
            self._remove(self._place(stored))

    def sweep(self, identities: Collection[str], needed: Callable[[Subject], bool]) -> None:
        """Remove what no run will ask for.

        Args:
            identities: Identities of the spaces that the collection has.
            needed: Whether a file is still as it was, and its recording not in this space yet.
        """
        if not self.folder.is_dir():
            return
        for place in list(self.folder.iterdir()):
            if _NAME.fullmatch(place.name) is None or not place.is_dir():
                continue
            said = _record_of(place)
            others = said is not None and said["space"] in identities and said["space"] != self.space.identity
            if not others and (said is None or not self._is_needed(said, needed)):
                self._remove(place)

    def close(self) -> None:
        """Remove the folder where nothing is left in it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _is_needed(self, said: dict[str, Any], needed: Callable[[Subject], bool]) -> bool:
        subject = Subject(said["path"], Stamp(said["size"], said["mtime_ns"], said["ctime_ns"]))
        return said == self._about(subject) and needed(subject)

    def _place(self, stored: str) -> Path:
        name = hashlib.blake2b(f"{self.space.identity}\n{stored}".encode(), digest_size=16).hexdigest()
        return self.folder / name

    def _about(self, subject: Subject) -> dict[str, Any]:
        space, stamp = self.space, subject.stamp
        return {
            "path": subject.stored,
            "size": stamp.size,
            "mtime_ns": stamp.mtime_ns,
            "ctime_ns": stamp.ctime_ns,
            "space": space.identity,
            "window_seconds": space.window_seconds,
            "hop_seconds": space.hop_seconds,
            "channels": space.channels,
        }

    def _remove(self, place: Path) -> None:
        with unharmed(self.collection), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(place)


def _place(values: list[int]) -> Place:
    lane, start, end = values
    return lane, start, end


def _record_of(place: Path) -> dict[str, Any] | None:
    """What a folder's first part says of itself; None where no part says it."""
    for part in sorted(place.glob("*.safetensors")):
        with contextlib.suppress(MmascError):
            said = load_arrays(part)[1]
            if {"path", "size", "mtime_ns", "ctime_ns", "space"} <= said.keys():
                return said
    return None
