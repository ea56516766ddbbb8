"""One run of `embed` over its files: what is there is skipped before decoding, the rest is written in small steps.

What a file did since it was embedded decides what is done (see `mmasc.collection.stamps`): untouched, it is skipped;
written again with the same content, only its stamp is renewed; moved, its recording gets the new path (see
`mmasc.collection.moves`); changed, its recording keeps its id and own columns, and all its windows are replaced.
"""

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from mmasc.collection.clock import ClockColumns
from mmasc.collection.coverage import add_advice, gone_under
from mmasc.collection.executors.job import Account
from mmasc.collection.head import SpaceHead
from mmasc.collection.known import changed_while_read, not_untouched, some, stored_path
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.looks import Looks
from mmasc.collection.moves import Moves, find_moves
from mmasc.collection.partial import Partials, Subject
from mmasc.collection.report import BadFile, EmbedReport
from mmasc.collection.row_writer import OwnColumns, RowWriter, Waiting
from mmasc.collection.rows import recordings_part
from mmasc.collection.space import SpaceReader
from mmasc.collection.stamps import Stamp
from mmasc.collection.store import Store
from mmasc.collection.text_probes import text_probes
from mmasc.encoders.base import Encoder
from mmasc.encoders.file_vectors import FileVectors
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted
from mmasc.remote.addresses import place_of
from mmasc.remote.paths import as_path

