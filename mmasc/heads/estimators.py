"""The heads of the registry, each a scikit-learn classifier of unit vectors.

Two of them are those of Barberteguy 2023, "Audio Scene Classification" (boosting on AudioCLIP's vectors: one as the
text has it, one as its code), the support vector machines those of the DCASE 2019 network behind Jung et al. 2020,
"Acoustic scene classification using audio tagging": C 1, gamma "scale".
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, column_or_1d

from mmasc.errors import MmascError
from mmasc.heads.prototypes import PROTOTYPE_TEMPERATURE, Prototypes
from mmasc.heads.support_vectors import SEED, SupportVectors

_COMPONENTS = 90
_NEIGHBOURS = 5
NEAR = 1e-3  # in cosine distance: neighbours closer than this count alike, so that rounding decides nothing


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
        random_state=SEED,
    )
    return make_pipeline(Normalizer(), trees)


def boosting_paper() -> Pipeline:
    """scikit-learn's gradient boosting with 50 trees per class and all else default, as in Barberteguy 2023."""
    return make_pipeline(Normalizer(), GradientBoostingClassifier(n_estimators=50, random_state=SEED))


def boosting_pca() -> Pipeline:
    """90 principal components, then 75 trees per class: what the code of Barberteguy 2023 also tries."""
    trees = GradientBoostingClassifier(n_estimators=75, random_state=SEED)
    return make_pipeline(Normalizer(), FixedPCA(n_components=_COMPONENTS, random_state=SEED), trees)


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
    return make_pipeline(Normalizer(), Prototypes(PROTOTYPE_TEMPERATURE))


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
