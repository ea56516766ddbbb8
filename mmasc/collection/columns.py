"""Columns of a space's windows as maps of files: what is looked at is read, and nothing is kept in memory.

    columns.json          the header: how many windows count, and of which pieces of the table they are
    columns-RANDOM/       row_ids, recording, lane, start, end: plain numbers, one after the other, little-endian
    .columns.lock         held while somebody writes

All of it is derived from the table. Windows that were added are appended to the files and count with the next header;
after others were removed, new files are written from the old ones and from those pieces of the table that changed.
Small spaces have no such files: their columns are read into memory.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from mmasc.collection.head import SpaceHead
from mmasc.collection.schema import WINDOW_COLUMNS
from mmasc.collection.sharing import shared
from mmasc.collection.table_reader import Fragment, TableReader, fragments_of
from mmasc.storage.files import sync_file, sync_folder, write_atomically
from mmasc.storage.texts import parse_json

HEADER = "columns.json"
COLUMNS_FORMAT = 1
MAPPED_WINDOWS = 100_000  # fewer take 4 MB at most
_KINDS = {"row_ids": "<i8", "recording": "<i8", "lane": "<i2", "start": "<f8", "end": "<f8"}
_LOCK_SECONDS = 60.0
_TRIES = 5
_ROWS_AT_ONCE = 1 << 20


class WindowColumns(NamedTuple):
    """Columns of windows in the order of the table, `[window]` each.

    Attributes:
        row_ids: Row ids in the table, int64.
        recording: Ids of the recordings, int64.
        lane: int16.
        start, end: Seconds, float64.
    """

    row_ids: np.ndarray
    recording: np.ndarray
    lane: np.ndarray
    start: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class _Saved:
    """Files of columns, and the pieces of the table that they hold."""

    home: Path
    version: int
    keys: list[str]
    rows: list[int]

    def maps(self) -> WindowColumns:
        count = sum(self.rows)
        return WindowColumns(*(_mapped(self.home / name, kind, count) for name, kind in _KINDS.items()))


# A run of windows: a stretch of the files that are there, or pieces of the table to be read
_Run = tuple[int, int] | list[Fragment]


def read_columns(
    store: TableReader,
    space: SpaceHead,
    outdated: Callable[[], bool],
    mapped_windows: int = MAPPED_WINDOWS,
) -> WindowColumns:
    """The columns of a space's windows: maps of files where there are many, which are brought up to date for it.

    Args:
        store: The collection's tables.
        space: The space, at the version that is wanted.
        outdated: Tells whether the windows have changed since that version: then files of a newer one are left alone.
        mapped_windows: Fewer windows are read into memory.
    """
    parts = fragments_of(store.dataset(space))
    if sum(one.rows for one in parts) < mapped_windows:
        return _in_memory(store, space, [parts] if parts else [], None)
    folder = store.tables.space(space.identity)
    for _ in range(_TRIES):
        saved, old = _read_maps(folder)
        runs = _runs(parts, saved)
        if len(runs) == 1 and isinstance(runs[0], tuple) and old is not None:
            first, last = runs[0]
            return WindowColumns(*(column[first:last] for column in old))
        if not _write(store, space, folder, outdated):
            return _in_memory(store, space, runs, old)
    return _in_memory(store, space, [parts], None)


def saved_columns(store: TableReader, space: SpaceHead) -> Iterator[tuple[Fragment, WindowColumns]]:
    """Pieces of a space's table, and what the saved columns hold of each; nothing where there are none that count."""
    saved, old = _read_maps(store.tables.space(space.identity))
    if saved is None or old is None:
        return
    edges = np.concatenate([[0], np.cumsum(saved.rows)])
    at = {key: slice(int(edges[item]), int(edges[item + 1])) for item, key in enumerate(saved.keys)}
    for one in fragments_of(store.dataset(space)):
        if one.key in at:
            yield one, WindowColumns(*(column[at[one.key]] for column in old))


def forget_columns(folder: Path) -> None:
    """Make the saved columns of a space count no more."""
    (folder / HEADER).unlink(missing_ok=True)


def _write(store: TableReader, space: SpaceHead, folder: Path, outdated: Callable[[], bool]) -> bool:
    """Bring the files up to a version; False where they cannot be written, or are those of a newer one."""
    parts = fragments_of(store.dataset(space))
    try:
        with shared(folder), FileLock(folder / ".columns.lock", timeout=_LOCK_SECONDS):
            saved, old = _read_maps(folder)
            if saved is not None and saved.version > (space.version or 0) and outdated():
                return False
            _sweep(folder, None if saved is None else saved.home)
            runs = _runs(parts, saved)
            grows = (
                saved is not None
                and runs[0] == (0, sum(saved.rows))
                and not any(isinstance(run, tuple) for run in runs[1:])
            )
            home = saved.home if grows and saved is not None else folder / f"columns-{secrets.token_hex(4)}"
            try:
                _fill(
                    home,
                    _pieces(store, space, runs[1:] if grows else runs, old),
                    sum(saved.rows) if grows and saved else 0,
                )
                header = {
                    "format": COLUMNS_FORMAT,
                    "folder": home.name,
                    "version": space.version,
                    "fragments": [[one.key, one.rows] for one in parts],
                }
                write_atomically(folder / HEADER, json.dumps(header).encode())
            except BaseException:
                if not grows:
                    shutil.rmtree(home, ignore_errors=True)
                raise
            _sweep(folder, home)
            return True
    except (Timeout, OSError):
        return False


