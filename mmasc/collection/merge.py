"""Another collection's recordings, windows, own columns and annotations taken over: what both know stays as it is here.

All of it happens in one transaction: killed at any moment nothing was merged, and merged again nothing is added.
"""

from dataclasses import dataclass, field, replace

import pyarrow as pa

from mmasc.collection.annotation_merge import merge_annotations
from mmasc.collection.head import Head
from mmasc.collection.metadata import metadata_table, own_columns
from mmasc.collection.probes import read_probes
from mmasc.collection.rows import new_recording_id
from mmasc.collection.schema import RECORDING_COLUMNS, windows_schema
from mmasc.collection.silence import read_silence, write_silence
from mmasc.collection.stamps import CLOCK_NOTE, DIGEST, Stamp
from mmasc.collection.store import Store
from mmasc.collection.transaction import Transaction
from mmasc.encoders.identity import require_identity
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import place_of, under

_WINDOWS_AT_ONCE = 65_536


@dataclass
class _Plan:
    """What is done with each recording of the other collection.

    Attributes:
        ids: Id there → id here, of those whose windows may be taken over.
        absent: Rows that are new here.
        own: Id here → values of own columns that are missing here.
        digests: Id here → digest that is not known here.
        notes: Id here → note of the clock that was taken over.
        other_content: How many have another content here under the same path.
        conflicts: How many values of own columns differ; ours stay.
    """

    ids: dict[int, int] = field(default_factory=dict)
    absent: list[int] = field(default_factory=list)
    own: dict[int, dict] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    notes: dict[int, bytes] = field(default_factory=dict)
    other_content: int = 0
    conflicts: int = 0


def merge(store: Store, other: Store) -> dict[str, int]:
    """Take over another store's recordings and windows; see `Collection.merge`."""
    if store.folder.resolve() == other.folder.resolve():
        raise MmascError(f"{show_path(store.folder)} cannot be merged with itself")
    theirs = other.head()
    table = other.recordings(theirs)
    with store.transaction() as change:
        names = _space_names(store, other, theirs, change)
        table = _under_our_root(table, theirs.root, change.head.root)
        ours = store.recordings(change.head)
        plan = _plan(table, ours)
        added = _absent_recordings(table, ours.schema, plan)
        change.append_recordings(added)
        if plan.own:
            change.update_recordings(_filled(plan.own, store.recordings(change.head), table.schema))
        if plan.digests:
            ids, digests = pa.array(list(plan.digests), pa.int64()), pa.array(list(plan.digests.values()), pa.binary())
            change.update_recordings(pa.table({"id": ids, DIGEST: digests}))
        if plan.notes:
            ids, notes = pa.array(list(plan.notes), pa.int64()), pa.array(list(plan.notes.values()), pa.binary())
            change.update_recordings(pa.table({"id": ids, CLOCK_NOTE: notes}))
        windows = sum(
            _merge_windows(store, other, theirs, change, name, ours_name, plan.ids) for name, ours_name in names.items()
        )
        here = store.recordings(change.head, ["id", "path"])
        paths = dict(zip(here.column("id").to_pylist(), here.column("path").to_pylist(), strict=True))
        annotations, differing = merge_annotations(store.folder, other.folder, plan.ids, paths, paths.keys())
    return {
        "recordings": len(added),
        "windows": windows,
        "already_there": len(table) - len(added),
        "other_content": plan.other_content,
        "values": sum(map(len, plan.own.values())),
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
            f"that of {show_path(other.folder)} cannot be merged into it: embed its recordings here instead",
        )
        if (ours.hop_seconds, ours.channels) != (space.hop_seconds, space.channels):
            raise MmascError(
                f"space {names[name]!r} of {show_path(store.folder)} was cut with --hop {ours.hop_seconds:g} "
                f"--channels {ours.channels}, that of {show_path(other.folder)} with --hop {space.hop_seconds:g} "
                f"--channels {space.channels}: they cannot be merged"
            )
    return names


def _under_our_root(table: pa.Table, theirs: str, ours: str) -> pa.Table:
    """Recordings with paths relative to our root."""
    paths = [under(ours, place_of(theirs, path)) for path in table.column("path").to_pylist()]
    return table.set_column(table.column_names.index("path"), "path", pa.array(paths, pa.string()))


def _plan(table: pa.Table, ours: pa.Table) -> _Plan:
    plan = _Plan()
    here = {row["path"]: row for row in ours.to_pylist()}
    for number, row in enumerate(table.to_pylist()):
        known = here.get(row["path"])
        if known is None:
            plan.ids[row["id"]] = new_recording_id()
            plan.absent.append(number)
        elif not Stamp.of_row(known).alike(Stamp.of_row(row)):
            plan.other_content += 1
        else:
            plan.ids[row["id"]] = known["id"]
            own = {name: value for name, value in row.items() if name not in RECORDING_COLUMNS and value is not None}
            more = {name: value for name, value in own.items() if known.get(name) is None}
            plan.conflicts += sum(known[name] != value for name, value in own.items() if name not in more)
            if more:
                plan.own[known["id"]] = more
                if row[CLOCK_NOTE] is not None and known[CLOCK_NOTE] is None:
                    plan.notes[known["id"]] = row[CLOCK_NOTE]
            if known[DIGEST] is None and row[DIGEST] is not None:
                plan.digests[known["id"]] = row[DIGEST]
    return plan


def _absent_recordings(table: pa.Table, schema: pa.Schema, plan: _Plan) -> pa.Table:
    rows = table.take(pa.array(plan.absent, pa.int64()))
    added = rows.select(list(RECORDING_COLUMNS))
    ids = [plan.ids[one] for one in rows.column("id").to_pylist()]
    added = added.set_column(0, "id", pa.array(ids, pa.int64()))
    own = [name for name in table.column_names if name not in RECORDING_COLUMNS]
    for name, array in own_columns(rows.select(own).to_pylist(), schema, _types(table.schema)).items():
        added = added.append_column(name, array)
    return added


def _filled(own: dict[int, dict], stored: pa.Table, theirs: pa.Schema) -> pa.Table:
    """Values that are missing here next to those that are there, as `update_recordings` needs them."""
    now = {row["id"]: row for row in stored.to_pylist()}
    names = list(dict.fromkeys(name for values in own.values() for name in values))
    full = {one: {name: values.get(name, now[one].get(name)) for name in names} for one, values in own.items()}
    return metadata_table(full, stored.schema, _types(theirs))


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {item.name: item.type for item in schema if item.name not in RECORDING_COLUMNS}


def _merge_windows(
    store: Store, other: Store, theirs: Head, change: Transaction, name: str, ours_name: str, ids: dict[int, int]
) -> int:
    """Append the windows of recordings that have none in our space; return how many."""
    space = theirs.spaces[name]
    there = set(store.windows(change.head.spaces[ours_name], ["recording"]).column("recording").to_pylist())
    added = 0
    schema = windows_schema(space.dim)
    for piece in other.batches(space, schema.names, _WINDOWS_AT_ONCE):
        batch = pa.Table.from_batches([piece])
        new = [ids.get(one) for one in batch.column("recording").to_pylist()]
        chosen = [row for row, one in enumerate(new) if one is not None and one not in there]
        part = batch.take(pa.array(chosen, pa.int64()))
        place = part.column_names.index("recording")
        part = part.set_column(place, "recording", pa.array([new[row] for row in chosen], pa.int64()))
        change.append_windows(ours_name, part.select(schema.names).cast(schema))
        added += len(part)
    return added
