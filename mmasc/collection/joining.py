"""Scores of windows, worked out when first asked for, and neighbouring good windows joined to moments.

The rule stands in `moments`. What is worked out for one hit is kept for the others of the same search.
"""

import math

import numpy as np
from jaxtyping import Bool, Float32, Int

from mmasc.collection.space import SpaceReader
from mmasc.collection.tracks import SAME
from mmasc.windows.units import unit_float32

# Windows on each side of the best that are looked at first; then twice as many, and so on
_NEIGHBOURS = 8


class Scores:
    """Scores of windows, worked out from their stored vectors when first asked for, each always from itself alone.

    Where a window answers nothing (its vector is damaged, or silent where words are asked) it is minus infinity.

    Args:
        reader: The space.
        target: What is asked for.
        silence_too: Whether digital silence may answer.
    """

    def __init__(self, reader: SpaceReader, target: Float32[np.ndarray, " dim"], silence_too: bool) -> None:
        self._reader, self._target, self._silence_too = reader, target, silence_too
        self._known: dict[int, float] = {}  # numbers of float32

    def of(self, positions: Int[np.ndarray, " item"]) -> Float32[np.ndarray, " item"]:
        """Scores of windows."""
        return np.array(self.listed(positions.tolist()), np.float32)

    def one(self, position: int) -> float:
        """The score of a window."""
        known = self._known.get(position)
        return self.listed([position])[0] if known is None else known

    def listed(self, positions: list[int]) -> list[float]:
        """Scores of windows, for those who ask for a few."""
        known = self._known
        unknown = [one for one in positions if one not in known]
        if unknown:
            scores = self._worked_out(self._reader.vectors(np.array(unknown, np.int64)))
            known.update(zip(unknown, scores.tolist(), strict=True))
        return [known[one] for one in positions]

    def _worked_out(self, vectors: Float32[np.ndarray, "item dim"]) -> Float32[np.ndarray, " item"]:
        scores = self._products(unit_float32(vectors))
        answers = np.isfinite(vectors).all(axis=1)
        if not self._silence_too:
            answers &= ~self._reader.is_silence(vectors)
        return np.where(answers, scores, -np.inf).astype(np.float32)

    def _products(self, units: Float32[np.ndarray, "item dim"]) -> Float32[np.ndarray, " item"]:
        # Not a matrix product: its last bit hangs on how many windows are asked for together
        products: np.ndarray = np.einsum("ij,j->i", units, self._target)
        return products

    def look_ahead(self, positions: Int[np.ndarray, " item"], first: int) -> None:
        """Work out windows, and the neighbours of the first few, in one go: joining asks for most of these."""
        near = positions[:first, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
        self.listed(np.union1d(positions, near.clip(0, len(self._reader) - 1)).tolist())

    def usual(self) -> float:
        """The median of windows spread evenly over the space."""
        units, silent = self._reader.spread
        answering = self._products(units if self._silence_too else units[~silent])
        return float(np.median(answering)) if len(answering) else 0.0


class Joining:
    """Joins windows to moments, and remembers the moments, since later ones must not overlap them.

    Args:
        reader: The space.
        scores: Scores of its windows.
        allowed: Which windows may be joined; default: all.
        gap: Longest gap in seconds; None for one hop.
    """

    def __init__(
        self, reader: SpaceReader, scores: Scores, allowed: Bool[np.ndarray, " window"] | None, gap: float | None
    ) -> None:
        self._reader, self._scores, self._allowed = reader, scores, allowed
        self._gap = reader.space.hop_seconds if gap is None else gap
        self._usual = scores.usual()
        self._found: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def around(self, seed: int) -> tuple[int, float, float, Int[np.ndarray, " item"]]:
        """The moment around a window.

        Returns:
            Its best window, where it starts and ends, and the windows that it covers wholly or in part.
        """
        reader = self._reader
        of = int(reader.recording[seed]), int(reader.lane[seed])
        track, earlier = reader.tracks.of(*of), self._found.setdefault(of, [])
        lower, upper = self._room(seed, earlier)
        free = track.between(lower, upper)
        if self._allowed is not None:
            free = free[self._allowed[free]]
        while True:
            joined, start, end = self._joined(seed, free)
            scores = self._scores.listed(joined)
            highest, best = min((-score, position) for score, position in zip(scores, joined, strict=True))
            if -highest <= self._scores.one(seed):
                break
            seed = best  # an approximate index had not proposed it
        earlier.append((start, end))
        return seed, start, end, track.touching(start, end)

    def _room(self, seed: int, earlier: list[tuple[float, float]]) -> tuple[float, float]:
        """Between which seconds the seed's moment may lie: between those before and after it that are found already."""
        if not earlier:
            return -math.inf, math.inf
        begins, ends = float(self._reader.start[seed]), float(self._reader.end[seed])
        lower = max((end for _, end in earlier if end <= begins + SAME), default=-math.inf)
        upper = min((start for start, _ in earlier if start >= ends - SAME), default=math.inf)
        return lower, upper

    def _joined(self, seed: int, free: Int[np.ndarray, " item"]) -> tuple[list[int], float, float]:
        """The windows of the moment around a window, and where it starts and ends."""
        best = self._scores.one(seed)
        # A number of float32, as the scores that it is compared with
        floor = float(np.float32(self._usual + (best - self._usual) / 2))
        at = int(np.flatnonzero(free == seed)[0])
        before, begins, first_end = self._walk(seed, free[:at][::-1], floor)
        after, first_start, ends = self._walk(seed, free[at + 1 :], floor)
        return [*before, seed, *after], min(begins, first_start), max(ends, first_end)

    def _walk(self, seed: int, neighbours: Int[np.ndarray, " item"], floor: float) -> tuple[list[int], float, float]:
        """Good windows on one side, nearest first, up to the first gap that is too long; and their bounds."""
        start, end = float(self._reader.start[seed]), float(self._reader.end[seed])
        joined: list[int] = []
        first, count = 0, _NEIGHBOURS
        while first < len(neighbours):
            some = neighbours[first : first + count]
            starts, ends = self._edges(some)
            positions = some.tolist()
            for score, position, begins, closes in zip(
                self._scores.listed(positions), positions, starts, ends, strict=True
            ):
                if score < floor:
                    continue
                if begins > end + self._gap + SAME or closes < start - self._gap - SAME:
                    return joined, start, end
                joined.append(position)
                start, end = min(start, begins), max(end, closes)
            if starts[-1] > end + self._gap + SAME or ends[-1] < start - self._gap - SAME:
                return joined, start, end
            first, count = first + count, 2 * count
        return joined, start, end

    def _edges(self, positions: Int[np.ndarray, " item"]) -> tuple[list[float], list[float]]:
        """Where windows start and end."""
        return self._reader.start[positions].tolist(), self._reader.end[positions].tolist()
