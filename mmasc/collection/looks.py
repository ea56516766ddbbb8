"""Digests of files, computed once for each file as long as it does not change."""

from dataclasses import replace
from pathlib import Path

from mmasc.collection.stamps import Stamp
from mmasc.errors import MmascError
from mmasc.storage.contents import digest_of


class Looks:
    """What files hold, as they were when they were read."""

    def __init__(self) -> None:
        self._seen: dict[Path, Stamp] = {}

    def at(self, path: Path) -> Stamp | None:
        """A file now, with its digest; None where it cannot be read or changes meanwhile: embedding it says why."""
        try:
            before = Stamp.of(path.stat())
            seen = self._seen.get(path)
            if seen is None or not seen.untouched(before):
                seen = replace(before, digest=digest_of(path))
                if not seen.untouched(Stamp.of(path.stat())):
                    return None
                self._seen[path] = seen
            return seen
        except (OSError, MmascError):
            return None
