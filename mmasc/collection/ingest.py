"""Files into a collection: skip what is there before decoding, embed the rest, commit in small steps.

Killed at any moment, nothing that was committed is lost and nothing is there twice; started again, it goes on.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmasc.audio import find_audio
from mmasc.collection.exchange import new_recording_id, recordings_table, windows_table
from mmasc.collection.metadata import Metadata, folder_columns, metadata_table
from mmasc.collection.space import SpaceReader
from mmasc.collection.store import Head, SpaceHead, Store, Transaction
from mmasc.encoders import load_encoder
from mmasc.encoders.base import Encoder
from mmasc.encoders.files import FileVectors, embed_files
from mmasc.errors import MmascError
from mmasc.prompts import bundled_prompts, load_prompts

COMMIT_WINDOWS = 4_096
COMMIT_SECONDS = 10.0
_TEXT_PROBES = 50  # texts that an index is measured with, about; spread over the bundled prompts


@dataclass(frozen=True)
class BadFile:
    """A file that gave no vectors, or fewer than it promised, and why."""

    path: str
    reason: str


@dataclass
class EmbedReport:
    """What an `embed` did.

    Attributes:
        found: Files found.
        added, changed, skipped: Recordings new in the space; embedded anew because the file changed; there already.
        windows: Added to the space.
        audio_seconds: Decoded.
        failed, truncated: Files that could not be read, and those that end before their header says.
        seconds: Of wall time.
        store_seconds: Of it, in commits and the index.
    """

    found: int = 0
    added: int = 0
    changed: int = 0
    skipped: int = 0
    windows: int = 0
    audio_seconds: float = 0.0
    failed: list[BadFile] = field(default_factory=list)
    truncated: list[BadFile] = field(default_factory=list)
    seconds: float = 0.0
    store_seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Files that need no more work."""
        return self.added + self.changed + self.skipped + len(self.failed)


def embed(
    paths: str | Path | Sequence[str | Path],
    into: str | Path,
    encoder: str | Encoder = "mini",
    *,
    space: str | None = None,
    hop_seconds: float | None = None,
    window_seconds: float | None = None,
    channels: str = "mix",
    metadata: str | Path | None = None,
    folders: Sequence[str] = (),
    root: str | Path | None = None,
    device: str = "cpu",
    backend: str = "eager",
    threads: int = 1,
    strict: bool = False,
    commit_windows: int = COMMIT_WINDOWS,
    commit_seconds: float = COMMIT_SECONDS,
    progress: Callable[[EmbedReport], None] | None = None,
) -> EmbedReport:
    """Embed recordings into a collection, which is made if it is not there; go on where an earlier call stopped.

    Args:
        paths: Files, folders (recursively), patterns.
        into: The collection's folder.
        encoder: Name for `load_encoder`, or a loaded encoder.
        space: Name of the space; default: the encoder's.
        hop_seconds: From one window's start to the next; default: the window, no overlap.
        window_seconds: Another window than the encoder's own.
        channels: "mix", "left", "right", "each" or "mid-side".
        metadata: CSV with own columns by file; also set for recordings that are there already.
        folders: Names of columns for the folders between the root and a file.
        root: Folder that stored paths are relative to; default: the folder given, or the common one of all files.
        device: Where the encoder runs.
        backend: What runs it: "eager" or "onnx", see `load_encoder`.
        threads: That decode ahead of the network.
        strict: Raise at the first file that cannot be read, keeping what is done.
        commit_windows, commit_seconds: What is waiting counts for good after so many windows or so much time.
        progress: Called after every file with the report as it stands.
    Raises:
        MmascError: If no file is found, the collection holds vectors of another encoder under this name, or
            (strict) a file cannot be read.
    """
    begun = time.perf_counter()
    files = [Path(os.path.abspath(path)) for path in find_audio(paths)]
    table = Metadata(metadata) if metadata is not None else None
    if isinstance(encoder, str):
        encoder_name, encoder = encoder, load_encoder(encoder, device, window_seconds, backend)
    else:
        encoder_name = encoder.spec.name
    hop = encoder.spec.window_seconds if hop_seconds is None else float(hop_seconds)
    store = Store.create(into, root if root is not None else _common_root(paths, files))
    ingest = _Ingest(store, encoder, encoder_name, space, hop, channels, table, tuple(folders))
    ingest.commit_windows, ingest.commit_seconds = commit_windows, commit_seconds
    report = ingest.report
    report.found = len(files)
    try:
        results = embed_files(ingest.still_to_do(files), encoder, hop, channels, threads)
        for result in results:
            ingest.add(result)
            if progress is not None:
                progress(report)
            if strict and result.status.state == "failed":
                raise MmascError(f"{result.status.reason} (--strict: stopped here, what was done is kept)")
    finally:
        # Also after Ctrl-C: what went through the network is kept
        ingest.commit()
        report.seconds = time.perf_counter() - begun
    ingest.finish()
    report.seconds = time.perf_counter() - begun
    return report


