"""What a collection lacks: files of its recordings, vectors of recordings in a space; and the commands that help."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from mmasc.collection.head import SpaceHead
from mmasc.collection.id_map import is_in
from mmasc.collection.known import some
from mmasc.collection.snapshot import Snapshot
from mmasc.encoders.own_vectors import is_own, text_of
from mmasc.encoders.registry import window_of
from mmasc.printing import counted
from mmasc.remote.addresses import place_of
from mmasc.remote.sightings import gone

NAMED = 3


class Counted:
    """Recordings that a message counts, with the first few paths."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, paths: pa.ChunkedArray, which: Bool[np.ndarray, " item"]) -> None:
        """Count some of these paths."""
        rows = np.flatnonzero(which)
        self.count += len(rows)
        # One more than is named, so that it is known that there are more
        self._first += [paths[int(row)].as_py() for row in rows[: max(NAMED + 1 - len(self._first), 0)]]

    def __str__(self) -> str:
        return some(self._first, NAMED)


def gone_under(stored: Iterable[str], root: str, folders: Sequence[str]) -> list[str]:
    """Those of some stored paths that lie under one of the folders and whose files do not exist."""
    places = {path: place_of(root, path) for path in stored}
    below = [path for path, place in places.items() if any(place.startswith(os.path.join(one, "")) for one in folders)]
    return [path for path, is_gone in zip(below, gone([places[path] for path in below]), strict=True) if is_gone]


def uncovered(collection: Snapshot, at_once: int = 65_536) -> list[str]:
    """A line for each space that lacks recordings which another space has, with the command that embeds them."""
    inside = {name: collection.space(name).recordings for name in collection.spaces}
    lacking = {name: Counted() for name in inside}
    nowhere = Counted()
    for table in collection.store.recording_batches(collection.head, ["id", "path"], at_once):
        ids, paths = table.column("id").to_numpy(), table.column("path")
        covered = {name: is_in(ids, known) for name, known in inside.items()}
        anywhere = np.any(list(covered.values()), axis=0) if covered else np.zeros(len(ids), bool)
        for name, one in covered.items():
            lacking[name].add(paths, anywhere & ~one)
        nowhere.add(paths, ~anywhere)
    lines = []
    for name, found in lacking.items():
        if found.count:
            advice = add_advice(collection.store.location, [collection.head.root], name, collection.head.spaces[name])
            lines.append(
                f"space {name!r} has no vectors of {counted(found.count, 'recording')} that another space has "
                f"({found}); {advice}"
            )
    if nowhere.count:
        lines.append(
            f"{counted(nowhere.count, 'recording has', 'recordings have')} vectors in no space ({nowhere}); embed "
            "them again"
        )
    return lines


def add_advice(folder: str | Path, paths: Sequence[str], name: str, space: SpaceHead) -> str:
    """How recordings come into a space."""
    if is_own(space.encoder):
        return f"bring vectors of {text_of(space.encoder)!r} with Collection.add_vectors"
    return f"embed them with: {embed_command(folder, paths, name, space)}"


def embed_command(folder: str | Path, paths: Sequence[str], name: str, space: SpaceHead) -> str:
    """The command that brings recordings into a space as they were cut there."""
    words = ["mmasc", "embed", *paths, "--into", str(folder), "--encoder", space.encoder]
    if name != space.encoder:
        words += ["--space", name]
    window = window_of(space.encoder, space.window_seconds)
    if window is not None:
        words += ["--window", str(window)]
    if space.hop_seconds != space.window_seconds:
        words += ["--hop", str(space.hop_seconds)]
    if space.channels != "mix":
        words += ["--channels", space.channels]
    return shlex.join(words)
