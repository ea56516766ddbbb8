"""The heads of the registry, each a scikit-learn classifier of unit vectors.

Two of them are those of Barberteguy 2023, "Audio Scene Classification" (boosting on AudioCLIP's vectors: one as the
text has it, one as its code), the support vector machines those of the DCASE 2019 network behind Jung et al. 2020,
"Acoustic scene classification using audio tagging": C 1, gamma "scale".
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, normalize
from sklearn.svm import SVC
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from mmasc.errors import MmascError
from mmasc.prompts.vectors import label_vectors
from mmasc.windows.units import unit_float64

_SEED = 0
_COMPONENTS = 90
_NEIGHBOURS = 5
NEAR = 1e-3  # in cosine distance: neighbours closer than this count alike, so that rounding decides nothing
_PROTOTYPE_TEMPERATURE = 0.05
_PROTOTYPE_TEMPERATURES = np.logspace(-7.0, 0.0, 169)  # 10 % apart
_TEMPERATURE_FOLDS = 5
_TEMPERATURES = np.exp(np.linspace(-3.0, 3.0, 121))  # 5 % apart


def boosting() -> Pipeline:
    """Gradient boosting on binned features, for few recordings: small trees, leaves from 3 recordings on.

    On two folds of ESC-10 (168 log-mel and MFCC statistics) small trees that see a tenth of the numbers at each split
    had 80.6 %, larger ones 75.6 to 80.0 % in twice the time.
    """
    trees = HistGradientBoostingClassifier(
        max_iter=50,
        learning_rate=0.1,
        max_leaf_nodes=7,
        min_samples_leaf=3,
        max_features=0.1,
        early_stopping=False,
        random_state=_SEED,
    )
    return make_pipeline(Normalizer(), trees)


def boosting_paper() -> Pipeline:
    """scikit-learn's gradient boosting with 50 trees per class and all else default, as in Barberteguy 2023."""
    return make_pipeline(Normalizer(), GradientBoostingClassifier(n_estimators=50, random_state=_SEED))


def boosting_pca() -> Pipeline:
    """90 principal components, then 75 trees per class: what the code of Barberteguy 2023 also tries."""
    trees = GradientBoostingClassifier(n_estimators=75, random_state=_SEED)
    return make_pipeline(Normalizer(), FixedPCA(n_components=_COMPONENTS, random_state=_SEED), trees)


def svm_rbf() -> Pipeline:
    """Support vector machine with a Gaussian kernel."""
    return make_pipeline(Normalizer(), SupportVectors("rbf"))


def svm_sigmoid() -> Pipeline:
    """Support vector machine with the kernel tanh(gamma <x, y>)."""
    return make_pipeline(Normalizer(), SupportVectors("sigmoid"))


def logistic() -> Pipeline:
    """Logistic regression, C 1, on numbers of mean 0 and variance 1."""
    return make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(C=1.0, max_iter=2_000))


def neighbours() -> Pipeline:
    """The five nearest recordings by cosine; a neighbour at distance d counts 1 / (d + 0.001)."""
    return make_pipeline(Normalizer(), Neighbours(_NEIGHBOURS))


def prototypes() -> Pipeline:
    """Cosine to the mean of each label's recordings: zero-shot classification with examples in place of prompts.

    Source: Snell et al. 2017, "Prototypical networks for few-shot learning", section 2.2, by cosine.
    """
    return make_pipeline(Normalizer(), Prototypes(_PROTOTYPE_TEMPERATURE))


class FixedPCA(PCA):
    """Principal components that say in one line when there are too few recordings or numbers for them."""

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:  # noqa: N803
        """Fit and transform; scikit-learn's.

        Raises:
            MmascError: If there are fewer recordings or numbers than components.
        """
        shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
        if len(shape) == 2 and min(shape) < self.n_components:
            raise MmascError(
                f"{self.n_components} principal components need as many recordings and numbers, there are {shape[0]} "
                f"recordings of {shape[1]} numbers; choose another head (boosting)"
            )
        return super().fit_transform(X, y)


