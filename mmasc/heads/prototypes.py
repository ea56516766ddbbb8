"""Vectors of a few recordings of each label → the mean of each label, and cosines to it as probabilities.

Source: Snell et al. 2017, "Prototypical networks for few-shot learning", section 2.2, by cosine.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from mmasc.errors import MmascError
from mmasc.heads.decisions import softmax
from mmasc.heads.sample_weights import weighted
from mmasc.prompts.vectors import label_vectors
from mmasc.windows.units import unit_float64

PROTOTYPE_TEMPERATURE = 0.05
_PROTOTYPE_TEMPERATURES = np.logspace(-7.0, 0.0, 169)  # 10 % apart


class Prototypes(ClassifierMixin, BaseEstimator):
    """Cosine to the mean of each label's recordings.

    How far cosines lie apart differs from space to space, so the temperature is that under which every recording's
    label is most likely when its own vector is left out of the mean (Guo et al. 2017, section 4.2).

    Args:
        temperature: What softmax divides cosines by where some label has a single recording.

    Attributes:
        classes_: Labels, sorted `[class]`.
        class_vectors_: Unit vectors of the labels `[class dim]`.
        temperature_: What softmax divides cosines by.
        n_features_in_: Numbers in a vector.
    """

    def __init__(self, temperature: float = PROTOTYPE_TEMPERATURE) -> None:
        self.temperature = temperature

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Prototypes":  # noqa: N803
        """Mean unit vectors of `[item dim]` by label `[item]`, one recording per label or more.

        Args:
            X: Vectors.
            y: Their labels.
            sample_weight: What each recording counts `[item]`: one of weight 2 counts as two alike, one of weight 0 is
                left out. Default: all alike.
        Raises:
            MmascError: If the vectors of a label are zero or cancel out.
            ValueError: If weights are negative or infinite, or scikit-learn refuses the data.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)  # noqa: N806
        check_classification_targets(y)
        X, y, weights = weighted(X, y, sample_weight)  # noqa: N806
        order = np.argsort(y, kind="stable")
        vectors, labels = X[order], y[order]
        weights = None if weights is None else weights[order]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        try:
            _, self.class_vectors_ = label_vectors(vectors, codes, weights)
        except MmascError as error:
            raise MmascError(
                "the vectors of the recordings of some label are zero or cancel out; choose another head (neighbours)"
            ) from error
        self.temperature_ = self._choose_temperature(vectors, codes, weights)
        return self

    def _cosines(self, X: Any) -> Float[np.ndarray, "item class"]:  # noqa: N803
        check_is_fitted(self, "class_vectors_")
        X = validate_data(self, X, reset=False, dtype=np.float64)  # noqa: N806
        return np.clip(unit_float64(X) @ self.class_vectors_.T, -1.0, 1.0)

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Cosines `[item class]`; for two labels the second's less the first's `[item]`, as scikit-learn has it."""
        cosines = self._cosines(X)
        return cosines[:, 1] - cosines[:, 0] if len(self.classes_) == 2 else cosines

    def predict_proba(self, X: Any) -> Float[np.ndarray, "item class"]:  # noqa: N803
        """Softmax of the cosines over the temperature."""
        return softmax(self._cosines(X) * (1.0 / self.temperature_))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The label with the largest cosine `[item]`."""
        best = self._cosines(X).argmax(axis=1)
        return self.classes_[best]

    def _choose_temperature(self, vectors: np.ndarray, codes: np.ndarray, weights: np.ndarray | None) -> float:
        counts = np.bincount(codes, weights)
        if counts.min() < 2:
            return float(self.temperature or PROTOTYPE_TEMPERATURE)
        units = normalize(vectors)
        weighted = units if weights is None else weights[:, None] * units
        sums = np.zeros_like(self.class_vectors_)
        np.add.at(sums, codes, weighted)
        items = np.arange(len(units))
        cosines = units @ self.class_vectors_.T
        # One recording is left out, of those that a larger weight stands for
        own = units if weights is None else np.minimum(weights, 1.0)[:, None] * units
        cosines[items, codes] = (units * normalize(sums[codes] - own)).sum(axis=1)
        losses = [
            np.average(-np.log(np.maximum(softmax(cosines / temperature)[items, codes], 1e-300)), weights=weights)
            for temperature in _PROTOTYPE_TEMPERATURES
        ]
        return float(_PROTOTYPE_TEMPERATURES[int(np.argmin(losses))])
