"""Another collection's recordings, windows, own columns and annotations taken over: what both know stays as it is here.

All of it happens in one transaction: killed at any moment nothing was merged, and merged again nothing is added.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mmasc.collection.annotation_merge import merge_annotations
from mmasc.collection.head import Head, SpaceHead
from mmasc.collection.id_map import IdMap, is_in
from mmasc.collection.merge_plan import MergePlan
from mmasc.collection.probes import read_probes
from mmasc.collection.schema import windows_schema
from mmasc.collection.silence import read_silence, write_silence
from mmasc.collection.store import Store
from mmasc.collection.transaction import Transaction
from mmasc.encoders.identity import require_identity
from mmasc.encoders.own_vectors import is_own
from mmasc.errors import MmascError, show_path

_RECORDINGS_AT_ONCE = 16_384  # about 3 kB each, as rows of both collections
_WINDOWS_AT_ONCE = 32_768


def merge(store: Store, other: Store, at_once: int = _RECORDINGS_AT_ONCE) -> dict[str, int]:
    """Take over another store's recordings and windows; see `Collection.merge`.

    Args:
        store, other: Ours and theirs.
        at_once: Recordings that are in memory together as rows.
    """
    if store.folder.resolve() == other.folder.resolve():
        raise MmascError(f"{show_path(store.folder)} cannot be merged with itself")
    theirs = other.head()
    with store.transaction() as change:
        names = _space_names(store, other, theirs, change)
        plan = MergePlan(store, change.head, other, theirs, at_once)
        added = change.append_recordings(plan.absent())
        for table in plan.updates():
            change.update_recordings(table)
        ids = plan.ids()
        windows = sum(
            change.append_windows(ours, _new_windows(store, other, theirs.spaces[name], change.head.spaces[ours], ids))
            for name, ours in names.items()
        )
        annotations, differing = _annotations(store, change.head, other, ids)
    return {
        "recordings": added,
        "windows": windows,
        "already_there": plan.already_there,
        "other_content": plan.other_content,
        "values": plan.values,
        "values_that_differ": plan.conflicts,
        "annotations": annotations,
        "annotations_that_differ": differing,
    }


def _space_names(store: Store, other: Store, theirs: Head, change: Transaction) -> dict[str, str]:
    """The name here of each of their spaces; spaces that are missing here are made.

    Raises:
        MmascError: If a space of the same name, or of the same encoder, holds other vectors or was cut otherwise.
    """
    names = {}
    for name, space in theirs.spaces.items():
        twin = next((one for one, known in change.head.spaces.items() if known.identity == space.identity), None)
        ours = change.head.spaces.get(twin or name)
        names[name] = twin or name
        if ours is None:
            texts = read_probes(other.space_folder(space.identity), space.dim)
            change.add_space(name, replace(space, windows=0, version=None), texts)
            silent = read_silence(other.space_folder(space.identity), space.dim)
            if silent is not None:
                write_silence(store.space_folder(space.identity), silent)
            continue
        require_identity(
            (ours.encoder, ours.identity),
            (space.encoder, space.identity),
            f"space {name!r} of {show_path(store.folder)}",
            f"that of {show_path(other.location)} cannot be merged into it: embed its recordings here instead",
        )
        # Vectors of another program have an identity that says what they are of
        if not is_own(space.encoder) and (ours.hop_seconds, ours.channels) != (space.hop_seconds, space.channels):
            raise MmascError(
                f"space {names[name]!r} of {show_path(store.folder)} was cut with --hop {ours.hop_seconds:g} "
                f"--channels {ours.channels}, that of {show_path(other.location)} with --hop {space.hop_seconds:g} "
                f"--channels {space.channels}: they cannot be merged"
            )
    return names


def _new_windows(store: Store, other: Store, theirs: SpaceHead, ours: SpaceHead, ids: IdMap) -> Iterator[pa.Table]:
    """The windows of recordings that have none in our space, a piece at a time."""
    there = store.recordings_in(ours)
    schema = windows_schema(theirs.dim)
    for piece in other.batches(theirs, schema.names, _WINDOWS_AT_ONCE):
        batch = pa.Table.from_batches([piece])
        new, taken = ids.find(batch.column("recording").to_numpy())
        chosen = np.flatnonzero(taken & ~is_in(new, there))
        part = batch.take(pa.array(chosen))
        place = part.column_names.index("recording")
        part = part.set_column(place, "recording", pa.array(new[chosen], pa.int64()))
        yield part.select(schema.names).cast(schema)


def _annotations(store: Store, head: Head, other: Store, ids: IdMap) -> tuple[int, int]:
    """Take over annotations; how many were added, and how many differ."""
    pieces = [table.column("id").to_numpy() for table in store.recording_batches(head, ["id"])]
    here = IdMap(np.concatenate(pieces))

    def paths(wanted: Sequence[int]) -> list[str]:
        rows = here.find(np.array(wanted, np.int64))[0]
        return store.take_recordings(head, rows, ["path"]).column("path").to_pylist()

    return merge_annotations(store.folder, other.folder, ids, paths, here)