class _Known(NamedTuple):
    """A recording that the store has: its id, size and mtime, and whether the space has its windows."""

    id: int
    stamp: tuple[int, int]
    embedded: bool


class _Ingest:
    """One run of `embed`: what is waiting for the next commit, and the report."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        encoder_name: str,
        space: str | None,
        hop: float,
        channels: str,
        metadata: Metadata | None,
        folders: tuple[str, ...],
    ) -> None:
        self.store, self.encoder, self.metadata, self.folders = store, encoder, metadata, folders
        self.report = EmbedReport()
        self.waiting: list[tuple[FileVectors, os.stat_result]] = []
        self.stats: dict[Path, os.stat_result] = {}
        self.commit_windows, self.commit_seconds = COMMIT_WINDOWS, COMMIT_SECONDS
        self.last_commit = time.perf_counter()
        wanted = SpaceHead(encoder.identity, encoder_name, encoder.spec.dim, encoder.spec.window_seconds, hop, channels)
        self.name = space or encoder.spec.name
        with store.transaction() as change:
            self._open_space(change, wanted)
            head = change.head
        self.root = head.root
        self.updates: dict[int, dict] = {}
        self._read_known(head)

    def still_to_do(self, files: Sequence[Path]) -> Iterator[Path]:
        """The files that are not there yet, or have changed since; the others are counted as skipped."""
        for path in files:
            try:
                stored, stat = self._stored_path(path), path.stat()
                own = self._own_columns(path)
            except (OSError, MmascError) as error:
                self._fail(path, str(error))
                continue
            known = self.known.get(stored)
            if known is not None and known.embedded and known.stamp == _stamp(stat):
                self.report.skipped += 1
                if own:
                    self.updates[known.id] = own
                continue
            self.stats[path] = stat
            yield path

    def add(self, result: FileVectors) -> None:
        """Keep a file's vectors for the next commit, and commit when enough are waiting."""
        stat = self.stats.pop(result.path)
        if result.status.state == "failed":
            self._fail(result.path, result.status.reason)
        else:
            self.waiting.append((result, stat))
            self.report.windows += len(result.vectors)
            self.report.audio_seconds += result.duration
            if result.status.state == "truncated":
                self.report.truncated.append(BadFile(str(result.path), result.status.reason))
            known = self.known.get(self._stored_path(result.path))
            changed = known is not None and known.embedded and known.stamp != _stamp(stat)
            self.report.changed += changed
            self.report.added += not changed
        windows = sum(len(file.vectors) for file, _ in self.waiting)
        if windows >= self.commit_windows or time.perf_counter() - self.last_commit >= self.commit_seconds:
            self.commit()

    def commit(self) -> None:
        """Make what is waiting count: windows and recordings together, or neither."""
        waiting, self.waiting = self.waiting, []
        begun = time.perf_counter()
        if waiting:
            with self.store.transaction() as change:
                self._write(change, waiting)
            self.seen = change.head
        self.last_commit = time.perf_counter()
        self.report.store_seconds += self.last_commit - begun

    def finish(self) -> None:
        """Set metadata of recordings that were there, bring the index up to the store, and say what was left over."""
        begun = time.perf_counter()
        if self.updates:
            self._update()
        head = self.store.head()
        if head.spaces[self.name].windows:
            reader = SpaceReader(self.store, head, self.name)
            if reader.needs_probes and (probes := _text_probes(self.encoder)) is not None:
                self.store.write_probes(reader.space.identity, probes)
            reader.refresh_index()
        self.report.store_seconds += time.perf_counter() - begun
        if self.metadata is not None:
            unused = len(self.metadata) - len(self.metadata.used)
            if unused:
                self.report.remarks.append(
                    f"{unused} of {len(self.metadata)} rows of {self.metadata.path} name no file here"
                )
            renamed = [f"{old} → {new}" for old, new in self.metadata.columns.items() if old != new]
            if renamed:
                self.report.remarks.append(
                    f"columns with names that mmasc uses itself were renamed: {', '.join(renamed)}"
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
        elif space.identity != wanted.identity:
            raise MmascError(
                f"space {self.name!r} of {self.store.folder} was made by encoder {space.encoder} with identity "
                f"{space.identity} (window {space.window_seconds:g} s); this is {wanted.encoder} with identity "
                f"{wanted.identity} (window {wanted.window_seconds:g} s): give another --space, or another collection"
            )
        elif (space.hop_seconds, space.channels) != (wanted.hop_seconds, wanted.channels):
            raise MmascError(
                f"space {self.name!r} of {self.store.folder} was cut with --hop {space.hop_seconds:g} --channels "
                f"{space.channels}, now --hop {wanted.hop_seconds:g} --channels {wanted.channels}: use the same, or "
                f"another collection"
            )

    def _write(self, change: Transaction, waiting: list[tuple[FileVectors, os.stat_result]]) -> None:
        """The rows of some files; what another process has added meanwhile is not added again."""
        if change.head != self.seen:
            self._read_known(change.head)
        gone, rows, own, ids, files = [], [], [], [], []
        for file, stat in waiting:
            path = self._stored_path(file.path)
            known = self.known.get(path)
            if known is not None and known.stamp == _stamp(stat):
                if known.embedded:
                    continue
                one = known.id
            else:
                if known is not None:
                    gone.append(known.id)
                one = new_recording_id()
                rows.append(_recording_row(one, path, stat, file))
                own.append(self._own_columns(file.path))
            ids.append(one)
            files.append(file)
            self.known[path] = _Known(one, _stamp(stat), True)
        change.remove_recordings(gone)
        if rows:
            schema = None if change.head.recordings is None else self.store.recordings_schema(change.head)
            change.append_recordings(recordings_table(rows, own, schema))
        if files:
            change.append_windows(self.name, windows_table(ids, files, self.encoder.spec.dim))

    def _read_known(self, head: Head) -> None:
        """What is in the store: by path the id, the stamp, and whether this space has its windows."""
        recordings = self.store.recordings(head, ["id", "path", "size", "mtime_ns"])
        embedded = self.store.windows(head.spaces[self.name], ["recording"]).column("recording").unique().to_numpy()
        inside = np.isin(recordings.column("id").to_numpy(), embedded).tolist()
        self.known: dict[str, _Known] = {}
        for row, there in zip(recordings.to_pylist(), inside, strict=True):
            self.known[row["path"]] = _Known(row["id"], (row["size"], row["mtime_ns"]), there)
        self.seen = head

    def _update(self) -> None:
        with self.store.transaction() as change:
            stored = self.store.recordings(change.head)
            now = {row["id"]: row for row in stored.to_pylist()}
            new = {
                one: own
                for one, own in self.updates.items()
                if one in now and any(now[one].get(name) != value for name, value in own.items())
            }
            names = list(dict.fromkeys(name for own in new.values() for name in own))
            full = {one: {name: own.get(name, now[one].get(name)) for name in names} for one, own in new.items()}
            if full:
                change.update_recordings(metadata_table(full, stored.schema))

    def _own_columns(self, path: Path) -> dict:
        named = folder_columns(path, self.root, self.folders) if self.folders else {}
        return {**named, **(self.metadata.of(path, self.root) if self.metadata is not None else {})}

    def _stored_path(self, path: Path) -> str:
        stored = os.path.relpath(path, self.root).replace(os.sep, "/")
        try:
            stored.encode()
        except UnicodeEncodeError:
            raise MmascError(f"{path!r}: the name is not valid UTF-8; rename the file") from None
        return stored

    def _fail(self, path: Path, reason: str) -> None:
        self.report.failed.append(BadFile(str(path), reason))


def _stamp(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns


def _recording_row(one: int, path: str, stat: os.stat_result, file: FileVectors) -> dict:
    return {
        "id": one,
        "path": path,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "duration": file.duration,
        "sample_rate": file.sample_rate,
        "channels": file.channels,
        "status": file.status.state,
        "reason": file.status.reason,
    }


def _common_root(paths: str | Path | Sequence[str | Path], files: Sequence[Path]) -> str:
    """The folder given, where one was given; else the deepest that holds all files."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if len(given) == 1 and os.path.isdir(given[0]):
        return os.path.abspath(given[0])
    return os.path.commonpath([str(path.parent) for path in files])


def _text_probes(encoder: Encoder) -> np.ndarray | None:
    """Vectors of the bundled prompts: text-like queries, on which an index of this space measures its recall."""
    if not encoder.supports("text"):
        return None
    phrases = [
        phrase for name in bundled_prompts() for texts in load_prompts(name).expand().values() for phrase in texts
    ]
    spread = sorted(set(phrases))
    # A text tower takes up to 0.1 s for a text
    return encoder.embed_text(spread[:: max(1, len(spread) // _TEXT_PROBES)])
