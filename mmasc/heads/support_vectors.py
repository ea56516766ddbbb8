"""Vectors and labels → a support vector machine whose probabilities agree with its decision."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from mmasc.heads.decisions import per_class, softmax
from mmasc.heads.sample_weights import weighted

SEED = 0
_TEMPERATURE_FOLDS = 5
_TEMPERATURES = np.exp(np.linspace(-3.0, 3.0, 121))  # 5 % apart


class SupportVectors(ClassifierMixin, BaseEstimator):
    """scikit-learn's SVC with probabilities that never contradict its decision.

    Ties between votes go to the larger confidence. Probabilities are the softmax of the decision values over one
    temperature, chosen by cross-validation within the training data (temperature scaling: Guo et al. 2017, "On
    calibration of modern neural networks", section 4.2); with a single recording of some class it is 1.

    Args:
        kernel: "rbf" or "sigmoid".

    Attributes:
        classes_: Labels, sorted.
        machine_: The fitted SVC.
        temperature_: What decision values are divided by.
    """

    def __init__(self, kernel: str = "rbf") -> None:
        self.kernel = kernel

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SupportVectors":  # noqa: N803
        """Fit machine and temperature.

        Args:
            X: Vectors `[item dim]`.
            y: Their labels `[item]`.
            sample_weight: What a mistake at each recording costs `[item]`; one of weight 0 is left out. Default: all
                alike.
        Raises:
            ValueError: If weights are negative or infinite, or scikit-learn refuses the data.
        """
        X, y = validate_data(self, X, y)  # noqa: N806
        X, y, weights = weighted(X, y, sample_weight)  # noqa: N806
        self.machine_ = self._machine().fit(X, y, weights)
        self.classes_ = self.machine_.classes_
        codes = np.searchsorted(self.classes_, y)
        self.temperature_ = self._choose_temperature(X, codes, weights)
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Decision values `[item class]` (votes with confidences), `[item]` for two classes, as SVC has them."""
        check_is_fitted(self, "temperature_")
        return self.machine_.decision_function(validate_data(self, X, reset=False))

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities `[item class]`."""
        decisions = per_class(self.decision_function(X))
        return softmax(decisions / self.temperature_)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The label with the largest decision value `[item]`."""
        decisions = per_class(self.decision_function(X))
        return self.classes_[decisions.argmax(axis=1)]

    def _machine(self) -> SVC:
        return SVC(C=1.0, kernel=self.kernel, gamma="scale", break_ties=True, random_state=SEED)

    def _choose_temperature(self, vectors: np.ndarray, codes: np.ndarray, weights: np.ndarray | None) -> float:
        fewest = int(np.bincount(codes).min())
        if fewest < 2:
            return 1.0
        parts = StratifiedKFold(min(_TEMPERATURE_FOLDS, fewest), shuffle=True, random_state=SEED)
        decisions, items = [], []
        for train, test in parts.split(vectors, codes):
            machine = self._machine().fit(vectors[train], codes[train], None if weights is None else weights[train])
            decisions.append(per_class(machine.decision_function(vectors[test])))
            items.append(test)
        held_out, tested = np.concatenate(decisions), np.concatenate(items)
        right, counts = codes[tested], None if weights is None else weights[tested]

        losses = []
        for temperature in _TEMPERATURES:
            of_truth = softmax(held_out / temperature)[np.arange(len(right)), right]
            losses.append(np.average(-np.log(np.maximum(of_truth, 1e-300)), weights=counts))
        return float(_TEMPERATURES[int(np.argmin(losses))])
