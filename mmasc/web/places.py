"""The maps of a session's spaces, computed in the background, once per space; and the points inside a polygon."""

from concurrent.futures import Future

import numpy as np
from jaxtyping import Bool, Float

from mmasc.collection.projection import Vectors, principal_axes
from mmasc.collection.space import SpaceReader
from mmasc.web.worker import Worker


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


def inside_polygon(points: Float[np.ndarray, "point 2"], polygon: np.ndarray) -> Bool[np.ndarray, " point"]:
    """Which points lie in a polygon `[corner 2]`: a ray to the right crosses its edges an odd number of times."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside
