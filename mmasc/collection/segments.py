"""Which windows of a space lie in which segment of its index, and which segments are to be built.

A segment is an index of its own over windows that follow each other in the store. Full ones hold `segment_rows`
windows and are trained only once. Newer windows are searched exactly until there are enough of them for a segment: an
eighth of the windows in segments that are not full, or `segment_rows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mmasc.collection.index import IndexPolicy, VectorIndex

# A segment is built again when a tenth of it is gone
GONE_SHARE = 0.10
_LEAST_ROWS = 65_536
# Of the windows in segments that are not full: so many new ones make the next segment
_NEXT_SHARE = 8
# The exact tail on the disk is written again when it lacks more than a quarter of its own size
_FRESH_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Placed:
    """A segment, and where its rows are among the windows of a space.

    Attributes:
        name: Name of its folder; "" for one that has none of its own.
        index: The index.
        first, last: Its windows lie from position `first` on, before `last`.
        places: Position of each of its rows, -1 where the window is gone, int64 `[row]`; None where the rows are just
            the windows from `first` to `last`.
    """

    name: str
    index: VectorIndex
    first: int
    last: int
    places: Int[np.ndarray, " row"] | None

    @property
    def gone(self) -> int:
        """How many of its windows are gone."""
        return 0 if self.places is None else int((self.places < 0).sum())

    @property
    def trained(self) -> bool:
        """Whether it is more than a copy of its vectors."""
        return self.index.kind != "flat"


class Piece(NamedTuple):
    """Windows from position `first` on, before `last`, that are to become a segment of this kind."""

    first: int
    last: int
    kind: str


class Places:
    """Positions of windows by row id."""

    def __init__(self, row_ids: Int[np.ndarray, " window"]) -> None:
        self._row_ids = row_ids
        self._order = None if _ascending(row_ids) else np.argsort(row_ids, kind="stable")

    def place(self, name: str, index: VectorIndex) -> Placed:
        """Where the rows of an index are."""
        rows, ids, count = index.row_ids, self._row_ids, len(index.row_ids)
        if self._order is None and count:
            first = int(np.searchsorted(ids, rows[0]))
            if np.array_equal(ids[first : first + count], rows):
                return Placed(name, index, first, first + count, None)
        if not len(ids) or not count:
            return Placed(name, index, 0, 0, np.full(count, -1))
        where = np.minimum(np.searchsorted(ids, rows, sorter=self._order), len(ids) - 1)
        where = where if self._order is None else self._order[where]
        places = np.where(ids[where] == rows, where, -1)
        there = places[places >= 0]
        bounds = (int(there.min()), int(there.max()) + 1) if len(there) else (0, 0)
        return Placed(name, index, *bounds, places)


def usable(placed: Sequence[Placed]) -> list[Placed]:
    """Those of some segments that are searched: few of their windows are gone, and none lies in two of them.

    Where segments overlap, as after a builder was killed, the larger one counts. In the order of the store.
    """
    kept: list[Placed] = []
    for one in sorted(placed, key=lambda one: (not one.trained, -len(one.index), one.name)):
        worn = one.gone > GONE_SHARE * len(one.index) or one.first == one.last
        if not worn and all(one.last <= other.first or other.last <= one.first for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.first)


def outside(placed: Sequence[Placed], count: int) -> Int[np.ndarray, " window"]:
    """Positions of the windows that lie in no segment, of `count`."""
    inside: Bool[np.ndarray, " window"] = np.zeros(count, bool)
    for one in placed:
        if one.places is None:
            inside[one.first : one.last] = True
        else:
            inside[one.places[one.places >= 0]] = True
    return np.flatnonzero(~inside)


def missing(
    placed: Sequence[Placed], count: int, dim: int, policy: IndexPolicy, join: bool = False
) -> tuple[list[Piece], list[Placed]]:
    """What is to be built so that the index of a space is as it should be.

    Args:
        placed: Segments that are there, of `usable`.
        count: Windows of the space.
        dim: Numbers in a vector.
        policy: Kinds and sizes.
        join: Whether segments that are not full are built again as full ones, where there are enough of them.
    Returns:
        Pieces in the order of the store, and those of `placed` that they take the place of.
    """
    rows, kind = policy.segment_rows, policy.kind(count, dim)
    kept = [one for one in placed if one.trained]
    small = [one for one in kept if len(one.index) < rows]
    if join and len(small) > 1 and sum(len(one.index) for one in small) >= rows:
        kept, small = [one for one in kept if one not in small], []
    least = max(1, min(_LEAST_ROWS, policy.flat_numbers // (8 * dim)))
    least = min(rows, max(least, sum(len(one.index) for one in small) // _NEXT_SHARE))
    pieces: list[Piece] = []
    at = 0
    for first, last in [*((one.first, one.last) for one in kept), (count, count)]:
        for begin in range(at, first, rows):
            end = min(begin + rows, first)
            pieces.append(Piece(begin, end, kind if end - begin >= least else "flat"))
        at = max(at, last)
    tails = [one for one in placed if not one.trained]
    wanted = [piece for piece in pieces if piece.kind != "flat" or not _covered(piece, tails, least)]
    replaced = [one for one in placed if one not in kept and any(_meet(one, piece) for piece in wanted)]
    return wanted, replaced


def _covered(piece: Piece, tails: Sequence[Placed], least: int) -> bool:
    """Whether few of the windows of an exact piece lie in no tail: those are looked through in memory."""
    inside = sum(min(piece.last, one.last) - max(piece.first, one.first) for one in tails if _meet(one, piece))
    lacking = piece.last - piece.first - inside
    return lacking <= max(_FRESH_SHARE * inside, least // _NEXT_SHARE)


def _meet(one: Placed, piece: Piece) -> bool:
    return one.first < piece.last and piece.first < one.last


def _ascending(values: np.ndarray) -> bool:
    step = 1 << 20
    return all(
        bool((values[first + 1 : first + step + 1] > values[first : min(first + step, len(values) - 1)]).all())
        for first in range(0, len(values) - 1, step)
    )
