"""Vectors of another program into a collection: one call is one transaction; mmasc's own spaces stay as they are.

Rows of the tables are written as `embed` writes them. Killed at any moment, all of a call is stored or nothing; the
same call again adds nothing.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmasc.audio import AudioStatus, open_audio
from mmasc.collection.head import Head, SpaceHead
from mmasc.collection.linked_paths import place_by_the_root
from mmasc.collection.returning import Returning
from mmasc.collection.rows import new_recording_id, recording_row, recordings_table
from mmasc.collection.schema import as_matrix, vector_column, windows_schema
from mmasc.collection.space import SpaceReader
from mmasc.collection.stamps import UNSEEN, Stamp
from mmasc.collection.store import Store
from mmasc.collection.transaction import Transaction
from mmasc.collection.vector_rows import VectorRows, refuse_row
from mmasc.encoders.file_vectors import FileVectors
from mmasc.encoders.identity import require_identity
from mmasc.encoders.own_vectors import is_own, own_identity, own_name, text_of
from mmasc.errors import MmascError, show_path
from mmasc.progress import one_by_one
from mmasc.remote.addresses import absolute, place_of, under
from mmasc.remote.paths import as_path

_AT_ONCE = 65_536
_IDS_AT_ONCE = 1_000
_SAME_SECONDS = 1e-6  # starts nearer to each other are one, as in `collection check`
_CHANNELS = "mix"


@dataclass(frozen=True)
class VectorsReport:
    """What `Collection.add_vectors` did.

    Attributes:
        space, identity: Name of the space, and the identity that was named for it.
        added: Vectors that are new.
        replaced: Vectors that took the place of another one at the same moment.
        known: Vectors that were there already, to the last bit.
        cut: Ends that lay behind the end of the recording and were moved to it.
        recordings: Recordings that are new to the collection.
    """

    space: str
    identity: str
    added: int
    replaced: int
    known: int
    cut: int
    recordings: int


@dataclass(frozen=True)
class Target:
    """Where vectors go, and what becomes of those that are there.

    Attributes:
        space: Name of the space.
        identity: Name of what made the vectors; None for that of the space, which must exist then.
        replace: Whether they take the place of others at the same moments.
        probes: float32 `[item dim]`: queries as the space will be asked, to measure an approximate index with.
    """

    space: str
    identity: str | None
    replace: bool = False
    probes: np.ndarray | None = None


def add_vectors(store: Store, rows: VectorRows, durations: dict[str, float], target: Target) -> VectorsReport:
    """Add checked rows; see `Collection.add_vectors`.

    Args:
        store: The collection's tables.
        rows: Vectors and their moments.
        durations: Seconds of recordings, by paths as they are named.
        target: The space.
    """
    head = store.head()
    places = _stored_paths(store, head, dict.fromkeys([*rows.paths, *durations]))
    stored = [places[path] for path in rows.paths]
    seconds = {places[path]: value for path, value in durations.items()}
    known = _known(store, head, stored)
    absent = [path for path in dict.fromkeys(stored) if path not in known]
    files = {path: _new_file(head.root, path, seconds.get(path)) for path in one_by_one("looking at recording", absent)}
    with store.transaction() as change:
        if change.head.root != head.root:
            raise MmascError(f"the root of {show_path(store.folder)} was changed meanwhile; add the vectors again")
        _open_space(change, store.folder, rows, target)
        known = _known(store, change.head, stored)
        new = [path for path in dict.fromkeys(stored) if path not in known]
        if gone := [path for path in new if path not in files]:
            raise MmascError(f"{show_path(gone[0])} was removed from the collection meanwhile; add the vectors again")
        returning = Returning(store)
        again = {path: returning.id_of(path, files[path][1], change.head) for path in new}
        numbers = {path: new_recording_id() if one is None else one for path, one in again.items()}
        if new:
            table = [
                recording_row(numbers[path], path, stamp, file, {}) for path in new for file, stamp in [files[path]]
            ]
            schema = store.recordings_schema(change.head)
            change.append_recordings(recordings_table(table, [{} for _ in new], schema))
        ids = np.array([numbers[path] if path in numbers else known[path][0] for path in stored], np.int64)
        ends = np.array([files[path][0].duration if path in numbers else known[path][1] for path in stored])
        begins_behind = rows.starts >= ends[rows.of]
        refuse_row(begins_behind, lambda row: _behind(rows, row, float(ends[rows.of[row]])))
        within = replace(rows, of=ids[rows.of], ends=np.minimum(rows.ends, ends[rows.of]))
        added, replaced, same = _write(store, change, within, rows, target)
    if target.probes is not None:
        store.write_probes(change.head.spaces[target.space].identity, target.probes)
    if change.head.spaces[target.space].windows:
        SpaceReader(store, store.head(), target.space).refresh_index()
    cut = int((within.ends < rows.ends).sum())
    named = text_of(change.head.spaces[target.space].encoder)
    return VectorsReport(target.space, named, added, replaced, same, cut, len(new))


def _stored_paths(store: Store, head: Head, paths: Iterable[str]) -> dict[str, str]:
    """Paths as they are named → as they are stored, also where they lead to the root by a link."""
    root = head.root
    places = {path: absolute(place_of(root, path)) for path in paths}
    stored = {path: under(root, place) for path, place in places.items()}
    outside = {path: one for path, one in stored.items() if one.startswith("../") or os.path.isabs(one)}
    known = _known(store, head, list(outside.values()))
    others = [path for path, one in outside.items() if one not in known]
    return stored | {path: under(root, place_by_the_root(places[path], root)) for path in others}


def _open_space(change: Transaction, folder: Path, rows: VectorRows, target: Target) -> None:
    """Make the space, or check that it holds vectors of this identity and width."""
    space, dim = change.head.spaces.get(target.space), rows.vectors.shape[1]
    what = f"space {target.space!r} of {show_path(folder)}"
    if space is not None and not is_own(space.encoder):
        raise MmascError(f"{what} holds vectors of encoder {space.encoder}: give vectors of your own another space")
    if space is not None and space.dim != dim:
        raise MmascError(f"vectors of {what} have {space.dim} numbers, got {dim}: the same model gives the same number")
    if space is None and target.identity is None:
        raise MmascError(f"{what} is new: name what made its vectors, identity='birdnet 2.4 embeddings' (--identity)")
    name = own_name(target.identity) if target.identity is not None else space.encoder  # type: ignore[union-attr]
    wanted = own_identity(text_of(name), dim)
    if space is not None:
        advice = "vectors of two identities are never compared: give another space"
        require_identity((space.encoder, space.identity), (name, wanted), what, advice)
        return
    twin = next((one for one, space in change.head.spaces.items() if space.identity == wanted), None)
    if twin is not None:
        raise MmascError(f"{show_path(folder)} holds vectors of {text_of(name)!r} in space {twin!r}; use that space")
    if not len(rows.vectors):
        raise MmascError(f"{what} cannot begin without a vector")
    window = float(np.median(rows.ends - rows.starts))
    change.add_space(target.space, SpaceHead(wanted, name, dim, window, _usual_hop(rows, window), _CHANNELS))


def _usual_hop(rows: VectorRows, window: float) -> float:
    """The median from one start to the next of one recording; the window where no recording has two."""
    order = np.lexsort((rows.starts, rows.of))
    steps, same = np.diff(rows.starts[order]), np.diff(rows.of[order]) == 0
    steps = steps[same & (steps > _SAME_SECONDS)]
    return float(np.median(steps)) if len(steps) else window


def _known(store: Store, head: Head, stored: list[str]) -> dict[str, tuple[int, float]]:
    """Id and duration of those of some stored paths that are recordings."""
    table = store.recordings(head, ["id", "path", "duration"])
    table = table.filter(pc.is_in(table.column("path"), pa.array(stored, pa.string())))
    return {row["path"]: (row["id"], row["duration"]) for row in table.to_pylist()}


def _new_file(root: str, stored: str, seconds: float | None) -> tuple[FileVectors, Stamp]:
    """What is known of a recording that is new here: said by its file, where there is one, or by the caller."""
    path, none = as_path(place_of(root, stored)), np.zeros(0)
    file = partial(FileVectors, path, none, none, none, none)
    try:
        stamp = Stamp.of(path.stat())
    except OSError:
        if seconds is None:
            raise MmascError(
                f"{show_path(stored)} is not a recording of the collection, and {show_path(path)} is not a file: "
                "correct the path, or say how long it is in durations (--table)"
            ) from None
        return file(AudioStatus("ok", "", None, seconds), seconds), UNSEEN
    with open_audio(path) as opened:
        status = AudioStatus("ok", "", None, seconds or 0.0)
        if seconds is None:  # a length that is said is believed: reading whole recordings takes long
            seconds = sum(block.shape[1] for block in opened.blocks()) / opened.sample_rate
            status = opened.status
        return file(status, seconds, opened.sample_rate, opened.channels), stamp


def _behind(rows: VectorRows, row: int, seconds: float) -> str:
    path = show_path(rows.paths[rows.of[row]])
    return f"starts[{row}] is {rows.starts[row]:g} s, but {path} ends at {seconds:g} s"


def _write(
    store: Store, change: Transaction, rows: VectorRows, given: VectorRows, target: Target
) -> tuple[int, int, int]:
    """Windows of rows whose `of` are ids; how many are new, replace others, are there already."""
    keys = _keys(rows)
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    twice = np.array([first[key] != row for row, key in enumerate(keys)], bool)
    refuse_row(twice, lambda row: f"row {row} is of {_moment(given, row)}, as row {first[keys[row]]} is; leave one out")
    old = _stored(store, change.head.spaces[target.space], np.unique(rows.of))
    at = {key: place for place, key in enumerate(_keys(old))}
    match = np.array([at.get(key, -1) for key in keys], np.int64)
    there = np.flatnonzero(match >= 0)
    alike = (rows.vectors[there] == old.vectors[match[there]]).all(axis=1)
    alike &= np.abs(rows.ends[there] - old.ends[match[there]]) <= _SAME_SECONDS
    differs, chosen = np.zeros(len(keys), bool), match < 0
    differs[there[~alike]] = True
    if not target.replace:
        refuse_row(
            differs,
            lambda row: (
                f"row {row}: another vector of {_moment(given, row)} is there already; replace=True (--replace) "
                "replaces it"
            ),
        )
    elif differs.any():
        # The store drops windows of whole recordings: those that stay are written again
        touched = np.unique(rows.of[differs])
        stays = np.isin(old.of, touched)
        stays[match[differs]] = False
        change.remove_windows(target.space, touched.tolist())
        _append(change, target.space, old, stays)
    _append(change, target.space, rows, chosen | differs)
    return int(chosen.sum()), int(differs.sum()), int(alike.sum())


def _keys(rows: VectorRows) -> list[tuple[int, int]]:
    """What no two windows share: recording and start, in millionths of a second."""
    return list(zip(rows.of.tolist(), np.round(rows.starts * 1e6).astype(np.int64).tolist(), strict=True))


def _moment(rows: VectorRows, row: int) -> str:
    return f"{show_path(rows.paths[rows.of[row]])} at {rows.starts[row]:g} s"


def _stored(store: Store, space: SpaceHead, recordings: np.ndarray) -> VectorRows:
    """The windows of some recordings (ids) in a space, as rows whose `of` are ids."""
    dataset, schema = store.dataset(space), windows_schema(space.dim)
    tables = [schema.empty_table()]
    if dataset is not None:
        for first in range(0, len(recordings), _IDS_AT_ONCE):
            some = ", ".join(map(str, recordings[first : first + _IDS_AT_ONCE].tolist()))
            tables.append(dataset.to_table(filter=f"recording IN ({some})").cast(schema))
    table = pa.concat_tables(tables)
    of, starts, ends = (table.column(name).to_numpy() for name in ("recording", "start", "end"))
    return VectorRows(as_matrix(table.column("vector"), space.dim), [], of, starts, ends)


def _append(change: Transaction, space: str, rows: VectorRows, chosen: np.ndarray) -> None:
    """Write rows whose `of` are ids, those of a recording together, some at a time."""
    order = np.flatnonzero(chosen)
    order = order[np.lexsort((rows.starts[order], rows.of[order]))]
    schema = windows_schema(rows.vectors.shape[1])
    for first in range(0, len(order), _AT_ONCE):
        some = order[first : first + _AT_ONCE]
        columns = [
            pa.array(rows.of[some], pa.int64()),
            pa.array(np.zeros(len(some), np.int16)),
            pa.array(rows.starts[some]),
            pa.array(rows.ends[some]),
            vector_column(rows.vectors[some]),
        ]
        change.append_windows(space, pa.table(columns, schema=schema))
