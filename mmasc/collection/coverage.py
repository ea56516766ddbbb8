"""What a collection lacks: files of its recordings, vectors of recordings in a space; and the commands that help."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmasc.collection.head import SpaceHead
from mmasc.collection.known import some
from mmasc.collection.snapshot import Snapshot
from mmasc.encoders.own_vectors import is_own, text_of
from mmasc.encoders.registry import window_of
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import is_address, place_of
from mmasc.remote.sightings import gone


def gone_under(stored: Iterable[str], root: str, folders: Sequence[str]) -> list[str]:
    """Those of some stored paths that lie under one of the folders and whose files do not exist."""
    places = {path: place_of(root, path) for path in stored}
    below = [path for path, place in places.items() if any(place.startswith(os.path.join(one, "")) for one in folders)]
    return [path for path, is_gone in zip(below, gone([places[path] for path in below]), strict=True) if is_gone]


def gone_ids(folder: Path, recordings: pa.Table, root: str) -> set[int]:
    """Ids of the recordings whose files do not exist.

    Raises:
        MmascError: If that is all of them, or the root does not exist: the disk may just not be mounted.
    """
    paths = recordings.column("path").to_pylist()
    absent = gone([place_of(root, path) for path in paths], sure=True)
    sizes = recordings.column("size").to_pylist()  # below 0 where there never was a file
    rows = zip(recordings.column("id").to_pylist(), absent, sizes, strict=True)
    lost = {one for one, is_gone, size in rows if is_gone and size >= 0}
    if not lost:
        return lost
    what = "" if is_address(root) or os.path.isdir(root) else f"the root {show_path(root)} does not exist"
    if not what and len(lost) == len(paths):
        what = f"none of the {len(paths)} recordings is found under {show_path(root)}"
    if what:
        raise MmascError(
            f"{what}, so nothing was removed from {show_path(folder)}: connect the disk, or say where the recordings "
            f"lie now with: mmasc collection move-root {shlex.quote(str(folder))} NEWROOT; those that are gone for "
            "good are removed by their paths or --where"
        )
    return lost


def uncovered(collection: Snapshot) -> list[str]:
    """A line for each space that lacks recordings which another space has, with the command that embeds them."""
    ids = collection.recordings.column("id").to_numpy()
    paths = collection.recordings.column("path").to_pylist()
    inside = {name: np.isin(ids, collection.space(name).recording) for name in collection.spaces}
    anywhere = np.any(list(inside.values()), axis=0) if inside else np.zeros(len(ids), bool)
    lines = []
    for name, covered in inside.items():
        space = collection.head.spaces[name]
        lacking = [paths[row] for row in np.flatnonzero(anywhere & ~covered)]
        if lacking:
            lines.append(
                f"space {name!r} has no vectors of {len(lacking)} recordings that another space has ({some(lacking)}); "
                f"{add_advice(collection.store.folder, [collection.head.root], name, space)}"
            )
    nowhere = [paths[row] for row in np.flatnonzero(~anywhere)]
    if nowhere:
        lines.append(f"{len(nowhere)} recordings have vectors in no space ({some(nowhere)}); embed them again")
    return lines


def add_advice(folder: Path, paths: Sequence[str], name: str, space: SpaceHead) -> str:
    """How recordings come into a space."""
    if is_own(space.encoder):
        return f"bring vectors of {text_of(space.encoder)!r} with Collection.add_vectors"
    return f"embed them with: {embed_command(folder, paths, name, space)}"


def embed_command(folder: Path, paths: Sequence[str], name: str, space: SpaceHead) -> str:
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
