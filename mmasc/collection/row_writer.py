"""Rows of files that went through the network, written in one transaction: recordings, windows, stamps, own columns.

What another process has done meanwhile is known before anything is written, so that nothing is there twice.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmasc.collection.clock import CLOCK_TYPES, ClockColumns, renewed, without_note
from mmasc.collection.head import Head, SpaceHead
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.metadata import metadata_table
from mmasc.collection.returning import Returning
from mmasc.collection.rows import (
    facts,
    new_recording_id,
    recording_row,
    recordings_part,
    recordings_table,
    windows_table,
)
from mmasc.collection.schema import as_matrix
from mmasc.collection.stamps import Stamp
from mmasc.collection.store import Store
from mmasc.collection.transaction import Transaction
from mmasc.encoders.file_vectors import FileVectors
from mmasc.encoders.identity import require_identity
from mmasc.errors import MmascError

# Vectors of one sound may lie so far apart, over their length: other processors and versions round otherwise (2e-6
# between version 0.1.0 and this one, on other machines)
_SAME_SHARE = 1e-4


@dataclass(frozen=True)
class OwnColumns:
    """Own columns by file, and their types where nobody has stored them yet; faults by file."""

    of: dict[Path, dict[str, Any]]
    types: dict[str, pa.DataType]
    faults: dict[Path, str]


@dataclass(frozen=True)
class Waiting:
    """A file that went through the network, what was known of it then, and whether its content is the same."""

    file: FileVectors
    stored: str
    now: Stamp
    known: Known | None
    same: bool
    clock: dict[str, Any]  # columns of its clock


class RowWriter:
    """What an `embed` knows of the store, and how it writes into it.

    Args:
        store: The store.
        name: Name of the space.
        own: Own columns of the files.
        clocks: Reads the clocks of the files; None where that is not wanted.

    Attributes:
        seen, known: The store when it was last looked at: its head, and its recordings by stored path.
        lost: Windows of changed recordings that were removed, by the name of another space.
    """

    seen: Head
    known: KnownRecordings

    def __init__(self, store: Store, name: str, own: OwnColumns, clocks: ClockColumns | None) -> None:
        self.store, self.name, self.own, self.clocks = store, name, own, clocks
        self.lost: dict[str, int] = {}
        self.returning = Returning(store)

    def open_space(self, wanted: SpaceHead) -> Head:
        """Make the space, or check that the one of its name is the same; know what is in it.

        Raises:
            MmascError: If it holds vectors of another encoder, or was cut otherwise.
        """
        with self.store.transaction() as change:
            self._open_space(change, wanted)
            head = change.head
        self.seen, self.known = head, KnownRecordings(self.store, head, self.name)
        return head

    def _open_space(self, change: Transaction, wanted: SpaceHead) -> None:
        space = change.head.spaces.get(self.name)
        if space is None:
            twin = next((name for name, one in change.head.spaces.items() if one.identity == wanted.identity), None)
            if twin is not None:
                raise MmascError(
                    f"{self.store.folder} holds these vectors in space {twin!r} already; use --space {twin}"
                )
            change.add_space(self.name, wanted)
            return
        lengths = (
            f"its windows have {space.window_seconds:g} s, those of the encoder here {wanted.window_seconds:g} s: "
        )
        require_identity(
            (space.encoder, space.identity),
            (wanted.encoder, wanted.identity),
            f"space {self.name!r} of {self.store.folder}",
            f"{lengths}give another --space, or another collection",
        )
        if (space.hop_seconds, space.channels) != (wanted.hop_seconds, wanted.channels):
            raise MmascError(
                f"space {self.name!r} of {self.store.folder} was cut with --hop {space.hop_seconds:g} --channels "
                f"{space.channels}, now --hop {wanted.hop_seconds:g} --channels {wanted.channels}: use the same, or "
                f"another collection"
            )

    def same(self, known: Known, now: Stamp, file: FileVectors) -> bool:
        """Whether a file holds what was embedded. Where no digest was kept, equal vectors say it; of a recording that
        came with vectors and without a file, its path."""
        if known.stamp.unseen:
            return True
        same = known.stamp.same_content(now)
        if same is not None:
            return same
        if known.stamp.untouched(now):
            return True
        return known.embedded and self._same_vectors(known.id, file)

    def _same_vectors(self, one: int, file: FileVectors) -> bool:
        space = self.seen.spaces[self.name]
        dataset = self.store.dataset(space)
        assert dataset is not None  # it has windows of this recording
        table = dataset.to_table(filter=f"recording = {one}").sort_by([("lane", "ascending"), ("start", "ascending")])
        kept = [table.column(name).to_numpy() for name in ("lane", "start", "end")]
        found = [file.lanes.astype(np.int16), file.starts, file.ends]
        if not all(np.array_equal(one, other) for one, other in zip(kept, found, strict=True)):
            return False
        vectors = as_matrix(table.column("vector"), space.dim).astype(np.float64)
        apart = np.linalg.norm(vectors - file.vectors, axis=1)
        return bool((apart <= _SAME_SHARE * np.linalg.norm(vectors, axis=1)).all())

    def see(self, change: Transaction) -> None:
        """Know what other processes have done meanwhile."""
        self.known.see(change.head)
        self.seen = change.head

    def write(self, change: Transaction, waiting: list[Waiting]) -> None:
        """The rows of some files; what another process has added meanwhile is not added again."""
        new: list[tuple[int, Waiting]] = []
        renewed: list[dict] = []
        filled: list[dict] = []
        changed: list[dict] = []
        embedded: list[tuple[int, FileVectors]] = []
        late: dict[int, dict] = {}
        clocks: dict[int, dict] = {}
        for one in waiting:
            known = self.known.get(one.stored)
            same = one.same if known == one.known else known is not None and self.same(known, one.now, one.file)
            if known is None:
                # Removed and embedded again it is the same recording, and has its labels again
                number = self.returning.id_of(one.stored, one.now, change.head) or new_recording_id()
                new.append((number, one))
            else:
                number = known.id
                if one.known is None:
                    late[number] = self.own.of.get(one.file.path, {})
                if not same:
                    changed.append({"id": number, **one.now.columns, **facts(one.file)})
                    clocks[number] = one.clock
                elif known.stamp.digest is None:
                    filled.append({"id": number, **one.now.columns, **facts(one.file)})  # vectors came before sound
                elif known.stamp != one.now:
                    renewed.append({"id": number, **one.now.columns})
            if known is None or not known.embedded or not same:
                embedded.append((number, one.file))
            self.known[one.stored] = Known(number, one.now, True)
        self._drop_windows(change, [row["id"] for row in changed])
        change.update_recordings(recordings_part(changed))
        change.update_recordings(recordings_part(renewed))
        change.update_recordings(recordings_part(filled))
        if new:
            schema = self.store.recordings_schema(change.head)
            rows = [recording_row(number, one.stored, one.now, one.file, one.clock) for number, one in new]
            own = [{**without_note(one.clock), **self.own.of.get(one.file.path, {})} for _, one in new]
            change.append_recordings(recordings_table(rows, own, schema, {**CLOCK_TYPES, **self.own.types}))
        self._renew_clocks(change, clocks)
        self.set_own(change, late)
        if embedded:
            ids, files = zip(*embedded, strict=True)
            change.append_windows(self.name, windows_table(list(ids), list(files), change.head.spaces[self.name].dim))

    def _drop_windows(self, change: Transaction, ids: list[int]) -> None:
        """Remove the windows of content that is gone, in every space."""
        if not ids:
            return
        for name, space in list(change.head.spaces.items()):
            lost = len(np.intersect1d(self.store.recordings_in(space), ids))
            change.remove_windows(name, ids)
            if name != self.name and lost:
                self.lost[name] = self.lost.get(name, 0) + lost

    def _renew_clocks(self, change: Transaction, clocks: dict[int, dict]) -> None:
        """Replace the clocks of recordings whose content changed."""
        if self.clocks is None or not clocks:
            return
        rows = self.store.recordings_by_id(change.head, list(clocks))
        self.set_own(change, {one: renewed(clocks[one], row, forget=True) for one, row in rows.items()})

    def restamp(self, change: Transaction, touched: list[tuple[str, Known, Stamp]]) -> None:
        rows = []
        for stored, known, now in touched:
            if self.known.get(stored) == known:
                rows.append({"id": known.id, **now.columns})
                self.known[stored] = known._replace(stamp=now)
        change.update_recordings(recordings_part(rows))

    def set_own(self, change: Transaction, own: dict[int, dict]) -> None:
        """Set own columns of recordings that are there, where they differ from what is stored."""
        if not any(own.values()):
            return
        schema, now = self.store.recordings_schema(change.head), self.store.recordings_by_id(change.head, list(own))
        new = {
            one: values
            for one, values in own.items()
            if one in now and any(now[one].get(name) != value for name, value in values.items())
        }
        names = list(dict.fromkeys(name for values in new.values() for name in values))
        full = {one: {name: values.get(name, now[one].get(name)) for name in names} for one, values in new.items()}
        if full:
            change.update_recordings(metadata_table(full, schema, {**CLOCK_TYPES, **self.own.types}))
