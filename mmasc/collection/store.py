"""The store: recordings and windows as Lance tables, and the one small file that says which versions of them count.

A collection is a folder:

    collection.json            the head: format, root of the paths, and the version of every table that counts
    recordings.lance/          id, path under the root, size, mtime, duration, rate, channels, status, user columns
    spaces/IDENTITY/
        windows.lance/         recording, lane, start, end, vector
        probes.npy             text vectors that the index measures its recall with
        index-*/               FAISS files: derived, may be thrown away

Lance has no transaction over two tables, so the head is the commit: writers take the lock, change the tables, sync
them to disk and replace the head in one rename; readers open the versions that the head names. A writer that dies
before the rename changed nothing that counts; the next writer takes its rests back.
"""

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from mmasc.errors import MmascError
from mmasc.forking import answer_after_fork, check_may_change

FORMAT = 1
HEAD_NAME = "collection.json"
PROBES = "probes.npy"
_LOCK_SECONDS = 600.0
_MAX_DIM = 1_000_000  # numbers in a vector; more is a damaged head
_FRAGMENTS_BEFORE_COMPACTION = 256
# Versions that a reader may still have open are spared by the cleaning that goes with compaction
_SPARED = timedelta(hours=1)

RECORDING_FIELDS = [
    pa.field("id", pa.int64()),
    pa.field("path", pa.string()),
    pa.field("size", pa.int64()),
    pa.field("mtime_ns", pa.int64()),
    pa.field("duration", pa.float64()),
    pa.field("sample_rate", pa.int32()),
    pa.field("channels", pa.int32()),
    pa.field("status", pa.string()),
    pa.field("reason", pa.string()),
]
RECORDING_COLUMNS = tuple(item.name for item in RECORDING_FIELDS)
WINDOW_COLUMNS = ("recording", "lane", "start", "end")


def windows_schema(dim: int) -> pa.Schema:
    """Schema of a space's windows: seconds as float64, the vector as `dim` float32."""
    return pa.schema(
        [
            pa.field("recording", pa.int64()),
            pa.field("lane", pa.int16()),
            pa.field("start", pa.float64()),
            pa.field("end", pa.float64()),
            pa.field("vector", vector_type(dim)),
        ]
    )


def vector_type(dim: int) -> pa.DataType:
    """Type of the column of vectors."""
    return pa.list_(pa.float32(), dim)


@dataclass(frozen=True)
class SpaceHead:
    """What the head knows of a space: which encoder made it, how it was cut, and the version that counts."""

    identity: str
    encoder: str
    dim: int
    window_seconds: float
    hop_seconds: float
    channels: str
    windows: int = 0
    version: int | None = None


@dataclass(frozen=True)
class Head:
    """The versions that count."""

    root: str
    recordings: int | None = None
    spaces: dict[str, SpaceHead] = field(default_factory=dict)
    format: int = FORMAT