COMMIT_WINDOWS = 4_096
COMMIT_SECONDS = 10.0
# Of workers: they make far more in that time, and a commit takes longer the more there were
MANY_WINDOWS = 65_536
MANY_SECONDS = 30.0
_NOTED = 5  # remarks about files that are shown


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
        self.waiting: list[Waiting] = []
        self.waiting_windows = 0
        # Recordings whose files are the same with other times: what was known, and the stamp now
        self.touched: SimpleQueue[tuple[str, Known, Stamp]] = SimpleQueue()
        self.stats: dict[Path, os.stat_result] = {}
        self.moved: set[str] = set()
        self.looks = Looks()
        self.noted: list[str] = []  # remarks about files that were read whole
        self.commit_windows: int | None = None
        self.commit_seconds: float | None = None
        self.last_commit = time.perf_counter()
        wanted = SpaceHead(encoder.identity, encoder_name, encoder.spec.dim, encoder.spec.window_seconds, hop, channels)
        self.name = encoder.spec.name if space is None else space
        self.writer = RowWriter(store, self.name, own, clocks)
        head = self.writer.open_space(wanted)
        self.root = head.root
        self.partials = Partials(store.folder, head.spaces[self.name], self._subject)

    @property
    def known(self) -> KnownRecordings:
        """Recordings by stored path, as the store had them when it was last looked at."""
        return self.writer.known

    def often(self, windows: int | None, seconds: float | None) -> None:
        """Commit after so many windows or so much time; None: as often as is best for who embeds."""
        self.commit_windows, self.commit_seconds = windows, seconds

    def prepare(self, files: Sequence[Path]) -> list[Path]:
        """Before anything is decoded: give moved recordings their new paths, and set own columns of all that are
        there already.

        Returns:
            The files that are not certainly as they were embedded.
        """
        stored = {path: name for path in files if (name := stored_path(path, self.root)) is not None}
        given = dict(zip(stored.values(), stored, strict=True))
        while True:
            left = not_untouched(self.known, self.root, files)
            maybe = [stored[path] for path in left if path in stored]
            if self._moved(stored, find_moves(self.known, self.root, given, maybe, self.looks)):
                break
        self.partials.sweep({space.identity for space in self.writer.seen.spaces.values()}, self._is_wanted)
        return [path for path in left if stored.get(path) not in self.moved or not self.known[stored[path]].embedded]

    def _moved(self, stored: Mapping[Path, str], moves: Moves) -> bool:
        """Give recordings their new paths, and set own columns; whether nobody was faster."""
        with self.store.transaction() as change:
            self.writer.see(change)
            if not moves.hold(self.known):
                return False
            after = moves.after(self.known)
            rows = [{"id": one.id, "path": path, **one.stamp.columns} for path, one in after.items() if one is not None]
            change.update_recordings(recordings_part(rows))
            for path, one in after.items():
                if one is not None:
                    self.known[path] = one
                else:
                    del self.known[path]
            own = {
                self.known[name].id: self.own.of.get(path, {}) for path, name in stored.items() if name in self.known
            }
            self.writer.set_own(change, own)
        self.writer.seen, self.moved = change.head, set(moves.found)
        self.report.remarks += moves.remarks(any(own.values()))
        return True

    def still_to_do(self, files: Sequence[Path]) -> Iterator[Path]:
        """The files that are new to the collection or have changed; the others are counted as skipped or moved."""
        for path in files:
            try:
                stored, stat = stored_path(path, self.root), path.stat()
                if stored is None or path in self.own.faults:
                    raise MmascError(self.own.faults.get(path) or "the name is not valid UTF-8; rename it")
                if self._is_there(stored, path, stat):
                    self.report.moved += stored in self.moved
                    self.report.skipped += stored not in self.moved
                    continue
            except (OSError, MmascError) as error:
                self._fail(path, str(error))
                continue
            self.stats[path] = stat
            yield path

    def add(self, result: FileVectors, by: Account) -> None:
        """Keep a file's vectors for the next commit, and commit when enough are waiting.

        Args:
            result: What became of the file.
            by: What the executor that embedded it has done so far.
        """
        report = self.report
        report.executor, report.workers, report.lost_units, report.hosts = (
            by.executor, by.workers, by.lost_units, by.hosts
        )  # fmt: skip
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
            same = known is not None and self.writer.same(known, now, result)
            clock = self.clocks.of(result.path) if self.clocks is not None and not same else {}
            self.waiting.append(Waiting(result, stored, now, known, same, clock))
            self.waiting_windows += len(result.vectors)
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
        many = by.workers > 0
        windows, seconds = (MANY_WINDOWS, MANY_SECONDS) if many else (COMMIT_WINDOWS, COMMIT_SECONDS)
        windows = windows if self.commit_windows is None else self.commit_windows
        seconds = seconds if self.commit_seconds is None else self.commit_seconds
        if self.waiting_windows >= windows or time.perf_counter() - self.last_commit >= seconds:
            self.commit()

    def commit(self) -> None:
        """Make what is waiting count: windows and recordings together, or neither."""
        waiting, self.waiting, self.waiting_windows = self.waiting, [], 0
        touched = [self.touched.get() for _ in range(self.touched.qsize())]
        begun = time.perf_counter()
        if waiting or touched:
            with self.store.transaction() as change:
                self.writer.see(change)
                self.writer.write(change, waiting)
                self.writer.restamp(change, touched)
            self.writer.seen = change.head
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
        for name, count in self.writer.lost.items():
            advice = add_advice(self.store.folder, [self.root], name, head.spaces[name])
            self.report.remarks.append(
                f"{counted(count, 'recording')} changed since {'it was' if count == 1 else 'they were'} embedded in "
                f"space {name!r}, so the old vectors were "
                f"removed there; {advice}"
            )
        if self.clocks is not None:
            self.report.remarks += self.clocks.report.remarks
        self.partials.close()
        self.report.remarks += self.partials.remarks
        self.report.remarks += self.noted[:_NOTED]
        if len(self.noted) > _NOTED:
            self.report.remarks.append(
                f"remarks about {counted(len(self.noted) - _NOTED, 'more file')}: mmasc classify shows them"
            )
        self.report.remarks += self.store.remarks
        gone = [path for path in gone_under(self.known, self.root, folders) if not self.known[path].stamp.unseen]
        self.report.missing = len(gone)
        if gone:
            command = shlex.join(["mmasc", "collection", "remove", str(self.store.folder), "--missing"])
            self.report.remarks.append(
                f"{counted(len(gone), 'recording')} of {show_path(self.store.folder)} "
                f"{'is' if len(gone) == 1 else 'are'} no longer there ({some(gone)}); remove "
                f"them from it with: {command}"
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
        look = self.looks.at(path)
        if look is None or look.digest != known.stamp.digest or not look.untouched(now):
            return False
        self.touched.put((stored, known, look))
        return True

    def _fail(self, path: Path, reason: str) -> None:
        self.report.failed.append(BadFile(str(path), reason))
