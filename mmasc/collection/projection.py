"""Where the windows of a space lie on a map: two principal axes of their vectors; a rough map, and quick."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from mmasc.collection.space import SpaceReader
from mmasc.windows.units import unit_float32

_AT_ONCE = 65_536

# Vectors of some windows of a space `[window dim]`
Vectors = Callable[[SpaceReader, np.ndarray], np.ndarray]


def principal_axes(vectors: Vectors, reader: SpaceReader) -> Float[np.ndarray, "window 2"]:
    """Unit vectors on their first two principal axes, scaled together into [-1, 1].

    The sign of an axis is such that its largest coordinate is positive.

    Args:
        vectors: Reads them, some at a time: what is not finite counts as 0.
        reader: The space.
    """

    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray]]:
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
