"""Vectors of prompts → one vector per label."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mmasc.errors import MmascError


def unit_rows(vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    """float64 vectors of length 1; a zero vector stays zero."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def label_vectors(
    vectors: Float[np.ndarray, "prompt dim"], labels: Sequence[str] | np.ndarray
) -> tuple[np.ndarray, Float[np.ndarray, "class dim"]]:
    """One unit vector per label: the mean of its prompts' unit vectors, made a unit vector again.

    Args:
        vectors: Vectors of prompts, of any length but zero.
        labels: One for each prompt.
    Returns:
        The labels in the order in which they first come, and their vectors in float64.
    Raises:
        MmascError: If the vectors of a label are zero, cancel out, or are not finite.
    """
    classes = np.array(list(dict.fromkeys(labels)))
    units, names = unit_rows(vectors), np.asarray(labels)
    means = np.stack([units[names == label].mean(axis=0) for label in classes])
    for label, length in zip(classes, np.linalg.norm(means, axis=1), strict=True):
        if not length > 1e-6:
            raise MmascError(f"the prompts of {str(label)!r} have no direction in this space; say them otherwise")
    return classes, unit_rows(means)