class Store:
    """A collection's tables behind a narrow interface: read at the head, change in a transaction.

    Args:
        folder: With a collection in it; `Store.create` makes one.
    Raises:
        MmascError: If there is no collection, it is damaged, or a newer mmasc made it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        answer_after_fork()
        self.head()

    @classmethod
    def create(cls, folder: str | Path, root: str | Path) -> "Store":
        """Make an empty collection whose paths are relative to `root`, or open the one that another process made."""
        folder = Path(folder)
        if not (folder / HEAD_NAME).exists():
            if folder.is_file():
                raise MmascError(f"{folder} is a file; give a folder for the collection")
            if folder.is_dir() and any(entry.name != ".lock" for entry in folder.iterdir()):
                raise MmascError(f"{folder} holds other things and no collection; give a new or empty folder")
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                if not (folder / HEAD_NAME).exists():
                    _write_head(folder, Head(root=os.path.abspath(root)))
        return cls(folder)

    def head(self) -> Head:
        """The head as it is on disk now."""
        path = self.folder / HEAD_NAME
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise MmascError(f"{self.folder} holds no collection; make one with: mmasc embed PATH --into ...") from None
        except (ValueError, RecursionError, IsADirectoryError) as error:
            raise MmascError(f"{path} is damaged ({error}); restore it from a backup") from error
        return _parse_head(raw, path)

    # Reading: always at the versions of a head

    def recordings(self, head: Head | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """The table of recordings."""
        head = head or self.head()
        if head.recordings is None:
            schema = pa.schema(RECORDING_FIELDS)
            return schema.empty_table().select(list(columns) if columns is not None else schema.names)
        return self._open(self._recordings_uri, head.recordings).to_table(
            columns=None if columns is None else list(columns)
        )

    def recordings_schema(self, head: Head) -> pa.Schema:
        """Columns of the table of recordings and their types."""
        if head.recordings is None:
            return pa.schema(RECORDING_FIELDS)
        return self._open(self._recordings_uri, head.recordings).schema

    def windows(self, space: SpaceHead, columns: Sequence[str] = WINDOW_COLUMNS, row_ids: bool = False) -> pa.Table:
        """The table of a space's windows, without vectors unless asked; `row_ids` adds `_rowid`, stable for life."""
        dataset = self.dataset(space)
        if dataset is None:
            table = windows_schema(space.dim).empty_table().select(list(columns))
            return table.append_column("_rowid", pa.array([], pa.uint64())) if row_ids else table
        return dataset.scanner(columns=list(columns), with_row_id=row_ids).to_table()

    def vectors(self, space: SpaceHead, batch: int = 65_536) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All (row ids `[item]`, vectors `[item dim]`) of a space, a batch at a time, in the order of `windows`."""
        dataset = self.dataset(space)
        if dataset is None:
            return
        scanner = dataset.scanner(columns=["vector"], with_row_id=True, batch_size=batch, scan_in_order=True)
        for part in scanner.to_batches():
            yield part.column("_rowid").to_numpy(), as_matrix(part.column("vector"), space.dim)

    def take_vectors(self, space: SpaceHead, row_ids: np.ndarray) -> np.ndarray:
        """Vectors `[item dim]` of the given row ids, in their order."""
        dataset = self.dataset(space)
        if dataset is None or not len(row_ids):
            return np.zeros((0, space.dim), np.float32)
        order = np.argsort(row_ids)
        table = dataset._take_rows(row_ids[order].tolist(), columns=["vector"])
        vectors = np.empty((len(row_ids), space.dim), np.float32)
        vectors[order] = as_matrix(table.column("vector"), space.dim)
        return vectors

    def dataset(self, space: SpaceHead) -> lance.LanceDataset | None:
        """The Lance table of a space's windows at the version that counts; None before the first commit."""
        if space.version is None:
            return None
        uri = self._windows_uri(space.identity)
        dataset = self._open(uri, space.version)
        if "vector" not in dataset.schema.names or dataset.schema.field("vector").type != vector_type(space.dim):
            raise MmascError(
                f"{uri} does not hold vectors of {space.dim} numbers as the head says; restore {self.folder}"
            )
        return dataset

    def space_folder(self, identity: str) -> Path:
        """Where a space keeps its files."""
        return self.folder / "spaces" / identity

    def write_probes(self, identity: str, probes: np.ndarray) -> None:
        """Keep text vectors `[item dim]` of a space, which its index measures its recall with."""
        beside = self.space_folder(identity) / f".probes.{os.getpid()}.npy"
        np.save(beside, probes.astype(np.float32), allow_pickle=False)
        os.replace(beside, self.space_folder(identity) / PROBES)

    # Changing

    @contextlib.contextmanager
    def transaction(self) -> "Iterator[Transaction]":
        """Change tables under the lock; all of it counts when the block ends, nothing of it when the block fails."""
        check_may_change()
        with _locked(self.folder):
            change = Transaction(self, self.head())
            with _clear_errors(self.folder):
                change.take_back_rests()
                yield change
                change.commit()

    @property
    def _recordings_uri(self) -> Path:
        return self.folder / "recordings.lance"

    def _windows_uri(self, identity: str) -> Path:
        return self.space_folder(identity) / "windows.lance"

    def _open(self, uri: Path, version: int) -> lance.LanceDataset:
        try:
            return lance.dataset(str(uri), version=version)
        except (ValueError, OSError) as error:
            raise MmascError(f"{uri} is damaged or incomplete ({_first_line(error)}); restore {self.folder}") from error