def _fill(home: Path, pieces: Iterator[WindowColumns], first: int) -> None:
    """Write columns behind the first `first` windows, and bring them to the disk."""
    home.mkdir(exist_ok=True)
    files = {name: open(home / name, "r+b" if first else "wb") for name in _KINDS}  # noqa: SIM115
    try:
        for name, kind in _KINDS.items():
            files[name].seek(first * np.dtype(kind).itemsize)  # a writer that died may have left more behind
        for piece in pieces:
            for (name, kind), column in zip(_KINDS.items(), piece, strict=True):
                files[name].write(np.ascontiguousarray(column, kind).data)
        for file in files.values():
            file.truncate()
    finally:
        for file in files.values():
            file.close()
    for name in _KINDS:
        sync_file(home / name)
    sync_folder(home)


def _runs(parts: Sequence[Fragment], saved: _Saved | None) -> list[_Run]:
    """The wanted pieces that the files hold, joined to long stretches, and those that must be read from the table."""
    at = {}
    if saved is not None:
        edges = np.concatenate([[0], np.cumsum(saved.rows)])
        at = {key: (int(edges[item]), int(edges[item + 1])) for item, key in enumerate(saved.keys)}
    runs: list[_Run] = []
    for one in parts:
        place = at.get(one.key)
        before = runs[-1] if runs else None
        if place is None:
            if isinstance(before, list):
                before.append(one)
            else:
                runs.append([one])
        elif isinstance(before, tuple) and before[1] == place[0]:
            runs[-1] = (before[0], place[1])
        else:
            runs.append(place)
    return runs or [[]]


def _pieces(
    store: TableReader, space: SpaceHead, runs: Sequence[_Run], old: WindowColumns | None
) -> Iterator[WindowColumns]:
    """The windows of some runs, a piece at a time."""
    for run in runs:
        if isinstance(run, tuple):
            assert old is not None  # runs of files are told where there are some
            for first in range(run[0], run[1], _ROWS_AT_ONCE):
                yield WindowColumns(*(column[first : min(first + _ROWS_AT_ONCE, run[1])] for column in old))
            continue
        for batch in store.batches(space, WINDOW_COLUMNS, _ROWS_AT_ONCE, run):
            row_ids = batch.column("_rowid").to_numpy().astype(np.int64)
            yield WindowColumns(row_ids, *(batch.column(name).to_numpy() for name in WINDOW_COLUMNS))


def _in_memory(store: TableReader, space: SpaceHead, runs: Sequence[_Run], old: WindowColumns | None) -> WindowColumns:
    pieces = [WindowColumns(*(np.zeros(0, kind) for kind in _KINDS.values())), *_pieces(store, space, runs, old)]
    return WindowColumns(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


def _read_header(folder: Path) -> _Saved | None:
    """The files that count, or None where there are none that this version of mmasc wrote."""
    try:
        header: Any = parse_json((folder / HEADER).read_text(encoding="utf-8"))
        name, version = header["folder"], header["version"]
        keys, rows = [str(key) for key, _ in header["fragments"]], [int(count) for _, count in header["fragments"]]
        named = isinstance(name, str) and re.fullmatch(r"columns-[0-9a-f]{8}", name) is not None
        if header["format"] != COLUMNS_FORMAT or not named or type(version) is not int or min(rows, default=0) < 0:
            return None
        return _Saved(folder / name, version, keys, rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _read_maps(folder: Path) -> tuple[_Saved | None, WindowColumns | None]:
    """The files that count and maps of them; neither where they are damaged, or were replaced meanwhile."""
    saved = _read_header(folder)
    if saved is None:
        return None, None
    try:
        return saved, saved.maps()
    except (OSError, ValueError):
        return None, None


def _mapped(path: Path, kind: str, count: int) -> np.ndarray:
    if os.stat(path).st_size < count * np.dtype(kind).itemsize:
        raise ValueError(f"{path} is shorter than its header says")
    if not count:
        return np.zeros(0, kind)
    return np.memmap(path, kind, "r", shape=(count,)).view(np.ndarray)


def _sweep(folder: Path, kept: Path | None) -> None:
    """Delete what killed writers left; called under the lock, so none of it is being written."""
    for one in folder.iterdir():
        ours = re.fullmatch(r"columns-[0-9a-f]{8}", one.name)
        if ours and one != kept and one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
