"""Where the windows of a space lie on a map: two principal axes of their vectors; a rough map, and quick.

Worked out in the background, once for a space.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mmasc.collection.space import SpaceReader
from mmasc.web.worker import Worker
from mmasc.windows.units import unit_float32

_AT_ONCE = 65_536

# Vectors of some windows of a space `[window dim]`
Vectors = Callable[[SpaceReader, np.ndarray], np.ndarray]


class Maps:
    """Positions on the maps of a session's spaces, by the reader that they belong to.

    Args:
        vectors: Reads them.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._thread: Worker | None = None
        self._known: dict[tuple[str, int], Future[Float[np.ndarray, "window 2"]]] = {}

    def of(self, reader: SpaceReader) -> "Future[np.ndarray]":
        """Where each window lies, float32 `[window 2]`; begins to work it out, if that is not done yet."""
        key = (reader.name, reader.space.version or 0)
        if key not in self._known:
            for old in [one for one in self._known if one[0] == reader.name]:
                del self._known[old]
            self._thread = self._thread or Worker("mmasc-map")
            self._known[key] = self._thread.submit(principal_axes, self._vectors, reader)
        return self._known[key]


def principal_axes(vectors: Vectors, reader: SpaceReader) -> Float[np.ndarray, "window 2"]:
    """Unit vectors on their first two principal axes, scaled together into [-1, 1].

    The sign of an axis is such that its largest coordinate is positive.
    """

    def pieces() -> Any:
        for first in range(0, len(reader), _AT_ONCE):
            some = np.arange(first, min(first + _AT_ONCE, len(reader)))
            yield some, unit_float32(np.nan_to_num(vectors(reader, some)))

    dim = reader.space.dim
    total, products = np.zeros(dim), np.zeros((dim, dim))
    for _, units in pieces():
        total += units.sum(axis=0, dtype=np.float64)
        products += units.T @ units
    mean = total / max(len(reader), 1)
    _, axes = np.linalg.eigh(products / max(len(reader), 1) - np.outer(mean, mean))
    best = axes[:, ::-1][:, :2].astype(np.float32)
    places = np.zeros((len(reader), 2), np.float32)
    for some, units in pieces():
        places[some, : best.shape[1]] = (units - mean.astype(np.float32)) @ best
    if len(places):
        places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1).astype(np.float32)
        places /= max(float(np.abs(places).max()), 1e-12)
    return places


def inside_polygon(points: Float[np.ndarray, "point 2"], polygon: np.ndarray) -> Bool[np.ndarray, " point"]:
    """Which points lie in a polygon `[corner 2]`: a ray to the right crosses its edges an odd number of times."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside
