"""Search over the windows of a space: all its segments in parallel, and windows outside of segments exactly."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Bool, Int

from mmasc.collection.index import IndexPolicy, VectorIndex, import_faiss
from mmasc.collection.segments import Placed
from mmasc.windows.units import unit_float32

Found = tuple[np.ndarray, np.ndarray]  # scores and positions [query hit]
Vectors = Callable[[np.ndarray], np.ndarray]
# Windows that are read at once where all are looked at
AT_ONCE = 50_000
_EXACT = IndexPolicy(flat_numbers=1 << 62, memory_bytes=1 << 62)
_POOL: dict[int, ThreadPoolExecutor] = {}  # by process: threads do not live on in a child


class SpaceIndex:
    """What a space is searched with at one version.

    Args:
        segments: Indexes of parts of the windows.
        rest: Positions of the windows that lie in none.
        count: Number of all windows.
        dim: Numbers in a vector.
        memory_numbers: Up to this many numbers the rest is kept in memory, as fp16; more are read each time.
    """

    def __init__(
        self,
        segments: Sequence[Placed],
        rest: Int[np.ndarray, " item"],
        count: int,
        dim: int,
        memory_numbers: int,
    ) -> None:
        self.segments, self.rest = list(segments), rest
        self._count, self._dim, self._memory_numbers = count, dim, memory_numbers
        self._fresh: VectorIndex | None = None

    @property
    def kind(self) -> str:
        """ "flat" where it is exact up to the rounding of fp16; else the kind of its segments, "ivf" or "rabitq"."""
        trained = [one.index.kind for one in self.segments if one.trained]
        return max(trained) if trained else "flat"

    @property
    def recall(self) -> float:
        """The lowest recall at 10 that was measured on a segment; 1 where it is exact."""
        return min((one.index.recall for one in self.segments), default=1.0)

    @property
    def whole(self) -> bool:
        """Whether one segment holds just these windows in just this order, as it does after every build."""
        one = self.segments[0] if len(self.segments) == 1 else None
        return one is not None and one.places is None and (one.first, one.last) == (0, self._count)

    def search(
        self, queries: np.ndarray, k: int, allowed: Bool[np.ndarray, " window"] | None, text: bool, vectors: Vectors
    ) -> Found:
        """Scores and positions of the k nearest, best first; position -1 where fewer were found.

        `vectors` gives those `[item dim]` of positions; kept here it would keep its reader alive.
        """
        if self.whole:
            return self.segments[0].index.search(queries, k, allowed, text)
        asked: list[Callable[[], Found]] = [
            lambda one=one: _ask(one, queries, k, allowed, text)  # type: ignore[misc]
            for one in self.segments
            if allowed is None or allowed[one.first : one.last].any()
        ]
        if len(self.rest):
            asked.append(lambda: self._ask_rest(queries, k, allowed, vectors))
        return best_of([*_together(asked)], k, len(queries))

    def _ask_rest(self, queries: np.ndarray, k: int, allowed: np.ndarray | None, vectors: Vectors) -> Found:
        if len(self.rest) * self._dim > self._memory_numbers:
            return exact(vectors, queries, k, self.rest if allowed is None else self.rest[allowed[self.rest]])
        if self._fresh is None:
            rest = self.rest

            def scan() -> object:
                for first in range(0, len(rest), AT_ONCE):
                    some = rest[first : first + AT_ONCE]
                    yield some, vectors(some)

            self._fresh = VectorIndex.build(scan, len(rest), self._dim, _EXACT)  # type: ignore[arg-type]
        inside = None if allowed is None else allowed[self.rest]
        scores, found = self._fresh.search(queries, min(k, len(self.rest)), inside)
        return scores, np.where(found >= 0, self.rest[found], -1)


def exact(vectors: Vectors, queries: np.ndarray, k: int, inside: Int[np.ndarray, " item"]) -> Found:
    """Brute force over the windows at these positions, read from the store a piece at a time."""
    best = best_of([], k, len(queries))
    for first in range(0, len(inside), AT_ONCE):
        some = inside[first : first + AT_ONCE]
        scores = queries @ unit_float32(vectors(some)).T
        best = best_of([best, (scores, np.broadcast_to(some, scores.shape))], k, len(queries))
    return best


def best_of(found: Sequence[Found], k: int, queries: int) -> Found:
    """The k best of several answers; those that found nothing (position -1) come last."""
    scores = np.concatenate([np.zeros((queries, 0), np.float32), *(one for one, _ in found)], axis=1)
    positions = np.concatenate([np.zeros((queries, 0), np.int64), *(one for _, one in found)], axis=1)
    scores = np.where(positions >= 0, scores, -np.inf).astype(np.float32)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, 1), np.take_along_axis(positions, best, 1)


def _ask(one: Placed, queries: np.ndarray, k: int, allowed: np.ndarray | None, text: bool) -> Found:
    if one.places is None:
        inside = None if allowed is None else allowed[one.first : one.last]
    else:
        inside = one.places >= 0
        if allowed is not None:
            inside &= allowed[one.places]  # -1 reads the last one, and counts as not inside
    scores, found = one.index.search(queries, min(k, len(one.index)), inside, text)
    places = found + one.first if one.places is None else one.places[found]
    return scores, np.where(found >= 0, places, -1)


def _together(asked: Sequence[Callable[[], Found]]) -> list[Found]:
    """Answers of several parts, each by one thread: FAISS lets go of Python's lock meanwhile."""
    if len(asked) < 2 or (os.cpu_count() or 1) < 2:
        return [ask() for ask in asked]
    number = os.getpid()
    if number not in _POOL:
        _POOL.clear()
        faiss = import_faiss()
        _POOL[number] = ThreadPoolExecutor(
            os.cpu_count(), "mmasc-search", initializer=lambda: faiss.omp_set_num_threads(1)
        )
    return list(_POOL[number].map(lambda ask: ask(), asked))
