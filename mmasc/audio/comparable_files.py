"""Waveforms for comparison, in temporary files on the disk, so that memory does not grow with their number."""

import tempfile
from collections import OrderedDict
from pathlib import Path
from types import TracebackType

import numpy as np

from mmasc.audio.similarity import comparable

_MOST_BYTES = 2 << 30  # on the disk: 18 hours; a single longer recording is kept as well


class ComparableFiles:
    """Waveforms of `comparable`, each decoded once while there is room; a context manager that removes its files.

    Args:
        most_bytes: Bytes on the disk after which those used longest ago are removed.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[str, tuple[Path, int]] = OrderedDict()
        self._count = 0

    def __enter__(self) -> "ComparableFiles":
        self._folder = tempfile.TemporaryDirectory(prefix="mmasc-compare-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def get(self, path: str) -> np.ndarray:
        """The waveform of a recording, float32 `[time]`, as a map of a file.

        Raises:
            MmascError: If the recording cannot be read.
        """
        if path not in self._held:
            self._decode(path)
        self._held.move_to_end(path)
        file, size = self._held[path]
        return np.memmap(file, np.float32, "r") if size else np.zeros(0, np.float32)

    def _decode(self, path: str) -> None:
        self._count += 1
        file = Path(self._folder.name) / str(self._count)
        with file.open("wb") as out:
            for block in comparable(path):
                out.write(np.ascontiguousarray(block).data)
        self._held[path] = (file, file.stat().st_size)
        # The newest two always stay, however large they are: a comparison needs both
        while len(self._held) > 2 and sum(size for _, size in self._held.values()) > self._most_bytes:
            oldest, _ = self._held.popitem(last=False)[1]
            oldest.unlink()
