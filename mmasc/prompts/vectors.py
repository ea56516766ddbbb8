"""Vectors of prompts → one vector per label."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.errors import MmascError
from mmasc.windows.units import unit_float64


def label_vectors(
    vectors: Float[np.ndarray, "prompt dim"],
    labels: Sequence[Any] | np.ndarray,
    weights: Float[np.ndarray, " prompt"] | None = None,
) -> tuple[np.ndarray, Float[np.ndarray, "class dim"]]:
    """One unit vector per label: the mean of its prompts' unit vectors, made a unit vector again.

    Args:
        vectors: Vectors of prompts, of any length but zero.
        labels: One for each prompt.
        weights: What each prompt counts in the mean; default: all alike.
    Returns:
        The labels in the order in which they first come, and their vectors in float64.
    Raises:
        MmascError: If the vectors of a label are zero, cancel out, or are not finite.
    """
    units, names = unit_float64(vectors), np.asarray(labels)
    classes = names[np.sort(np.unique(names, return_index=True)[1])]
    of_labels = [names == label for label in classes]
    if weights is None:
        means = np.stack([units[own].mean(axis=0) for own in of_labels])
    else:
        means = np.stack([np.average(units[own], axis=0, weights=weights[own]) for own in of_labels])
    for label, length in zip(classes, np.linalg.norm(means, axis=1), strict=True):
        if not length > 1e-6:
            raise MmascError(f"the prompts of {str(label)!r} have no direction in this space; use other words")
    return classes, unit_float64(means)
