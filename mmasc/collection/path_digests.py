"""Paths of a table of recordings by sorted 64-bit digests: 16 bytes per path, and no Python objects."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Int

_AT_ONCE = 65_536


class PathDigests:
    """Rows in which a path may stand; who asks compares the paths themselves, since digests may be equal by chance.

    Args:
        pieces: The column of paths, a piece after the other, in the order of the rows.
    """

    def __init__(self, pieces: Iterable[pa.ChunkedArray]) -> None:
        joined = np.concatenate([np.zeros(0, np.int64), *(digests_of(piece) for piece in pieces)])
        self._order = np.argsort(joined, kind="stable")
        self._digests = joined[self._order]

    def rows(self, path: str) -> list[int]:
        """Rows in which this path may stand."""
        if not len(self._digests):
            return []
        digest = hash(path)
        first = int(self._digests.searchsorted(digest))
        last = first
        while last < len(self._digests) and self._digests[last] == digest:
            last += 1
        return self._order[first:last].tolist()

    def candidates(self, paths: Sequence[str]) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
        """Places among some paths, and rows in which the path at this place may stand."""
        wanted = digests_of(pa.chunked_array([pa.array(paths, pa.string())]))
        first = np.searchsorted(self._digests, wanted, "left")
        counts = np.searchsorted(self._digests, wanted, "right") - first
        return np.repeat(np.arange(len(wanted)), counts), self._order[stretches(first, counts)]

    def doubles(self) -> list[Int[np.ndarray, " row"]]:
        """Groups of rows with equal digests: only these can hold one path twice."""
        edges = np.flatnonzero(np.diff(self._digests) != 0) + 1
        bounds = np.concatenate([[0], edges, [len(self._digests)]])
        several = np.flatnonzero(np.diff(bounds) > 1)
        return [self._order[bounds[one] : bounds[one + 1]] for one in several]


def digests_of(paths: pa.ChunkedArray) -> Int[np.ndarray, " item"]:
    """A 64-bit number for each of some texts, int64 `[item]`: Python's own, which differs from process to process."""
    digests = np.empty(len(paths), np.int64)
    for first in range(0, len(paths), _AT_ONCE):
        some = paths.slice(first, _AT_ONCE).to_pylist()
        digests[first : first + len(some)] = np.fromiter(map(hash, some), np.int64, len(some))
    return digests


def stretches(first: Int[np.ndarray, " item"], counts: Int[np.ndarray, " item"]) -> Int[np.ndarray, " number"]:
    """The numbers from each of `first` on, as many as `counts` says, one stretch after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(int(counts.sum()))
