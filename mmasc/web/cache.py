"""Rendered sounds and pictures in a temporary folder; if there are too many, those unused for longest are deleted."""

import contextlib
import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

_MOST_BYTES = 200_000_000


class RenderCache:
    """Files by key; each is made once, also when several ask for it at once.

    Args:
        most_bytes: Size of all files together, at most (one more while it is made).
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mmasc-serve-")
        self._most, self._total = most_bytes, 0
        self._files: OrderedDict[str, tuple[Path, int]] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the files lie; uploads have theirs here as well."""
        return Path(self._folder.name)

    def get(self, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file of a key.

        Args:
            key: What is in it.
            suffix: Ending of its name.
            make: Writes it, if it is missing.
        """
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:40] + suffix
        with self._lock:
            found = self._known(name)
            making = self._making.setdefault(name, threading.Lock()) if found is None else None
        if found is not None or making is None:
            return found or self.folder / name
        with making:
            with self._lock:
                found = self._known(name)
            if found is not None:
                return found
            path = self.folder / name
            try:
                make(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            finally:
                with self._lock:
                    self._making.pop(name, None)
            self._keep(name, path)
            return path

    def close(self) -> None:
        """Delete all files."""
        self._folder.cleanup()

    def _known(self, name: str) -> Path | None:
        if name not in self._files:
            return None
        self._files.move_to_end(name)
        return self._files[name][0]

    def _keep(self, name: str, path: Path) -> None:
        size = path.stat().st_size
        with self._lock:
            self._files[name] = (path, size)
            self._total += size
            while self._total > self._most and len(self._files) > 1:
                _, (old, old_size) = self._files.popitem(last=False)
                self._total -= old_size
                with contextlib.suppress(OSError):
                    old.unlink()


def file_stamp(path: Path) -> str:
    """What changes whenever a recording does, here or on a server."""
    found = path.stat()
    return f"{found.st_mtime_ns}-{found.st_ctime_ns}"
