"""Sounds, pictures and weights of a question, as people give them."""

from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio.memory import MemorySound, as_source, is_one
from mmasc.inputs import check_picture
from mmasc.windows.units import unit_float32


def as_sounds(sounds: Any) -> tuple[Path | MemorySound, ...]:
    """One sound or several in any container."""
    several = () if sounds is None else (sounds,) if is_one(sounds) else tuple(sounds)
    return tuple(as_source(sound) for sound in several)


def as_pictures(pictures: Any) -> tuple[Any, ...]:
    """One picture or several in any container.

    Raises:
        ValueError: If one is not a picture.
    """
    if pictures is None:
        return ()
    array = isinstance(pictures, np.ndarray)
    one = isinstance(pictures, str | Path) or hasattr(pictures, "convert") or (array and pictures.ndim <= 3)
    several = (pictures,) if one and not (array and pictures.dtype.kind in "OU") else tuple(pictures)
    for picture in several:
        if not isinstance(picture, str | Path):
            check_picture(picture)
    return several


def as_weights(weights: Any, items: int, name: str) -> tuple[float, ...] | None:
    """Weights of some items; None where none are given.

    Raises:
        ValueError: If there is not one for each item, or one is not above 0.
    """
    if weights is None:
        return None
    given = tuple(float(one) for one in np.atleast_1d(np.asarray(weights, np.float64)))
    if len(given) != items:
        raise ValueError(f"{name} must be one for each of the {items} asked, got {len(given)}")
    if not all(0 < one < np.inf for one in given):
        raise ValueError(f"{name} must be above 0, got {', '.join(f'{one:g}' for one in given)}")
    return given


def mean_of(vectors: np.ndarray, weights: tuple[float, ...] | None, sizes: tuple[int, int, int]) -> np.ndarray:
    """Weighted mean of unit vectors, `[dim]`.

    Args:
        vectors: Those of vectors, then of stored moments, texts, images and sounds, `[item dim]`.
        weights: Those of texts, then of sounds, images, vectors and stored moments; None: all are alike.
        sizes: How many texts, sounds and images there are.
    """
    units = unit_float32(vectors)
    if weights is None:
        return units.mean(axis=0)
    first, second, third = np.cumsum(sizes).tolist()
    ordered = [*weights[third:], *weights[:first], *weights[second:third], *weights[first:second]]
    return np.average(units, axis=0, weights=ordered).astype(np.float32)