class Transaction:
    """Changes to the tables of one store, made under its lock; `Store.transaction` hands it out."""

    def __init__(self, store: Store, head: Head) -> None:
        self.store = store
        self.head = head
        self._changed: set[Path] = set()

    def take_back_rests(self) -> None:
        """Undo what a writer left behind that died between changing a table and replacing the head."""
        self._restore(self.store._recordings_uri, self.head.recordings, "recordings")
        known = {space.identity for space in self.head.spaces.values()}
        spaces = self.store.folder / "spaces"
        for folder in spaces.iterdir() if spaces.is_dir() else []:
            if folder.name not in known:
                shutil.rmtree(folder)
        for name, space in self.head.spaces.items():
            self._restore(self.store._windows_uri(space.identity), space.version, name)

    def add_space(self, name: str, space: SpaceHead, probes: np.ndarray | None = None) -> None:
        """Make an empty space; `probes` are text vectors `[item dim]` for measuring the index."""
        self.store.space_folder(space.identity).mkdir(parents=True, exist_ok=True)
        if probes is not None:
            self.store.write_probes(space.identity, probes)
        self.head = replace(self.head, spaces={**self.head.spaces, name: space})

    def append_recordings(self, table: pa.Table) -> None:
        """Add rows; columns that the table of recordings lacks are added to it, the others filled with null."""
        if not len(table):
            return
        uri = self.store._recordings_uri
        if self.head.recordings is not None:
            self._add_columns(table.schema)
        dataset = self._append(uri, table, self.head.recordings)
        self.head = replace(self.head, recordings=dataset.version)

    def append_windows(self, name: str, table: pa.Table) -> None:
        """Add windows (schema of `windows_schema`) to a space."""
        if not len(table):
            return
        space = self.head.spaces[name]
        dataset = self._append(self.store._windows_uri(space.identity), table, space.version)
        self._set_space(name, replace(space, version=dataset.version, windows=space.windows + len(table)))

    def remove_recordings(self, ids: Sequence[int]) -> None:
        """Remove recordings and their windows in every space."""
        if not len(ids) or self.head.recordings is None:
            return
        self._delete(self.store._recordings_uri, "id", ids)
        self.head = replace(self.head, recordings=self._latest(self.store._recordings_uri).version)
        for name in list(self.head.spaces):
            self.remove_windows(name, ids)

    def remove_windows(self, name: str, ids: Sequence[int]) -> None:
        """Remove the windows of these recordings from one space."""
        space = self.head.spaces[name]
        if space.version is None or not len(ids):
            return
        uri = self.store._windows_uri(space.identity)
        self._delete(uri, "recording", ids)
        dataset = self._latest(uri)
        self._set_space(name, replace(space, version=dataset.version, windows=dataset.count_rows()))

    def update_recordings(self, table: pa.Table) -> None:
        """Set columns of recordings that are there already; `table` has `id` and the columns to set."""
        if not len(table):
            return
        uri = self.store._recordings_uri
        self._add_columns(table.schema)
        self._latest(uri).merge_insert("id").when_matched_update_all().execute(table)
        self._changed.add(uri)
        self.head = replace(self.head, recordings=self._latest(uri).version)

    def set_root(self, root: str) -> None:
        """The folder that paths are relative to."""
        self.head = replace(self.head, root=root)

    def compact(self, spared: timedelta = _SPARED) -> None:
        """Join small files, drop deleted rows and old versions; row ids stay."""
        if self.head.recordings is not None:
            self.head = replace(self.head, recordings=self._compact(self.store._recordings_uri, spared))
        for name, space in self.head.spaces.items():
            if space.version is not None:
                version = self._compact(self.store._windows_uri(space.identity), spared)
                self._set_space(name, replace(space, version=version))

    def commit(self) -> None:
        """Make the changes count."""
        if any(len(self._latest(uri).get_fragments()) > _FRAGMENTS_BEFORE_COMPACTION for uri in self._changed):
            self.compact()
        for uri in self._changed:
            _sync_tree(uri)
        if self.head != self.store.head():
            _write_head(self.store.folder, self.head)

    def _set_space(self, name: str, space: SpaceHead) -> None:
        self.head = replace(self.head, spaces={**self.head.spaces, name: space})

    def _latest(self, uri: Path) -> lance.LanceDataset:
        return lance.dataset(str(uri))

    def _append(self, uri: Path, table: pa.Table, version: int | None) -> lance.LanceDataset:
        self._changed.add(uri)
        if version is None:
            uri.parent.mkdir(parents=True, exist_ok=True)
        mode = "create" if version is None else "append"
        return lance.write_dataset(table, str(uri), mode=mode, enable_stable_row_ids=True)

    def _add_columns(self, schema: pa.Schema) -> None:
        uri = self.store._recordings_uri
        dataset = self._latest(uri)
        missing = [item for item in schema if item.name not in dataset.schema.names]
        if missing:
            dataset.add_columns(pa.schema(missing))
            self._changed.add(uri)

    def _delete(self, uri: Path, column: str, ids: Sequence[int]) -> None:
        self._changed.add(uri)
        dataset = self._latest(uri)
        for first in range(0, len(ids), 1_000):
            some = ", ".join(str(int(one)) for one in ids[first : first + 1_000])
            dataset.delete(f"{column} IN ({some})")

    def _compact(self, uri: Path, spared: timedelta) -> int:
        self._changed.add(uri)
        dataset = self._latest(uri)
        dataset.optimize.compact_files()
        # Writers work under the lock alone, so files that no version names are rests of a writer that died
        dataset.cleanup_old_versions(older_than=spared, delete_unverified=spared == timedelta(0))
        return self._latest(uri).version

    def _restore(self, uri: Path, version: int | None, name: str) -> None:
        if version is None:
            if uri.exists():
                shutil.rmtree(uri)
            return
        if self._latest(uri).version == version:
            return
        self.store._open(uri, version).restore()
        self._changed.add(uri)
        restored = self._latest(uri).version
        if name == "recordings" and uri == self.store._recordings_uri:
            self.head = replace(self.head, recordings=restored)
        else:
            self._set_space(name, replace(self.head.spaces[name], version=restored))


