"""One run of `embed` over its files: what is there is skipped before decoding, the rest is written in small steps.

What a file did since it was embedded decides what is done (see `mmasc.collection.stamps`): untouched, it is skipped;
written again with the same content, only its stamp is renewed; moved, its recording gets the new path; changed, its
recording keeps its id and own columns, and all its windows are replaced.
"""

import os
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmasc.collection.clock import CLOCK_TYPES, ClockColumns, renewed, without_note
from mmasc.collection.coverage import embed_command, gone_under
from mmasc.collection.head import SpaceHead
from mmasc.collection.known import changed_while_read, moved_files, some, stored_path
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.metadata import metadata_table
from mmasc.collection.partial import Partials, Subject
from mmasc.collection.report import BadFile, EmbedReport
from mmasc.collection.rows import (
    facts,
    new_recording_id,
    recording_row,
    recordings_part,
    recordings_table,
    windows_table,
)
from mmasc.collection.schema import as_matrix
from mmasc.collection.space import SpaceReader
from mmasc.collection.stamps import Stamp
from mmasc.collection.store import Store
from mmasc.collection.text_probes import text_probes
from mmasc.collection.transaction import Transaction
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import FileVectors
from mmasc.encoders.identity import require_identity
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import place_of
from mmasc.remote.paths import as_path
from mmasc.storage.contents import digest_of

COMMIT_WINDOWS = 4_096
COMMIT_SECONDS = 10.0
_NOTED = 5  # remarks about files that are shown


@dataclass(frozen=True)
class OwnColumns:
    """Own columns by file, and their types where nobody has stored them yet; faults by file."""

    of: dict[Path, dict[str, Any]]
    types: dict[str, pa.DataType]
    faults: dict[Path, str]


@dataclass(frozen=True)
class _Waiting:
    """A file that went through the network, what was known of it then, and whether its content is the same."""

    file: FileVectors
    stored: str
    now: Stamp
    known: Known | None
    same: bool
    clock: dict[str, Any]  # columns of its clock


