"""The stored form of a fitted head: named arrays with `predict_proba`; and checks of arrays from a file.

Every `load` checks its arrays as if they came from an enemy: what would index out of bounds or walk in circles is
refused.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

Arrays = Mapping[str, np.ndarray]
NUMBERS_AT_ONCE = 4_000_000  # of an intermediate array, about 32 MB


class Predictor:
    """Named arrays with `predict_proba`; a subclass says which.

    Attributes:
        kind: Name of the subclass in files.
        has_ties: Whether equal votes or distances can occur, which rounding then decides.
        n_features: Numbers in a vector.
        n_classes: Columns of the answer.
    """

    kind: ClassVar[str]
    has_ties: ClassVar[bool] = False
    n_features: int
    n_classes: int

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        """Probabilities of unit vectors, float64."""
        raise NotImplementedError

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `load` needs."""
        raise NotImplementedError

    @classmethod
    def load(cls, arrays: Arrays) -> "Predictor":
        """From arrays of a file.

        Raises:
            ValueError: If one is missing, or they do not fit together.
        """
        raise NotImplementedError


def probabilities_of(
    logits: Float[np.ndarray, "item column"], one_column: bool = True
) -> Float[np.ndarray, "item class"]:
    """Softmax; a single column is the log odds of the second of two classes."""
    if one_column and logits.shape[1] == 1:
        second = 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0], -700, 700)))
        return np.stack([1.0 - second, second], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def array_of(arrays: Arrays, name: str, ndim: int) -> np.ndarray:
    """An array by name; ValueError if it is missing, empty or of other axes."""
    require(name in arrays and arrays[name].ndim == ndim and arrays[name].size > 0, f"{name!r} is missing or empty")
    return arrays[name]


def floats_of(arrays: Arrays, name: str, ndim: int, finite: bool = True) -> np.ndarray:
    """A float64 array by name; ValueError if it is another, or holds NaN or infinity where `finite`."""
    array = array_of(arrays, name, ndim)
    require(array.dtype == np.float64, f"{name!r} is not float64")
    require(not finite or bool(np.isfinite(array).all()), f"{name!r} holds NaN or infinity")
    return array


def integers_of(arrays: Arrays, name: str, ndim: int) -> np.ndarray:
    """An int64 array by name; ValueError if it is another."""
    array = array_of(arrays, name, ndim)
    require(array.dtype == np.int64, f"{name!r} is not int64")
    return array


def require(holds: bool | np.bool_, fault: str) -> None:
    """Raise ValueError with the fault unless something holds."""
    if not holds:
        raise ValueError(fault)