class Neighbours(KNeighborsClassifier):
    """Nearest neighbours by cosine of unit vectors; where fewer are there than asked for, all of them.

    Args:
        n_neighbors: Asked for.
    """

    def __init__(self, n_neighbors: int = _NEIGHBOURS) -> None:
        super().__init__(n_neighbors, metric="cosine", weights=inverse_distance)

    def fit(self, X: Any, y: Any) -> "Neighbours":  # noqa: N803
        """Keep the vectors `[item dim]` and their labels `[item]`."""
        return super().fit(X, y if y is None else column_or_1d(y, warn=True))

    def kneighbors(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Distances and positions of the nearest; scikit-learn's, except for asking no more than there are."""
        nearest = min(self.n_neighbors if n_neighbors is None else n_neighbors, self.n_samples_fit_)
        return super().kneighbors(X, nearest, return_distance)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The label with the largest share `[item]`; among equals the first of `classes_`."""
        check_is_fitted(self, "classes_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_tags__(self) -> Tags:
        """One label per item, unlike scikit-learn's own."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags


def inverse_distance(distances: Float[np.ndarray, "item neighbour"]) -> Float[np.ndarray, "item neighbour"]:
    """What a neighbour counts: 1 / (cosine distance + 0.001)."""
    return 1.0 / (distances + NEAR)


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

    def __init__(self, temperature: float = _PROTOTYPE_TEMPERATURE) -> None:
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
        X, y, weights = _weighted(X, y, sample_weight)  # noqa: N806
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
            return float(self.temperature or _PROTOTYPE_TEMPERATURE)
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
        X, y, weights = _weighted(X, y, sample_weight)  # noqa: N806
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
        decisions = _per_class(self.decision_function(X))
        return softmax(decisions / self.temperature_)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The label with the largest decision value `[item]`."""
        decisions = _per_class(self.decision_function(X))
        return self.classes_[decisions.argmax(axis=1)]

    def _machine(self) -> SVC:
        return SVC(C=1.0, kernel=self.kernel, gamma="scale", break_ties=True, random_state=_SEED)

    def _choose_temperature(self, vectors: np.ndarray, codes: np.ndarray, weights: np.ndarray | None) -> float:
        fewest = int(np.bincount(codes).min())
        if fewest < 2:
            return 1.0
        parts = StratifiedKFold(min(_TEMPERATURE_FOLDS, fewest), shuffle=True, random_state=_SEED)
        decisions, items = [], []
        for train, test in parts.split(vectors, codes):
            machine = self._machine().fit(vectors[train], codes[train], None if weights is None else weights[train])
            decisions.append(_per_class(machine.decision_function(vectors[test])))
            items.append(test)
        held_out, tested = np.concatenate(decisions), np.concatenate(items)
        right, counts = codes[tested], None if weights is None else weights[tested]

        losses = []
        for temperature in _TEMPERATURES:
            of_truth = softmax(held_out / temperature)[np.arange(len(right)), right]
            losses.append(np.average(-np.log(np.maximum(of_truth, 1e-300)), weights=counts))
        return float(_TEMPERATURES[int(np.argmin(losses))])


def _weighted(X: np.ndarray, y: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:  # noqa: N803
    """Vectors, labels and weights of the recordings that have a weight; without weights all of them, and None."""
    if sample_weight is None:
        return X, y, None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if not (weights >= 0).all() or not weights.any():
        raise ValueError("sample_weight must be 0 or more, and above 0 for some recording")
    return X[weights > 0], y[weights > 0], weights[weights > 0]


def softmax(logits: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """Rows that sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _per_class(decisions: np.ndarray) -> Float[np.ndarray, "item class"]:
    """Decision values of two classes come as one number: the second's; the first has 0."""
    if decisions.ndim == 2:
        return decisions
    return np.stack([np.zeros(len(decisions)), decisions], axis=1)
