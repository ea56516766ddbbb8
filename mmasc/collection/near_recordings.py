"""Vectors of a space → pairs of recordings that have windows near each other, and so may hold the same sound."""

import numpy as np

from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.windows.units import unit_float32

_NEAR_COSINE = 0.7  # of windows of two recordings that are worth a look
_NEIGHBOURS = 20  # of each window
_PARTNERS = 40  # of each recording: the nearest
_WINDOWS_AT_ONCE = 1_024


def candidates(collection: Snapshot, reader: SpaceReader, allowed: np.ndarray | None = None) -> set[tuple[int, int]]:
    """Pairs of rows of recordings, the lower one first, that have windows near each other.

    Of every recording the nearest forty others, by the cosine of the nearest two windows; silence is near nothing.
    """
    pairs: set[tuple[int, int]] = set()
    order = np.argsort(reader.recording, kind="stable")
    order = order if allowed is None else order[allowed[order]]
    best: dict[int, float] = {}
    current = -1
    for first in range(0, len(order), _WINDOWS_AT_ONCE):
        positions = order[first : first + _WINDOWS_AT_ONCE]
        vectors = reader.vectors(positions)
        usable = np.isfinite(vectors).all(axis=1) & ~reader.is_silence(vectors) & vectors.any(axis=1)
        positions = positions[usable]
        scores, found = reader.search(unit_float32(vectors[usable]), _NEIGHBOURS + 1, allowed)
        for position, near, places in zip(positions, scores, found, strict=True):
            recording = int(reader.recording[position])
            if recording != current:
                pairs |= _nearest(collection, current, best)
                current, best = recording, {}
            for other, score in zip(reader.recording[places].tolist(), near.tolist(), strict=True):
                if other != recording and score >= _NEAR_COSINE:
                    best[other] = max(score, best.get(other, -1.0))
    return pairs | _nearest(collection, current, best)


def _nearest(collection: Snapshot, recording: int, best: dict[int, float]) -> set[tuple[int, int]]:
    """Pairs of rows of one recording and those nearest to it."""
    others = sorted(best, key=lambda other: (-best[other], other))[:_PARTNERS]
    rows = [(collection.row_of[recording], collection.row_of[other]) for other in others]
    return {(min(one, other), max(one, other)) for one, other in rows}
