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

from mmasc.collection.space import SpaceReader
from mmasc.windows.units import unit_float32

# Candidates per hit whose scores are worked out again from the stored float32 vectors: fp16 may swap near ties
_CANDIDATES = 2
_MORE_CANDIDATES = 20
# Equal scores beyond so many are taken in the order of the store
_MOST_TIES = 4_096
# Windows on each side of the best that are looked at first; then twice as many, and so on
_NEIGHBOURS = 8
# Seconds: edges that differ by less than a sample are one
_SAME = 1e-6


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
    scores = _Scores(reader, target, wanted.silence_too)
    joining = None if wanted.windows else _Joining(reader, scores, allowed, wanted.gap)
    found: list[Moment] = []
    hits_of: Counter[int] = Counter()
    for position in _ranked(reader, target, wanted, waiting, scores, place):
        if joining is None:
            score = float(scores.of(np.array([position]))[0])
            found.append(Moment(position, score, float(reader.start[position]), float(reader.end[position])))
        else:
            moment, covered = joining.around(position)
            found.append(moment)
            waiting.take(covered)
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


class _Scores:
    """Scores of windows, worked out from their stored vectors when first asked for, each always from itself alone.

    Where a window answers nothing (its vector is damaged, or silent where words are asked) it is minus infinity.
    """

    def __init__(self, reader: SpaceReader, target: Float32[np.ndarray, " dim"], silence_too: bool) -> None:
        self._reader, self._target, self._silence_too = reader, target, silence_too
        self._known: dict[int, float] = {}

    def of(self, positions: Int[np.ndarray, " item"]) -> Float32[np.ndarray, " item"]:
        unknown = [one for one in positions.tolist() if one not in self._known]
        if unknown:
            scores = self._worked_out(self._reader.vectors(np.array(unknown, np.int64)))
            self._known.update(zip(unknown, scores.tolist(), strict=True))
        return np.array([self._known[one] for one in positions.tolist()], np.float32)

    def _worked_out(self, vectors: Float32[np.ndarray, "item dim"]) -> Float32[np.ndarray, " item"]:
        # Not a matrix product: its last bit hangs on how many windows are asked for together
        scores = np.einsum("ij,j->i", unit_float32(vectors), self._target)
        answers = np.isfinite(vectors).all(axis=1)
        if not self._silence_too:
            answers &= ~self._reader.is_silence(vectors)
        return np.where(answers, scores, -np.inf).astype(np.float32)

    def look_ahead(self, positions: Int[np.ndarray, " item"], first: int) -> None:
        """Work out windows, and the neighbours of the first few, in one go: joining asks for most of these."""
        near = positions[:first, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
        self.of(np.union1d(positions, near.clip(0, len(self._reader) - 1)))

    def usual(self) -> float:
        """The median of windows spread evenly over the space."""
        spread = self._worked_out(self._reader.spread)
        answering = spread[np.isfinite(spread)]
        return float(np.median(answering)) if len(answering) else 0.0


def _ranked(
    reader: SpaceReader,
    target: Float32[np.ndarray, " dim"],
    wanted: Wanted,
    waiting: _Waiting,
    scores: _Scores,
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


class _Joining:
    """Joins windows to moments, and remembers the moments, since later ones must not overlap them."""

    def __init__(
        self, reader: SpaceReader, scores: _Scores, allowed: Bool[np.ndarray, " window"] | None, gap: float | None
    ) -> None:
        self._reader, self._scores, self._allowed = reader, scores, allowed
        self._gap = reader.space.hop_seconds if gap is None else gap
        self._usual = scores.usual()
        self._found: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def around(self, seed: int) -> tuple[Moment, Int[np.ndarray, " item"]]:
        """The moment around a window, and the windows that it covers wholly or in part."""
        reader = self._reader
        lane = int(reader.recording[seed]), int(reader.lane[seed])
        track = reader.of_recording(lane[0])
        track = track[reader.lane[track] == lane[1]]
        track = track[np.lexsort((track, reader.end[track], reader.start[track]))]
        earlier = self._found.setdefault(lane, [])
        free = self._lies_free(track, seed, earlier)
        free = track[free if self._allowed is None else free & self._allowed[track]]
        while True:
            joined = self._joined(seed, free)
            scores = self._scores.of(joined)
            best = int(joined[np.lexsort((joined, -scores))[0]])
            if best == seed or not scores.max() > self._scores.of(np.array([seed]))[0]:
                break
            seed = best  # an approximate index had not proposed it
        start, end = float(reader.start[joined].min()), float(reader.end[joined].max())
        earlier.append((start, end))
        covered = track[(reader.start[track] < end - _SAME) & (reader.end[track] > start + _SAME)]
        return Moment(seed, float(self._scores.of(np.array([seed]))[0]), start, end), covered

    def _lies_free(self, track: np.ndarray, seed: int, earlier: list[tuple[float, float]]) -> Bool[np.ndarray, " item"]:
        """Which windows lie between the moments before and after the seed that are found already."""
        starts, ends = self._reader.start, self._reader.end
        lower = max((end for _, end in earlier if end <= starts[seed] + _SAME), default=-np.inf)
        upper = min((start for start, _ in earlier if start >= ends[seed] - _SAME), default=np.inf)
        return (starts[track] >= lower - _SAME) & (ends[track] <= upper + _SAME)

    def _joined(self, seed: int, free: np.ndarray) -> Int[np.ndarray, " item"]:
        """The windows of the moment around a window."""
        best = float(self._scores.of(np.array([seed]))[0])
        floor = self._usual + (best - self._usual) / 2
        at = int(np.flatnonzero(free == seed)[0])
        return np.array([*self._walk(seed, free[:at][::-1], floor), seed, *self._walk(seed, free[at + 1 :], floor)])

    def _walk(self, seed: int, neighbours: np.ndarray, floor: float) -> list[int]:
        """Good windows on one side, nearest first, up to the first gap that is too long."""
        starts, ends = self._reader.start, self._reader.end
        start, end = starts[seed], ends[seed]
        joined: list[int] = []
        first, count = 0, _NEIGHBOURS
        while first < len(neighbours):
            some = neighbours[first : first + count]
            good = self._scores.of(some) >= floor
            for position in some[good].tolist():
                if starts[position] > end + self._gap + _SAME or ends[position] < start - self._gap - _SAME:
                    return joined
                joined.append(position)
                start, end = min(start, starts[position]), max(end, ends[position])
            last = some[-1]
            if starts[last] > end + self._gap + _SAME or ends[last] < start - self._gap - _SAME:
                return joined
            first, count = first + count, 2 * count
        return joined
