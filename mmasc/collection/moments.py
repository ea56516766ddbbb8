"""Windows in the order of their scores → hits: single windows, or moments, which are neighbouring good windows joined.

A moment begins at the best window that no moment overlaps yet. Windows of the same recording and lane join it, from
there to both sides, as long as each touches or overlaps what has joined, or lies within a gap of it, and is good: its
score lies at least half way from the usual score of the space to the best of the moment. The usual score is the median
of up to 1,000 windows spread evenly over the space. Moments of one lane never overlap. There is no longest moment: an
hour of rain is one, and its best window says where to listen first.

The rule speaks of all windows, not of those that an index proposed, so an exact index gives what brute force gives.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from mmasc.collection.joining import Joining, Scores
from mmasc.collection.space import SpaceReader

# Candidates per hit whose scores are worked out again from the stored float32 vectors: fp16 may swap near ties
_CANDIDATES = 2
_MORE_CANDIDATES = 20
# Equal scores beyond so many are taken in the order of the store
_MOST_TIES = 4_096


@dataclass(frozen=True)
class Moment:
    """Part of a recording that a search found.

    Attributes:
        best: Position of its best window among those of the space.
        score: Score of that window.
        start, end: In seconds; those of the window itself where nothing is joined.
    """

    best: int
    score: float
    start: float
    end: float


@dataclass(frozen=True)
class Wanted:
    """How many hits of what kind.

    Attributes:
        k: Hits, at most.
        windows: Whether hits are single windows instead of moments.
        spread: Hits of one recording, at most; None for any number.
        gap: Longest gap in seconds between windows of one moment; None for one hop.
        text: Whether words are among what is asked: a modality gap needs more candidates.
        silence_too: Whether digital silence may be found.
    """

    k: int
    windows: bool = False
    spread: int | None = None
    gap: float | None = None
    text: bool = False
    silence_too: bool = False


def find_moments(
    reader: SpaceReader,
    target: Float32[np.ndarray, " dim"],
    wanted: Wanted,
    allowed: Bool[np.ndarray, " window"] | None,
    place: "Place | None" = None,
) -> list[Moment]:
    """The best moments (or windows) of a space, best first.

    Args:
        reader: The space.
        target: What is asked for; scores are inner products with unit vectors.
        wanted: How many of what kind.
        allowed: Which windows may be found and joined; default: all.
        place: What orders windows of equal scores, from their positions; default: the order of the store.
    """
    place = place or (lambda position: position)
    waiting = _Waiting(reader, allowed)
    scores = Scores(reader, target, wanted.silence_too)
    joining = None if wanted.windows else Joining(reader, scores, allowed, wanted.gap)
    found: list[Moment] = []
    hits_of: Counter[int] = Counter()
    for position in _ranked(reader, target, wanted, waiting, scores, place):
        if joining is None:
            best, start, end = position, float(reader.start[position]), float(reader.end[position])
        else:
            best, start, end, covered = joining.around(position)
            waiting.take(covered)
        found.append(Moment(best, scores.one(best), start, end))
        recording = reader.recording[position]
        hits_of[int(recording)] += 1
        if wanted.spread is not None and hits_of[int(recording)] == wanted.spread:
            waiting.take(reader.of_recording(int(recording)))
        if len(found) == wanted.k:
            break
    # An approximate index may propose a better window later
    return sorted(found, key=lambda moment: (-moment.score, place(moment.best)))


# A key of a window's position: windows of equal scores come in its order
Place = Callable[[int], Any]


class _Waiting:
    """Windows that may still be found: those that are allowed without those that were taken."""

    def __init__(self, reader: SpaceReader, allowed: Bool[np.ndarray, " window"] | None) -> None:
        self._count, self._allowed = len(reader), allowed
        self._taken: set[int] = set()
        self._left = len(reader) if allowed is None else int(allowed.sum())

    def __bool__(self) -> bool:
        return self._left > 0

    def __contains__(self, position: int) -> bool:
        return position not in self._taken and (self._allowed is None or bool(self._allowed[position]))

    def take(self, positions: Int[np.ndarray, " item"]) -> None:
        new = {one for one in positions.tolist() if one in self}
        self._taken |= new
        self._left -= len(new)

    def mask(self) -> Bool[np.ndarray, " window"] | None:
        """None where all windows are waiting."""
        if not self._taken:
            return self._allowed
        mask = np.ones(self._count, bool) if self._allowed is None else self._allowed.copy()
        mask[np.fromiter(self._taken, np.int64, len(self._taken))] = False
        return mask


def _ranked(
    reader: SpaceReader,
    target: Float32[np.ndarray, " dim"],
    wanted: Wanted,
    waiting: _Waiting,
    scores: Scores,
    place: Place,
) -> Iterator[int]:
    """Positions of waiting windows, best first; the caller may take windows from `waiting` meanwhile."""
    at_once = _CANDIDATES * wanted.k + _MORE_CANDIDATES
    while waiting:
        _, found = reader.search(target[None], at_once, waiting.mask(), wanted.text)
        positions = found[0]
        if not wanted.windows:
            scores.look_ahead(positions, wanted.k)
        found_scores = scores.of(positions)
        ranked = _in_order(positions, found_scores, place)
        exhausted = len(positions) < at_once
        # The last ones may stand behind windows that are not among them, by the rounding of fp16
        sure = len(ranked) if exhausted else len(ranked) - _MORE_CANDIDATES
        # So may those whose scores equal that of the last one
        edge = found_scores[-1] if not exhausted and at_once <= _MOST_TIES else -np.inf
        for position, score in ranked[:sure]:
            if score <= edge and np.isfinite(score):
                break
            if position in waiting:
                waiting.take(np.array([position]))
                if np.isfinite(score):
                    yield position
        if exhausted:
            return
        at_once *= 2


def _in_order(
    positions: Int[np.ndarray, " item"], scores: Float32[np.ndarray, " item"], place: Place
) -> list[tuple[int, float]]:
    """Positions and scores, the best first; equal scores in the order of their places."""
    order = np.lexsort((positions, -scores))
    ranked = list(zip(positions[order].tolist(), scores[order].tolist(), strict=True))
    differ = scores[order][1:] != scores[order][:-1]
    edges = [0, *(np.flatnonzero(differ) + 1).tolist(), len(ranked)]
    for first, last in pairwise(edges):
        if last - first > 1:
            ranked[first:last] = sorted(ranked[first:last], key=lambda one: place(one[0]))
    return ranked
