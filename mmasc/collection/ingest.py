"""Files into a collection: tables and roots are checked, then files embedded, and committed in small steps.

Killed at any moment, nothing that was committed is lost and nothing is there twice; started again, it continues.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.audio import find_audio
from mmasc.audio.clock import ClockRules
from mmasc.collection.clock import ClockColumns, columns_of_users
from mmasc.collection.executors.choice import choose_executor
from mmasc.collection.executors.job import Executor, Listener
from mmasc.collection.head import HEAD_NAME, read_head
from mmasc.collection.intake import Intake
from mmasc.collection.known import refuse_another_root
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.linked_paths import by_the_root, folders_by_the_root
from mmasc.collection.metadata import Metadata, folder_columns, own_columns
from mmasc.collection.report import BadFile, EmbedReport
from mmasc.collection.row_writer import OwnColumns
from mmasc.collection.schema import RECORDING_FIELDS
from mmasc.collection.shards import Shard
from mmasc.collection.store import Store
from mmasc.encoders.base import Encoder
from mmasc.encoders.beyond import BeyondReach
from mmasc.encoders.embedding import checked_hop
from mmasc.encoders.executing import Wanted, check_executor
from mmasc.encoders.file_vectors import FileVectors
from mmasc.encoders.own_vectors import is_own
from mmasc.encoders.registry import full_name_of, load_encoder, window_of
from mmasc.encoders.sound_progress import sound_phase
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.errors import MmascError, show_path
from mmasc.inputs import require_name
from mmasc.printing import counted
from mmasc.progress import current
from mmasc.remote.addresses import absolute, common_root, is_address, place_of, refuse_to_write
from mmasc.remote.paths import RemotePath, as_path
from mmasc.remote.sightings import unstamped
from mmasc.storage.files import is_there

__all__ = ["BadFile", "EmbedReport", "embed"]


def embed(
    paths: str | Path | Sequence[str | Path],
    into: str | Path,
    encoder: str | Encoder | None = None,
    *,
    space: str | None = None,
    hop_seconds: float | None = None,
    window_seconds: float | None = None,
    channels: str = "mix",
    metadata: str | Path | None = None,
    folders: Sequence[str] = (),
    root: str | Path | None = None,
    clock: str | bool = True,
    timezone: str | None = None,
    device: str = "cpu",
    backend: str = "eager",
    threads: int = 1,
    executor: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    shard: str | Shard | None = None,
    strict: bool = False,
    commit_windows: int | None = None,
    commit_seconds: float | None = None,
    progress: Callable[[EmbedReport], None] | None = None,
) -> EmbedReport:
    """Embed recordings into a collection (created if it does not exist); continue where an earlier call stopped.

    Args:
        paths: Files, folders (recursively), patterns.
        into: The collection's folder.
        encoder: Name for `load_encoder`, or a loaded encoder; default: that of the collection (of its space `space`,
            else of its first space), with its window; of a new collection `DEFAULT_ENCODER`.
        space: Name of the space; default: the encoder's.
        hop_seconds: Seconds from one window's start to the next; default: the window, no overlap.
        window_seconds: Another window than the encoder's own; of a loaded encoder it is the one it was loaded with.
        channels: "mix", "left", "right", "each" or "mid-side".
        metadata: CSV with own columns by file; also set for recordings that are there already.
        folders: Names of columns for the folders between the root and a file.
        root: Folder that stored paths are relative to; default: the folder given, or the common one of all files.
        clock: Whether to read when each recording was made, from its name and what its recorder wrote into it; or a
            pattern that says how to read it from the name, see `mmasc.audio.clock_patterns`.
        timezone: Zone of the place (Europe/Berlin, +02:00): clocks that say how far they are from UTC are turned into
            it, others are taken to be in it.
        device: Device on which the encoder runs.
        backend: What runs it: "eager" or "onnx", see `load_encoder`.
        threads: Number of threads that decode ahead of the network, in this process.
        executor: Who embeds: "local" (this process), "processes" on this machine, or "ray" (the extra `scale`); None
            starts in this process and continues in worker processes if these save time. The vectors are the same to
            the last bit.
        workers: Number of processes; None: one per core.
        address: Address of the Ray cluster; "auto" for that of this machine, None for one of its own here.
        shard: "I/N": only the files of the I-th of N parts, see `Shard`; needs `root`. The parts are embedded into
            collections of their own, on any machines, and merged.
        strict: Raise at the first file that cannot be read, keeping what is done.
        commit_windows, commit_seconds: Commit after so many windows or so many seconds; None: the executor decides.
        progress: Called after every file with the report as it stands.
    Returns:
        What was done: numbers of recordings and windows, files that could not be read, remarks.
    Raises:
        MmascError: If no file is found, the collection holds vectors of another encoder under this name, or
            (strict) a file cannot be read.
        ValueError: If `window_seconds` is not the window of a loaded encoder, or arguments of executors and shards do
            not fit together.
    """
    begun = time.perf_counter()
    refuse_to_write(into)
    if space is not None:
        require_name(space, "the name of a space")
    check_executor(executor, workers, address)
    wanted = Wanted(executor, workers, address)
    part = Shard.of(shard, root)
    rules = None if clock is False else ClockRules.of(None if clock is True else clock, timezone)
    with current().phase("looking for recordings"):
        files = [as_path(absolute(path)) for path in find_audio(paths)]
    files, folders_given = _by_one_way(Path(into), files, _folders_of(paths, files))
    given_root = absolute(root) if root is not None else _common_root(paths, files)
    if part is not None:
        files = part.files(files, given_root)
    own, remarks = _own_columns(Path(into), given_root, files, metadata, tuple(folders))
    if encoder is None:
        encoder, space, window_seconds = _usual_encoder(Path(into), space, window_seconds)
    if not isinstance(encoder, Encoder):
        asked, before = encoder, _identity_there(Path(into), space, encoder)
        encoder = load_encoder(encoder, device, window_seconds, backend, before)
        encoder_name = encoder.loaded_as or asked
    else:
        encoder_name = encoder.loaded_as or encoder.spec.name
        if window_seconds not in (None, encoder.spec.window_seconds):
            raise ValueError(
                f"this encoder was loaded with a window of {encoder.spec.window_seconds:g} s, got window_seconds "
                f"{window_seconds}: give it to load_encoder"
            )
    hop = checked_hop(encoder, hop_seconds)
    store = Store.create(into, given_root)
    clocks = None if rules is None else _clocks(store, rules, files, own)
    intake = Intake(store, encoder, encoder_name, space, hop, channels, own, clocks)
    intake.often(commit_windows, commit_seconds)
    report = intake.report
    report.found = len(files)
    try:
        new = intake.prepare(files)
        with choose_executor(encoder, hop, channels, new, threads, wanted) as chosen:
            for _ in _embedded(intake, files, new, chosen):
                if progress is not None:
                    progress(report)
                if strict and report.failed:
                    raise MmascError(f"{report.failed[-1].reason} (--strict: stopped here, what was done is kept)")
    finally:
        # Also after Ctrl-C: what went through the network is kept
        intake.commit()
        report.seconds = time.perf_counter() - begun
    with current().phase("search index"):
        intake.finish(folders_given)
    if root is not None and intake.root != given_root:
        remarks.append(
            f"{show_path(into)} has the root {show_path(intake.root)}, --root {show_path(root)} was not used; "
            "change it with: mmasc collection move-root"
        )
    if count := unstamped(files):
        remarks.append(
            f"{counted(count, 'recording lies', 'recordings lie')} on servers that say neither an ETag nor when "
            "files were written: whether they "
            "change is not seen, so they are read and embedded each time"
        )
    report.remarks = remarks + report.remarks
    report.seconds = time.perf_counter() - begun
    return report


def _by_one_way(into: Path, files: list[Path], folders: list[str]) -> tuple[list[Path], list[str]]:
    """Files and folders as the root of a collection that is there leads to them."""
    if not is_there(into / HEAD_NAME):
        return files, folders
    store = Store(into)
    head = store.head()
    known = cache(lambda: KnownRecordings(store, head))
    return by_the_root(files, head.root, known), folders_by_the_root(folders, head.root, known)


def _usual_encoder(into: Path, space: str | None, window_seconds: float | None) -> tuple[str, str | None, float | None]:
    """What a collection goes on with where no encoder is named: the encoder, its space and the window."""
    path = into / HEAD_NAME
    spaces = read_head(path).spaces if is_there(path) else {}
    growing = (name for name, one in spaces.items() if not is_own(one.encoder))
    name = space if space is not None else next(growing, None)
    known = None if name is None else spaces.get(name)
    if known is None:
        return DEFAULT_ENCODER, space, window_seconds
    window = window_of(known.encoder, known.window_seconds) if window_seconds is None else window_seconds
    return known.encoder, name, window


def _identity_there(into: Path, space: str | None, encoder: Any) -> str | None:
    """Identity of what is stored already in the space that is to be embedded into; None where nothing is."""
    if not isinstance(encoder, str) or not is_there(into / HEAD_NAME):
        return None  # anything else is refused when it is loaded
    found = Store(into).head().spaces.get(encoder.partition(":")[0] if space is None else space)
    return found.identity if found is not None and found.encoder == full_name_of(encoder) else None


def _embedded(intake: Intake, files: Sequence[Path], new: Sequence[Path], executor: Executor) -> Iterator[FileVectors]:
    """What is still to do, once it waits for a commit or has come into one."""
    beyond = BeyondReach(intake.encoder.spec)
    with sound_phase("embedding", new) as sound:
        for result in executor.run(intake.still_to_do(files), Listener(intake.partials, sound.heard)):
            intake.add(result, executor.account)
            beyond.look(result)
            sound.done(result)
            yield result
    intake.report.remarks += beyond.remarks()


def _own_columns(
    into: Path, root: str, files: Sequence[Path], metadata: str | Path | None, folders: tuple[str, ...]
) -> tuple[OwnColumns, list[str]]:
    """Own columns of all files, with all faults of tables and of the root, before anything is decoded or stored."""
    table = Metadata(metadata) if metadata is not None else None
    known: Mapping[str, Known] = {}
    schema = pa.schema(RECORDING_FIELDS)
    if is_there(into / HEAD_NAME):
        store = Store(into)
        head = store.head()
        root, known, schema = head.root, KnownRecordings(store, head), store.recordings_schema(head)
        refuse_another_root(into, root, known, files)
    if table is not None:
        table.match(files, [place_of(root, stored) for stored in known], root, schema)
    own, faults = {}, {}
    for path in files:
        try:
            named = folder_columns(path, root, folders) if folders else {}
        except MmascError as error:
            faults[path] = str(error)
            continue
        if values := {**named, **(table.of(path) if table is not None else {})}:
            own[path] = values
    types = table.types if table is not None else {}
    own_columns(list(own.values()), schema, types)  # values that do not fit are said now, not after hours
    return OwnColumns(own, types, faults), table.remarks if table is not None else []


def _clocks(store: Store, rules: ClockRules, files: Sequence[Path], own: OwnColumns) -> ClockColumns:
    """What reads the clocks of these files; a column that the user gives, or keeps there already, is the user's."""
    recordings = store.recordings(store.head())
    names = [*(path.name for path in files), *(Path(path).name for path in recordings.column("path").to_pylist())]
    given = {*own.types, *(name for values in own.of.values() for name in values)}
    return ClockColumns(rules, names, columns_of_users(recordings) | given)


def _folders_of(paths: str | Path | Sequence[str | Path], files: Sequence[Path]) -> list[str]:
    """The folders among what was given, absolute, and the prefixes of object stores."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    objects = {str(file) for file in files if isinstance(file, RemotePath)}
    prefixes = [one for one in map(absolute, filter(is_address, given)) if one not in objects]
    return [os.path.abspath(path) for path in given if os.path.isdir(path)] + [one.rstrip("/") for one in prefixes]


def _common_root(paths: str | Path | Sequence[str | Path], files: Sequence[Path]) -> str:
    """The folder given, where one was given; else the deepest that holds all files."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if len(given) == 1 and (folders := _folders_of(paths, files)):
        return folders[0]
    here = [str(path.parent) for path in files if not isinstance(path, RemotePath)]
    return os.path.commonpath(here) if here else common_root([str(path) for path in files])
