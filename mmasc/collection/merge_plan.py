"""What a merge does with each recording of the other collection: decided a piece at a time, in few bytes for each."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mmasc.collection.head import Head
from mmasc.collection.id_map import IdMap
from mmasc.collection.metadata import metadata_table, own_columns
from mmasc.collection.path_digests import PathDigests
from mmasc.collection.returning import Returning
from mmasc.collection.rows import new_recording_id, recordings_part
from mmasc.collection.schema import RECORDING_COLUMNS
from mmasc.collection.stamps import CLOCK_NOTE, DIGEST, Stamp
from mmasc.collection.store import Store
from mmasc.remote.addresses import place_of, under

# What is known of a recording once its file was seen
_OF_A_FILE = [name for name in RECORDING_COLUMNS if name not in ("id", "path", CLOCK_NOTE)]


class MergePlan:
    """Recordings of another collection compared with ours.

    Args:
        store, head: Ours, as it is before anything is added.
        other, theirs: The other one.
        at_once: Recordings that are looked at together.
    Attributes:
        already_there: How many have our path.
        other_content: How many of these have another content here.
        values, conflicts: How many values of own columns are missing here, and how many differ; ours stay.
    """

    def __init__(self, store: Store, head: Head, other: Store, theirs: Head, at_once: int) -> None:
        self._store, self._head, self._other, self._theirs = store, head, other, theirs
        self._at_once = at_once
        self._schema = store.recordings_schema(head)
        self.already_there = self.other_content = self.values = self.conflicts = 0
        self._returning = Returning(store)
        self._known: list[np.ndarray] = []
        self._changes: dict[tuple[str, ...], list[pa.Table]] = {}

    def absent(self) -> Iterator[pa.Table]:
        """Recordings that are new here, as rows for our table; what is done with the others is known after the last."""
        here = PathDigests(table.column("path") for table in self._store.recording_batches(self._head, ["path"]))
        for table in self._other.recording_batches(self._theirs, at_once=self._at_once):
            yield self._looked_at(table, here)

    def ids(self) -> IdMap:
        """Ids there → here, of those recordings whose windows may be taken over."""
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._known])
        return IdMap(pairs[:, 0], pairs[:, 1])

    def updates(self) -> Iterator[pa.Table]:
        """Columns of recordings that are here, with what was missing."""
        for tables in self._changes.values():
            yield pa.concat_tables(tables)

    def _looked_at(self, table: pa.Table, here: PathDigests) -> pa.Table:
        """Decide on some recordings; returns those that are absent."""
        root = self._head.root
        paths = [under(root, place_of(self._theirs.root, path)) for path in table.column("path").to_pylist()]
        table = table.set_column(table.column_names.index("path"), "path", pa.array(paths, pa.string()))
        ours, absent = self._ours(paths, here), list[int]()
        own, digests, notes = dict[int, dict](), dict[int, dict](), dict[int, dict]()
        ids, now, seen = list[tuple[int, int]](), dict[int, dict](), list[dict]()
        for number, row in enumerate(table.to_pylist()):
            known = ours.get(row["path"])
            if known is None:
                again = self._returning.id_of(row["path"], Stamp.of_row(row), self._head)
                ids.append((row["id"], new_recording_id() if again is None else again))
                absent.append(number)
                continue
            self.already_there += 1
            if not _same_content(Stamp.of_row(known), Stamp.of_row(row)):
                self.other_content += 1
                continue
            ids.append((row["id"], known["id"]))
            now[known["id"]] = known
            more = self._missing(row, known)
            if more:
                own[known["id"]] = more
                if row[CLOCK_NOTE] is not None and known[CLOCK_NOTE] is None:
                    notes[known["id"]] = {CLOCK_NOTE: row[CLOCK_NOTE]}
            if Stamp.of_row(known).unseen and not Stamp.of_row(row).unseen:
                seen.append({"id": known["id"], **{name: row[name] for name in _OF_A_FILE}})
            elif known[DIGEST] is None and row[DIGEST] is not None:
                digests[known["id"]] = {DIGEST: row[DIGEST]}
        self._known.append(np.array(ids, np.int64).reshape(-1, 2))
        self._keep(own, now, _types(table.schema))
        if seen:
            self._changes.setdefault(tuple(_OF_A_FILE), []).append(recordings_part(seen))
        for columns, name in ((digests, DIGEST), (notes, CLOCK_NOTE)):
            if columns:
                values = pa.array([one[name] for one in columns.values()], pa.binary())
                self._changes.setdefault((name,), []).append(pa.table({"id": _as_ids(columns), name: values}))
        return self._as_ours(table, absent, dict(ids))

    def _ours(self, paths: Sequence[str], here: PathDigests) -> dict[str, dict]:
        """Our recordings with some of these paths."""
        places, rows = here.candidates(paths)
        taken = self._store.take_recordings(self._head, rows).to_pylist()
        return {
            row["path"]: row for place, row in zip(places.tolist(), taken, strict=True) if row["path"] == paths[place]
        }

    def _missing(self, row: dict, known: dict) -> dict:
        """Values of own columns that ours lacks."""
        own = {name: value for name, value in row.items() if name not in RECORDING_COLUMNS and value is not None}
        more = {name: value for name, value in own.items() if known.get(name) is None}
        self.values += len(more)
        self.conflicts += sum(known[name] != value for name, value in own.items() if name not in more)
        return more

    def _keep(self, own: dict[int, dict], now: dict[int, dict], types: dict[str, pa.DataType]) -> None:
        """Values that are missing here next to those that are there, as `update_recordings` needs them."""
        names = list(dict.fromkeys(name for values in own.values() for name in values))
        full = {one: {name: values.get(name, now[one].get(name)) for name in names} for one, values in own.items()}
        if full:
            table = metadata_table(full, self._schema, types)
            self._changes.setdefault(tuple(table.column_names), []).append(table)

    def _as_ours(self, table: pa.Table, absent: list[int], ids: dict[int, int]) -> pa.Table:
        rows = table.take(pa.array(absent, pa.int64()))
        added = rows.select(list(RECORDING_COLUMNS))
        numbers = [ids[one] for one in rows.column("id").to_pylist()]
        added = added.set_column(0, "id", pa.array(numbers, pa.int64()))
        own = [name for name in table.column_names if name not in RECORDING_COLUMNS]
        for name, array in own_columns(rows.select(own).to_pylist(), self._schema, _types(table.schema)).items():
            added = added.append_column(name, array)
        return added


def _same_content(ours: Stamp, theirs: Stamp) -> bool:
    """By the digests; where one is not known, by size and the time of writing; where a file was never seen, by path."""
    return ours.unseen or theirs.unseen or ours.alike(theirs)


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {item.name: item.type for item in schema if item.name not in RECORDING_COLUMNS}


def _as_ids(rows: dict[int, dict]) -> pa.Array:
    return pa.array(list(rows), pa.int64())
