"""The heads that learn from labels: names to builders. Listing loads nothing; a new head is one line here.

Every head is a scikit-learn classifier (`fit(vectors, labels)`, `predict`, `predict_proba`, `classes_`) that makes its
vectors unit vectors itself, and gives the same answer every time: random states are fixed.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mmasc.errors import MmascError


@dataclass(frozen=True)
class HeadSpec:
    """A head as the registry knows it.

    Attributes:
        name: What `make_head` takes.
        target: "module:callable" that makes an unfitted head, imported when it is made.
        description: One line for people.
        learns_from_one: Whether one recording of each label is enough to tell labels apart.
    """

    name: str
    target: str
    description: str
    learns_from_one: bool = True


HEADS: dict[str, HeadSpec] = {
    spec.name: spec
    for spec in [
        HeadSpec(
            "boosting", "mmasc.heads.estimators:boosting", "gradient boosting on binned features (the default)", False
        ),
        HeadSpec(
            "boosting-paper",
            "mmasc.heads.estimators:boosting_paper",
            "gradient boosting, 50 trees per class, as in the AudioCLIP scene study; slow beyond some thousands",
            False,
        ),
        HeadSpec(
            "boosting-pca",
            "mmasc.heads.estimators:boosting_pca",
            "90 principal components, then gradient boosting, 75 trees per class: that study's code",
            False,
        ),
        HeadSpec("svm-rbf", "mmasc.heads.estimators:svm_rbf", "support vector machine, Gaussian kernel, C 1"),
        HeadSpec("svm-sigmoid", "mmasc.heads.estimators:svm_sigmoid", "support vector machine, sigmoid kernel, C 1"),
        HeadSpec("logistic", "mmasc.heads.estimators:logistic", "logistic regression on standardised numbers"),
        HeadSpec("neighbours", "mmasc.heads.estimators:neighbours", "the five nearest by cosine, near ones count more"),
        HeadSpec(
            "prototypes",
            "mmasc.heads.estimators:prototypes",
            "cosine to the mean of each label's recordings: by example",
        ),
    ]
}


def make_head(name: str = "boosting") -> Any:
    """An unfitted head: a scikit-learn classifier.

    Raises:
        MmascError: If there is no head of this name; the line lists those there are.
    """
    if name not in HEADS:
        raise MmascError(f"unknown head {name!r}; there are: {', '.join(HEADS)}")
    module, _, builder = HEADS[name].target.partition(":")
    return getattr(import_module(module), builder)()
