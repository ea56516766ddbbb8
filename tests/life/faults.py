"""What can happen to a process at any of its writes: it is killed, the disk is full or read-only, a write fails once.

Every call that changes a collection's folder counts as one write. From the chosen one on a killed process reaches the
disk no more, not even in its `finally` blocks, which is what SIGKILL does.
"""

import builtins
import contextlib
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import faiss
import lance
from lance.dataset import DatasetOptimizer, LanceDataset, MergeInsertBuilder

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What these disks refuse, by the beginnings of the calls' names
_REFUSED = {
    "full": ("open", "mkdir", "lance", "faiss", "fsync"),
    "read-only": ("open", "mkdir", "lance", "faiss", "re", "un", "rm", "link", "symlink", "truncate", "chmod"),
}
_ERRORS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "once": errno.EIO}


class Killed(BaseException):
    """The process is dead; nothing that handles errors may take it for one of them."""


class Disk:
    """Counts writes under a folder, and lets one of them be the last.

    Args:
        folder: Writes elsewhere do not count.
        kind: "killed", "torn" (killed in the middle of that write), "full", "read-only" or "once" (an I/O error).
        at: The write that it happens at, from 1; later ones fail too, except with "once".
        of: Only writes whose name begins so are counted for `at`.
    """

    def __init__(self, folder: Path, kind: str = "", at: int = 0, of: str = "") -> None:
        self.folder, self.kind, self.at, self.of = str(folder), kind, at, of
        self.writes = 0
        self.names: list[str] = []
        self.struck = ""  # the first write that failed
        self._tearing = False

    @property
    def reached(self) -> bool:
        """Whether it has happened."""
        return 0 < self.at <= self.writes

    def write(self, name: str, tear: Callable[[], object]) -> None:
        """One write is about to happen; `tear` does a half of it. Syncs in a row change nothing between them: one."""
        if self._tearing or (self.names[-1:] == [name] == ["fsync"] and not self.reached):
            return
        first = not self.reached
        self.writes += name.startswith(self.of)
        self.names.append(name)
        if not self.reached or (self.kind == "once" and not first):
            return
        if self.kind in ("killed", "torn"):
            if self.kind == "torn" and first:
                self._tearing = True
                tear()
                self._tearing = False
            self.struck = self.struck or name
            raise Killed(name)
        if self.kind == "once" or name.startswith(_REFUSED[self.kind]):
            self.struck = self.struck or name
            code = _ERRORS[self.kind]
            raise OSError(code, os.strerror(code), name)

    def concerns(self, path: object) -> bool:
        """Whether a path is one that counts; locks never do."""
        if isinstance(path, int):
            return False
        text = os.fsdecode(path)  # type: ignore[call-overload]
        lock = text.endswith(".lock") and self.kind != "read-only"
        return not lock and (text.startswith(self.folder) or not os.path.isabs(text))

    @contextlib.contextmanager
    def watched(self) -> Iterator["Disk"]:
        """While the block runs, every call that writes is counted."""
        with contextlib.ExitStack() as stack:
            for owner, name, call in self._calls():
                stack.enter_context(mock.patch.object(owner, name, call))
            yield self

    def _calls(self) -> Iterator[tuple[Any, str, Callable]]:
        for name in ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "link", "symlink", "truncate", "chmod"):
            yield os, name, self._of_path(name, getattr(os, name))
        yield os, "fsync", self._always("fsync", os.fsync)
        yield os, "open", self._os_open(os.open)
        opened = self._open(builtins.open)
        yield builtins, "open", opened
        yield io, "open", opened
        yield lance, "write_dataset", self._write_dataset(lance.write_dataset)
        for name in ("delete", "add_columns", "restore", "cleanup_old_versions", "drop_columns", "update", "merge"):
            yield LanceDataset, name, self._always(f"lance.{name}", getattr(LanceDataset, name))
        compact, execute = DatasetOptimizer.compact_files, MergeInsertBuilder.execute
        yield DatasetOptimizer, "compact_files", self._always("lance.compact_files", compact, _tear_compaction)
        yield MergeInsertBuilder, "execute", self._always("lance.execute", execute)
        yield faiss, "write_index", self._always("faiss.write_index", faiss.write_index, _tear_index)
        yield shutil, "rmtree", _unsafe_rmtree

    def _always(self, name: str, original: Callable, tear: Callable = lambda *_, **__: None) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            self.write(name, lambda: tear(*args, **options))
            return original(*args, **options)

        return call

    def _of_path(self, name: str, original: Callable) -> Callable:
        def call(path: Any, *args: Any, **options: Any) -> Any:
            nothing = name == "mkdir" and os.path.isdir(path)  # no change: it says that the folder is there
            if self.concerns(path) and not nothing:
                self.write(name, lambda: None)
            return original(path, *args, **options)

        return call

    def _write_dataset(self, original: Callable) -> Callable:
        def call(table: Any, uri: Any, *args: Any, **options: Any) -> Any:
            if not str(uri).startswith("memory:"):
                self.write("lance.write_dataset", lambda: _tear_table(Path(uri)))
            return original(table, uri, *args, **options)

        return call

    def _os_open(self, original: Callable) -> Callable:
        def call(path: Any, flags: int, *args: Any, **options: Any) -> Any:
            if flags & _WRITE_FLAGS and self.concerns(path):
                self.write("open", lambda: os.close(original(path, flags, *args, **options)))
            return original(path, flags, *args, **options)

        return call

    def _open(self, original: Callable) -> Callable:
        def call(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if set(mode) & set("wax+") and self.concerns(file):
                self.write("open", lambda: original(file, mode, *args, **options).close())
            return original(file, mode, *args, **options)

        return call


def _unsafe_rmtree(path: Any, ignore_errors: bool = False, onerror: Any = None) -> None:
    """`shutil.rmtree` by whole paths, so that each of its removals is one write."""
    try:
        for base, folders, names in os.walk(path, topdown=False):
            for name in names:
                os.unlink(os.path.join(base, name))
            for name in folders:
                inner = os.path.join(base, name)
                os.unlink(inner) if os.path.islink(inner) else os.rmdir(inner)
        os.rmdir(path)
    except OSError:
        if not ignore_errors:
            raise


def _tear_table(table: Path) -> None:
    """Lance writes its data files first, the version that names them last."""
    (table / "data").mkdir(parents=True, exist_ok=True)
    (table / "data" / "torn.lance").write_bytes(b"LANC")


def _tear_compaction(optimizer: Any, *args: Any, **options: Any) -> None:
    _tear_table(Path(optimizer._dataset.uri))


def _tear_index(index: Any, path: str, *args: Any) -> None:
    Path(path).write_bytes(b"half")
