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
from sklearn.utils.validation import check_is_fitted, validate_data

from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier

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

    def fit_transform(self, X: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:  # noqa: N803
        """Fit and transform; scikit-learn's.

        Raises:
            MmascError: If there are fewer recordings or numbers than components.
        """
        if min(X.shape) < self.n_components:
            raise MmascError(
                f"{self.n_components} principal components need as many recordings and numbers, there are {X.shape[0]} "
                f"recordings of {X.shape[1]} numbers; choose another head (boosting)"
            )
        return super().fit_transform(X, y)


class Neighbours(KNeighborsClassifier):
    """Nearest neighbours by cosine of unit vectors; where fewer are there than asked for, all of them.

    Args:
        n_neighbors: Asked for.
    """

    def __init__(self, n_neighbors: int = _NEIGHBOURS) -> None:
        super().__init__(n_neighbors, metric="cosine", weights=inverse_distance)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Neighbours":  # noqa: N803
        """Keep the vectors `[item dim]` and their labels."""
        return super().fit(X, y)

    def kneighbors(
        self,
        X: np.ndarray | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Distances and positions of the nearest; scikit-learn's, except for asking no more than there are."""
        nearest = min(self.n_neighbors if n_neighbors is None else n_neighbors, self.n_samples_fit_)
        return super().kneighbors(X, nearest, return_distance)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The label with the largest share `[item]`; among equals the first of `classes_`."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def inverse_distance(distances: Float[np.ndarray, "item neighbour"]) -> Float[np.ndarray, "item neighbour"]:
    """What a neighbour counts: 1 / (cosine distance + 0.001)."""
    return 1.0 / (distances + NEAR)


class Prototypes(ZeroShotClassifier):
    """Zero-shot classification from recordings of each label; `classes_` are sorted.

    How far cosines lie apart differs from space to space, so the temperature is that under which every recording's
    label is most likely when its own vector is left out of the mean (Guo et al. 2017, section 4.2).

    Args:
        temperature: What softmax divides cosines by where some label has a single recording.

    Attributes:
        temperature_: What it divides by.
    """

    def __init__(self, temperature: float = _PROTOTYPE_TEMPERATURE) -> None:
        super().__init__(temperature=temperature)

    def fit(self, X: Any, y: Any = None) -> "Prototypes":  # noqa: N803
        """Mean unit vectors of `[item dim]` by label `[item]`, one recording a label or more.

        Raises:
            MmascError: If the vectors of a label are zero or cancel out.
        """
        order = np.argsort(y, kind="stable")
        vectors, labels = np.asarray(X, np.float64)[order], np.asarray(y)[order]
        try:
            self.fit_vectors(vectors, labels)
        except MmascError as error:
            raise MmascError(
                "the vectors of the recordings of some label are zero or cancel out; choose another head (neighbours)"
            ) from error
        self.temperature_ = self._choose_temperature(vectors, np.searchsorted(self.classes_, labels))
        return self

    def _choose_temperature(self, vectors: np.ndarray, codes: np.ndarray) -> float:
        if np.bincount(codes).min() < 2:
            return float(self.temperature or _PROTOTYPE_TEMPERATURE)
        units = normalize(vectors)
        sums = np.zeros_like(self.class_vectors_)
        np.add.at(sums, codes, units)
        items = np.arange(len(units))
        cosines = units @ self.class_vectors_.T
        cosines[items, codes] = (units * normalize(sums[codes] - units)).sum(axis=1)
        losses = [
            -np.log(np.maximum(softmax(cosines / temperature)[items, codes], 1e-300)).mean()
            for temperature in _PROTOTYPE_TEMPERATURES
        ]
        return float(_PROTOTYPE_TEMPERATURES[int(np.argmin(losses))])

    def _scale(self) -> float:
        return 1.0 / self.temperature_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The temperature, as scikit-learn asks for it."""
        return {"temperature": self.temperature}


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

    def fit(self, X: np.ndarray, y: np.ndarray) -> "SupportVectors":  # noqa: N803
        """Fit machine and temperature to vectors `[item dim]` and their labels `[item]`."""
        X, y = validate_data(self, X, y)  # noqa: N806
        self.machine_ = self._machine().fit(X, y)
        self.classes_ = self.machine_.classes_
        codes = np.searchsorted(self.classes_, y)
        self.temperature_ = self._choose_temperature(X, codes)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Decision values `[item class]` (votes with confidences), `[item]` for two classes, as SVC has them."""
        check_is_fitted(self, "machine_")
        return self.machine_.decision_function(validate_data(self, X, reset=False))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Probabilities `[item class]`."""
        return softmax(_per_class(self.decision_function(X)) / self.temperature_)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The label with the largest decision value `[item]`."""
        return self.classes_[_per_class(self.decision_function(X)).argmax(axis=1)]

    def _machine(self) -> SVC:
        return SVC(C=1.0, kernel=self.kernel, gamma="scale", break_ties=True, random_state=_SEED)

    def _choose_temperature(self, vectors: np.ndarray, codes: np.ndarray) -> float:
        fewest = int(np.bincount(codes).min())
        if fewest < 2:
            return 1.0
        parts = StratifiedKFold(min(_TEMPERATURE_FOLDS, fewest), shuffle=True, random_state=_SEED)
        decisions, truth = [], []
        for train, test in parts.split(vectors, codes):
            machine = self._machine().fit(vectors[train], codes[train])
            decisions.append(_per_class(machine.decision_function(vectors[test])))
            truth.append(codes[test])
        held_out, right = np.concatenate(decisions), np.concatenate(truth)

        losses = []
        for temperature in _TEMPERATURES:
            of_truth = softmax(held_out / temperature)[np.arange(len(right)), right]
            losses.append(-np.log(np.maximum(of_truth, 1e-300)).mean())
        return float(_TEMPERATURES[int(np.argmin(losses))])


def softmax(logits: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """Rows that sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _per_class(decisions: np.ndarray) -> Float[np.ndarray, "item class"]:
    """Decision values of two classes come as one number: the second's; the first has 0."""
    if decisions.ndim == 2:
        return decisions
    return np.stack([np.zeros(len(decisions)), decisions], axis=1)