def as_matrix(column: Any, dim: int) -> np.ndarray:
    """A fixed-size list column as float32 `[item dim]`."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32, copy=False)


def vector_column(vectors: np.ndarray) -> pa.Array:
    """float32 `[item dim]` as a fixed-size list column."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _parse_head(raw: Any, path: Path) -> Head:
    try:
        made = raw["format"]
        if made > FORMAT:
            raise MmascError(f"{path.parent} was made by a newer mmasc (format {made}, known {FORMAT}); update mmasc")
        spaces = {name: _checked_space(space) for name, space in raw["spaces"].items()}
        _check_types(raw, root=(str,), recordings=(int, NoneType))
        return Head(root=raw["root"], recordings=raw["recordings"], spaces=spaces, format=made)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MmascError(f"{path} is no head of a collection ({error}); restore it from a backup") from error


def _checked_space(raw: dict[str, Any]) -> SpaceHead:
    """A space as untrusted JSON says it; its identity names a folder and must not lead out of the collection."""
    _check_types(
        raw,
        identity=(str,),
        encoder=(str,),
        dim=(int,),
        window_seconds=(float, int),
        hop_seconds=(float, int),
        channels=(str,),
        windows=(int,),
        version=(int, NoneType),
    )
    space = SpaceHead(**raw)
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,128}", space.identity):
        raise ValueError(f"identity {space.identity[:40]!r} is no plain name")
    if not 1 <= space.dim <= _MAX_DIM:
        raise ValueError(f"dim must be 1 to {_MAX_DIM:,}, got {space.dim}")
    if not 0 < space.window_seconds < math.inf or not 0 < space.hop_seconds < math.inf:
        raise ValueError(f"seconds must be above 0, got {space.window_seconds} and {space.hop_seconds}")
    return space


def _check_types(raw: dict[str, Any], **types: tuple[type, ...]) -> None:
    for name, allowed in types.items():
        if type(raw.get(name)) not in allowed:
            raise TypeError(f"{name} is {str(raw.get(name))[:40]!r}")


def _write_head(folder: Path, head: Head) -> None:
    path = folder / f"{HEAD_NAME}.{os.getpid()}.tmp"
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(asdict(head), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path, folder / HEAD_NAME)
    finally:
        path.unlink(missing_ok=True)
    _sync_folder(folder)


def _sync_tree(folder: Path) -> None:
    """Lance never syncs; before the head names a version, its files must be on the disk."""
    marker = folder / ".synced"
    last = marker.stat().st_mtime_ns if marker.exists() else -1
    newest = last
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            changed = os.stat(path).st_mtime_ns
            if changed >= last and path != str(marker):
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                newest = max(newest, changed)
        _sync_folder(Path(base))
    marker.touch()
    os.utime(marker, ns=(newest, newest))


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # folders cannot be opened for syncing elsewhere
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise MmascError(f"{folder} is locked by another process for {_LOCK_SECONDS:.0f} s; try again later") from None


@contextlib.contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    """Lance's errors carry its source lines; users need the folder, the reason and that nothing is harmed."""
    try:
        yield
    except OSError as error:
        raise MmascError(
            f"cannot write to {folder}: {_first_line(error)}; what was stored before is unharmed"
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.split(", /home/")[0].split(", rust/")[0]
