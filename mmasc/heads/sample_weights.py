"""Recordings and their weights → those with a weight above zero, as scikit-learn's `sample_weight` has it."""

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight


def weighted(X: np.ndarray, y: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:  # noqa: N803
    """Vectors, labels and weights of the recordings that have a weight; without weights all of them, and None."""
    if sample_weight is None:
        return X, y, None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if not (weights >= 0).all() or not weights.any():
        raise ValueError("sample_weight must be 0 or more, and above 0 for some recording")
    return X[weights > 0], y[weights > 0], weights[weights > 0]
