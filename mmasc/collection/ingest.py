"""Files into a collection: tables and roots are checked, then files embedded, and committed in small steps.

Killed at any moment, nothing that was committed is lost and nothing is there twice; started again, it continues.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmasc.audio import find_audio
from mmasc.audio.clock import ClockRules
from mmasc.collection.clock import ClockColumns, columns_of_users
from mmasc.collection.head import HEAD_NAME, read_head
from mmasc.collection.intake import COMMIT_SECONDS, COMMIT_WINDOWS, Intake, OwnColumns
from mmasc.collection.known import Known, not_untouched, place_of, read_known, refuse_another_root
from mmasc.collection.metadata import Metadata, folder_columns, own_columns
from mmasc.collection.report import BadFile, EmbedReport
from mmasc.collection.schema import RECORDING_FIELDS
from mmasc.collection.store import Store
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import FileVectors, embed_files
from mmasc.encoders.registry import load_encoder, window_of
from mmasc.encoders.sound_progress import sound_phase
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.errors import MmascError, show_path
from mmasc.progress import current
from mmasc.storage.contents import digest_of

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
    strict: bool = False,
    commit_windows: int = COMMIT_WINDOWS,
    commit_seconds: float = COMMIT_SECONDS,
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
        threads: Number of threads that decode ahead of the network.
        strict: Raise at the first file that cannot be read, keeping what is done.
        commit_windows, commit_seconds: What is waiting counts for good after so many windows or so much time.
        progress: Called after every file with the report as it stands.
    Returns:
        What was done: numbers of recordings and windows, files that could not be read, remarks.
    Raises:
        MmascError: If no file is found, the collection holds vectors of another encoder under this name, or
            (strict) a file cannot be read.
        ValueError: If `window_seconds` is not the window of a loaded encoder.
    """
    begun = time.perf_counter()
    rules = None if clock is False else ClockRules.of(None if clock is True else clock, timezone)
    with current().phase("looking for recordings"):
        files = [Path(os.path.abspath(path)) for path in find_audio(paths)]
    given_root = os.path.abspath(root) if root is not None else _common_root(paths, files)
    own, remarks = _own_columns(Path(into), given_root, files, metadata, tuple(folders))
    if encoder is None:
        encoder, window_seconds = _usual_encoder(Path(into), space, window_seconds)
    if not isinstance(encoder, Encoder):
        encoder_name, encoder = encoder, load_encoder(encoder, device, window_seconds, backend)
    else:
        encoder_name = encoder.spec.name
        if window_seconds not in (None, encoder.spec.window_seconds):
            raise ValueError(
                f"this encoder was loaded with a window of {encoder.spec.window_seconds:g} s, got window_seconds "
                f"{window_seconds}: give it to load_encoder"
            )
    hop = encoder.spec.window_seconds if hop_seconds is None else float(hop_seconds)
    store = Store.create(into, given_root)
    clocks = None if rules is None else _clocks(store, rules, files, own)
    intake = Intake(store, encoder, encoder_name, space, hop, channels, own, clocks)
    intake.commit_windows, intake.commit_seconds = commit_windows, commit_seconds
    report = intake.report
    report.found = len(files)
    try:
        intake.prepare(files)
        cut = {"hop_seconds": hop, "channels": channels, "threads": threads}
        for _ in _embedded(intake, files, **cut):
            if progress is not None:
                progress(report)
            if strict and report.failed:
                raise MmascError(f"{report.failed[-1].reason} (--strict: stopped here, what was done is kept)")
    finally:
        # Also after Ctrl-C: what went through the network is kept
        intake.commit()
        report.seconds = time.perf_counter() - begun
    with current().phase("search index"):
        intake.finish(_folders_of(paths))
    if root is not None and intake.root != given_root:
        remarks.append(
            f"{show_path(into)} has the root {show_path(intake.root)}, --root {show_path(root)} was not used; "
            "change it with: mmasc collection move-root"
        )
    report.remarks = remarks + report.remarks
    report.seconds = time.perf_counter() - begun
    return report


def _usual_encoder(into: Path, space: str | None, window_seconds: float | None) -> tuple[str, float | None]:
    """The encoder that a collection goes on with where none is named, and the window."""
    path = into / HEAD_NAME
    spaces = read_head(path).spaces if path.is_file() else {}
    known = spaces.get(space) if space is not None else next(iter(spaces.values()), None)
    if known is None:
        return DEFAULT_ENCODER, window_seconds
    return known.encoder, window_of(known.encoder, known.window_seconds) if window_seconds is None else window_seconds


def _embedded(intake: Intake, files: Sequence[Path], **cut: Any) -> Iterator[FileVectors]:
    """What is still to do, once it waits for a commit or has come into one."""
    with sound_phase("embedding", not_untouched(intake.known, intake.root, files)) as sound:
        to_do = intake.still_to_do(files)
        for result in embed_files(
            to_do, intake.encoder, **cut, digest=digest_of, keeper=intake.partials, heard=sound.heard
        ):
            intake.add(result)
            sound.done(result)
            yield result


def _own_columns(
    into: Path, root: str, files: Sequence[Path], metadata: str | Path | None, folders: tuple[str, ...]
) -> tuple[OwnColumns, list[str]]:
    """Own columns of all files, with all faults of tables and of the root, before anything is decoded or stored."""
    table = Metadata(metadata) if metadata is not None else None
    known: dict[str, Known] = {}
    schema = pa.schema(RECORDING_FIELDS)
    if (into / HEAD_NAME).exists():
        store = Store(into)
        head = store.head()
        root, known, schema = head.root, read_known(store, head), store.recordings_schema(head)
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


def _folders_of(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """The folders among what was given, absolute."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    return [os.path.abspath(path) for path in given if os.path.isdir(path)]


def _common_root(paths: str | Path | Sequence[str | Path], files: Sequence[Path]) -> str:
    """The folder given, where one was given; else the deepest that holds all files."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if len(given) == 1 and os.path.isdir(given[0]):
        return os.path.abspath(given[0])
    return os.path.commonpath([str(path.parent) for path in files])