class Intake:
    """One run of `embed`: what is waiting for the next commit, and the report."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        encoder_name: str,
        space: str | None,
        hop: float,
        channels: str,
        own: OwnColumns,
        clocks: ClockColumns | None = None,
    ) -> None:
        self.store, self.encoder, self.own, self.clocks = store, encoder, own, clocks
        self.report = EmbedReport()
        self.waiting: list[_Waiting] = []
        # Recordings whose files are the same with other times: what was known, and the stamp now
        self.touched: SimpleQueue[tuple[str, Known, Stamp]] = SimpleQueue()
        self.stats: dict[Path, os.stat_result] = {}
        self.moved: set[str] = set()
        self.lost: dict[str, int] = {}
        self.noted: list[str] = []  # remarks about files that were read whole
        self.commit_windows, self.commit_seconds = COMMIT_WINDOWS, COMMIT_SECONDS
        self.last_commit = time.perf_counter()
        wanted = SpaceHead(encoder.identity, encoder_name, encoder.spec.dim, encoder.spec.window_seconds, hop, channels)
        self.name = space or encoder.spec.name
        with store.transaction() as change:
            self._open_space(change, wanted)
            head = change.head
        self.root = head.root
        self.seen, self.known = head, KnownRecordings(store, head, self.name)
        self.partials = Partials(store.folder, head.spaces[self.name], self._subject)

    def prepare(self, files: Sequence[Path]) -> None:
        """Before anything is decoded: give moved recordings their new paths, and set own columns of all that are
        there already."""
        stored = {path: name for path in files if (name := stored_path(path, self.root)) is not None}
        moves = moved_files(self.known, self.root, dict(zip(stored.values(), stored, strict=True)))
        with self.store.transaction() as change:
            self._see(change)
            moves = {to: move for to, move in moves.items() if to not in self.known and move[0] in self.known}
            rows = [{"id": self.known[old].id, "path": to, **now.columns} for to, (old, now) in moves.items()]
            change.update_recordings(recordings_part(rows))
            for to, (old, now) in moves.items():
                known = self.known.pop(old)
                self.known[to] = known._replace(stamp=now)
            own = {
                self.known[name].id: self.own.of.get(path, {}) for path, name in stored.items() if name in self.known
            }
            self._set_own(change, own)
        self.seen, self.moved = change.head, set(moves)
        self.partials.sweep({space.identity for space in change.head.spaces.values()}, self._is_wanted)

    def still_to_do(self, files: Sequence[Path]) -> Iterator[Path]:
        """The files that are new to the collection or have changed; the others are counted as skipped or moved."""
        for path in files:
            try:
                stored, stat = stored_path(path, self.root), path.stat()
                if stored is None or path in self.own.faults:
                    raise MmascError(self.own.faults.get(path) or f"{path!r}: the name is not valid UTF-8; rename it")
                if self._is_there(stored, path, stat):
                    self.report.moved += stored in self.moved
                    self.report.skipped += stored not in self.moved
                    continue
            except (OSError, MmascError) as error:
                self._fail(path, str(error))
                continue
            self.stats[path] = stat
            yield path

    def add(self, result: FileVectors) -> None:
        """Keep a file's vectors for the next commit, and commit when enough are waiting."""
        before = self.stats.pop(result.path)
        stored = stored_path(result.path, self.root)
        assert stored is not None
        if result.status.state == "failed":
            self._fail(result.path, result.status.reason)
        elif reason := changed_while_read(result.path, before):
            self.partials.forget(stored)
            self._fail(result.path, reason)
        else:
            now, known = Stamp.of(before, result.digest), self.known.get(stored)
            same = known is not None and self._same(known, now, result)
            clock = self.clocks.of(result.path) if self.clocks is not None and not same else {}
            self.waiting.append(_Waiting(result, stored, now, known, same, clock))
            there = known is not None and known.embedded
            self.report.skipped += there and same
            self.report.changed += there and not same
            self.report.added += not there
            self.report.windows += 0 if there and same else len(result.vectors)
            self.report.audio_seconds += result.duration
            if result.status.state == "truncated":
                self.report.truncated.append(BadFile(str(result.path), result.status.reason))
            elif result.status.reason:
                self.noted.append(result.status.reason)
        windows = sum(len(one.file.vectors) for one in self.waiting)
        if windows >= self.commit_windows or time.perf_counter() - self.last_commit >= self.commit_seconds:
            self.commit()

    def commit(self) -> None:
        """Make what is waiting count: windows and recordings together, or neither."""
        waiting, self.waiting = self.waiting, []
        touched = [self.touched.get() for _ in range(self.touched.qsize())]
        begun = time.perf_counter()
        if waiting or touched:
            with self.store.transaction() as change:
                self._see(change)
                self._write(change, waiting)
                self._restamp(change, touched)
            self.seen = change.head
        for one in waiting:
            self.partials.forget(one.stored)
        self.last_commit = time.perf_counter()
        self.report.store_seconds += self.last_commit - begun

    def finish(self, folders: Sequence[str]) -> None:
        """Bring the index up to the store, and say what was left over.

        Args:
            folders: Folders that were given: recordings under them that are gone are counted.
        """
        begun = time.perf_counter()
        head = self.store.head()
        if head.spaces[self.name].windows:
            reader = SpaceReader(self.store, head, self.name)
            if reader.needs_probes and (probes := text_probes(self.encoder)) is not None:
                self.store.write_probes(reader.space.identity, probes)
            if reader.needs_silence:
                silent = np.zeros((1, self.encoder.window_samples), np.float32)
                self.store.write_silence(reader.space.identity, self.encoder.embed(silent)[0])
            reader.refresh_index()
        self.report.store_seconds += time.perf_counter() - begun
        for name, count in self.lost.items():
            command = embed_command(self.store.folder, [self.root], name, head.spaces[name])
            self.report.remarks.append(
                f"{count} recordings changed since they were embedded in space {name!r}, so their old vectors were "
                f"removed there; embed them again with: {command}"
            )
        if self.clocks is not None:
            self.report.remarks += self.clocks.report.remarks
        self.partials.close()
        self.report.remarks += self.partials.remarks
        self.report.remarks += self.noted[:_NOTED]
        if len(self.noted) > _NOTED:
            self.report.remarks.append(
                f"remarks about {len(self.noted) - _NOTED} more files: mmasc classify shows them"
            )
        self.report.remarks += self.store.remarks
        gone = gone_under(self.known, self.root, folders)
        self.report.missing = len(gone)
        if gone:
            command = shlex.join(["mmasc", "collection", "remove", str(self.store.folder), "--missing"])
            self.report.remarks.append(
                f"{len(gone)} recordings of {show_path(self.store.folder)} are no longer there ({some(gone)}); remove "
                f"them from it with: {command}"
            )

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
        require_identity(
            (space.encoder, space.identity),
            (wanted.encoder, wanted.identity),
            f"space {self.name!r} of {self.store.folder}",
            f"its windows have {space.window_seconds:g} s, those of the encoder here {wanted.window_seconds:g} s: "
            "give another --space, or another collection",
        )
        if (space.hop_seconds, space.channels) != (wanted.hop_seconds, wanted.channels):
            raise MmascError(
                f"space {self.name!r} of {self.store.folder} was cut with --hop {space.hop_seconds:g} --channels "
                f"{space.channels}, now --hop {wanted.hop_seconds:g} --channels {wanted.channels}: use the same, or "
                f"another collection"
            )

    def _subject(self, path: Path) -> Subject:
        """A file that is being embedded, for those who keep its parts."""
        stored = stored_path(path, self.root)
        assert stored is not None
        return Subject(stored, Stamp.of(self.stats[path]))

    def _is_wanted(self, subject: Subject) -> bool:
        """Whether parts of a recording will be asked for: its file is as it was, and the space does not hold it."""
        try:
            now = Stamp.of(as_path(place_of(self.root, subject.stored)).stat())
        except OSError:
            return False
        known = self.known.get(subject.stored)
        there = known is not None and known.embedded and known.stamp.untouched(now)
        return not there and subject.stamp.untouched(now)

    def _is_there(self, stored: str, path: Path, stat: os.stat_result) -> bool:
        """Whether nothing has to be embedded; the digest is looked at only where the times differ."""
        known, now = self.known.get(stored), Stamp.of(stat)
        if known is None or not known.embedded:
            return False
        if known.stamp.untouched(now):
            if known.stamp.ctime_ns is None:
                self.touched.put((stored, known, replace(known.stamp, ctime_ns=now.ctime_ns)))
            return True
        if now.size != known.stamp.size or known.stamp.digest is None:
            return False
        now = replace(now, digest=digest_of(path))
        if now.digest != known.stamp.digest or changed_while_read(path, stat):
            return False
        self.touched.put((stored, known, now))
        return True

    def _same(self, known: Known, now: Stamp, file: FileVectors) -> bool:
        """Whether a file holds what was embedded. Where no digest was kept, equal vectors say it."""
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
        alike = all(np.array_equal(one, other) for one, other in zip(kept, found, strict=True))
        return alike and as_matrix(table.column("vector"), space.dim).tobytes() == file.vectors.tobytes()

    def _see(self, change: Transaction) -> None:
        """Know what other processes have done meanwhile."""
        self.known.see(change.head)
        self.seen = change.head

    def _write(self, change: Transaction, waiting: list[_Waiting]) -> None:
        """The rows of some files; what another process has added meanwhile is not added again."""
        new: list[tuple[int, _Waiting]] = []
        renewed: list[dict] = []
        changed: list[dict] = []
        embedded: list[tuple[int, FileVectors]] = []
        late: dict[int, dict] = {}
        clocks: dict[int, dict] = {}
        for one in waiting:
            known = self.known.get(one.stored)
            same = one.same if known == one.known else known is not None and self._same(known, one.now, one.file)
            if known is None:
                number = new_recording_id()
                new.append((number, one))
            else:
                number = known.id
                if one.known is None:
                    late[number] = self.own.of.get(one.file.path, {})
                if not same:
                    changed.append({"id": number, **one.now.columns, **facts(one.file)})
                    clocks[number] = one.clock
                elif known.stamp != one.now:
                    renewed.append({"id": number, **one.now.columns})
            if known is None or not known.embedded or not same:
                embedded.append((number, one.file))
            self.known[one.stored] = Known(number, one.now, True)
        self._drop_windows(change, [row["id"] for row in changed])
        change.update_recordings(recordings_part(changed))
        change.update_recordings(recordings_part(renewed))
        if new:
            schema = self.store.recordings_schema(change.head)
            rows = [recording_row(number, one.stored, one.now, one.file, one.clock) for number, one in new]
            own = [{**without_note(one.clock), **self.own.of.get(one.file.path, {})} for _, one in new]
            change.append_recordings(recordings_table(rows, own, schema, {**CLOCK_TYPES, **self.own.types}))
        self._renew_clocks(change, clocks)
        self._set_own(change, late)
        if embedded:
            ids, files = zip(*embedded, strict=True)
            change.append_windows(self.name, windows_table(list(ids), list(files), self.encoder.spec.dim))

    def _drop_windows(self, change: Transaction, ids: list[int]) -> None:
        """Remove the windows of content that is gone, in every space."""
        if not ids:
            return
        for name, space in list(change.head.spaces.items()):
            there = self.store.windows(space, ["recording"]).column("recording").unique()
            lost = pc.sum(pc.is_in(there, pa.array(ids, pa.int64()))).as_py() or 0
            change.remove_windows(name, ids)
            if name != self.name and lost:
                self.lost[name] = self.lost.get(name, 0) + lost

    def _renew_clocks(self, change: Transaction, clocks: dict[int, dict]) -> None:
        """Of recordings whose content changed: what was known of the old one goes."""
        if self.clocks is None or not clocks:
            return
        rows = {row["id"]: row for row in self.store.recordings(change.head).to_pylist() if row["id"] in clocks}
        self._set_own(change, {one: renewed(clocks[one], row, forget=True) for one, row in rows.items()})

    def _restamp(self, change: Transaction, touched: list[tuple[str, Known, Stamp]]) -> None:
        rows = []
        for stored, known, now in touched:
            if self.known.get(stored) == known:
                rows.append({"id": known.id, **now.columns})
                self.known[stored] = known._replace(stamp=now)
        change.update_recordings(recordings_part(rows))

    def _set_own(self, change: Transaction, own: dict[int, dict]) -> None:
        """Set own columns of recordings that are there, where they differ from what is stored."""
        if not any(own.values()):
            return
        stored = self.store.recordings(change.head)
        now = {row["id"]: row for row in stored.to_pylist()}
        new = {
            one: values
            for one, values in own.items()
            if one in now and any(now[one].get(name) != value for name, value in values.items())
        }
        names = list(dict.fromkeys(name for values in new.values() for name in values))
        full = {one: {name: values.get(name, now[one].get(name)) for name in names} for one, values in new.items()}
        if full:
            change.update_recordings(metadata_table(full, stored.schema, {**CLOCK_TYPES, **self.own.types}))

    def _fail(self, path: Path, reason: str) -> None:
        self.report.failed.append(BadFile(str(path), reason))
