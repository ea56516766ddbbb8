"""Fitted heads of the registry → arrays; the one place that knows how scikit-learn keeps its models."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mmasc.errors import MmascError
from mmasc.heads.estimators import NEAR, FixedPCA, Neighbours
from mmasc.heads.from_words import FromWords
from mmasc.heads.predictor import Predictor
from mmasc.heads.predictors import Linear, Nearest, SupportVectorPairs
from mmasc.heads.prototypes import Prototypes
from mmasc.heads.support_vectors import SupportVectors
from mmasc.heads.tree_sums import Trees
from mmasc.windows.units import unit_as_normalizer


def convert(fitted: Pipeline | FromWords) -> Predictor:
    """The arrays of a head that was fitted to class numbers 0, 1, ..."""
    if isinstance(fitted, FromWords):
        return _against_rest(fitted.coef_, fitted.intercept_)
    before, model = fitted[-2], fitted[-1]
    if isinstance(model, HistGradientBoostingClassifier):
        return _histogram_trees(model)
    if isinstance(model, GradientBoostingClassifier):
        return _exact_trees(model, before if isinstance(before, FixedPCA) else None)
    if isinstance(model, LogisticRegression) and isinstance(before, StandardScaler):
        return _linear(model, before)
    if isinstance(model, SupportVectors):
        return _support_vectors(model)
    if isinstance(model, Neighbours):
        known = unit_as_normalizer(model._fit_X)
        codes = np.asarray(model._y, np.int64)
        return Nearest(known, codes, min(model.n_neighbors, len(known)), NEAR, len(model.classes_))
    if isinstance(model, Prototypes):
        weights = np.asarray(model.class_vectors_ / model.temperature_, np.float64)
        return Linear(weights, np.zeros(len(weights)))
    raise ValueError(f"a head of the registry is wanted, got {type(model).__name__}")


def _histogram_trees(model: HistGradientBoostingClassifier) -> Trees:
    trees = [[one.nodes for one in one_round] for one_round in model._predictors]
    flat = [nodes for one_round in trees for nodes in one_round]
    leaves = [nodes["is_leaf"].astype(bool) for nodes in flat]
    return _stack(
        np.asarray(model._baseline_prediction, np.float64).reshape(-1),
        (len(trees), len(trees[0])),
        [nodes["feature_idx"] for nodes in flat],
        [nodes["num_threshold"] for nodes in flat],
        [np.where(leaf, -1, nodes["left"].astype(np.int64)) for leaf, nodes in zip(leaves, flat, strict=True)],
        [np.where(leaf, -1, nodes["right"].astype(np.int64)) for leaf, nodes in zip(leaves, flat, strict=True)],
        [nodes["value"] for nodes in flat],
        rounded=False,
        n_features=model.n_features_in_,
    )


def _exact_trees(model: GradientBoostingClassifier, projection: FixedPCA | None) -> Trees:
    flat = [tree.tree_ for tree in model.estimators_.reshape(-1)]
    where = {} if projection is None else {"mean": projection.mean_, "components": projection.components_}
    return _stack(
        model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)).reshape(-1),
        model.estimators_.shape,
        [tree.feature for tree in flat],
        [tree.threshold for tree in flat],
        [tree.children_left for tree in flat],
        [tree.children_right for tree in flat],
        [tree.value[:, 0, 0] * model.learning_rate for tree in flat],
        rounded=True,
        n_features=model.n_features_in_ if projection is None else projection.n_features_in_,
        **{name: np.asarray(array, np.float64) for name, array in where.items()},
    )


def _stack(
    baseline: np.ndarray,
    shape: tuple[int, int],
    feature: list[np.ndarray],
    threshold: list[np.ndarray],
    left: list[np.ndarray],
    right: list[np.ndarray],
    value: list[np.ndarray],
    **rest: Any,
) -> Trees:
    """All trees in one set of arrays: the nodes of a tree are moved behind those of the trees before it."""
    sizes = np.array([len(one) for one in value], np.int64)
    roots = np.cumsum(sizes) - sizes

    def moved(children: list[np.ndarray]) -> np.ndarray:
        parts = zip(children, roots, strict=True)
        return np.concatenate([np.where(one < 0, -1, one.astype(np.int64) + root) for one, root in parts])

    inner = np.concatenate(left) >= 0
    return Trees(
        np.asarray(baseline, np.float64),
        roots.reshape(shape),
        np.where(inner, np.concatenate(feature).astype(np.int64), 0),
        np.where(inner, np.concatenate(threshold).astype(np.float64), 0.0),
        moved(left),
        moved(right),
        np.concatenate(value).astype(np.float64),
        **rest,
    )


def _linear(model: LogisticRegression, scaler: StandardScaler) -> Linear:
    weights = model.coef_ / scaler.scale_
    biases = model.intercept_ - weights @ scaler.mean_
    return _against_rest(weights, biases) if len(weights) == 1 else Linear(weights, biases)


def _against_rest(weights: np.ndarray, biases: np.ndarray) -> Linear:
    """Two classes, of which one row is the log odds of the second."""
    return Linear(np.concatenate([0 * weights, weights]), np.concatenate([0 * biases, biases]))


def _support_vectors(model: SupportVectors) -> SupportVectorPairs:
    machine = model.machine_
    two = len(machine.classes_) == 2
    sign = -1.0 if two else 1.0  # scikit-learn turns the signs of two classes around
    return SupportVectorPairs(
        np.asarray(machine.support_vectors_, np.float64),
        sign * np.asarray(machine.dual_coef_, np.float64),
        np.asarray(machine.n_support_, np.int64),
        sign * np.asarray(machine.intercept_, np.float64),
        float(machine._gamma),
        model.kernel == "sigmoid",
        model.temperature_,
    )


_AGREEMENT = 1e-7  # of probabilities; seen: 0 for trees, 1e-14 for the others


def predictor_of(fitted: Any, vectors: Float[np.ndarray, "item dim"]) -> Predictor:
    """The arrays of a head of the registry, fitted to class numbers 0, 1, ...

    Args:
        fitted: Head from `make_head(name).fit(vectors, codes)`.
        vectors: What it was fitted to, of any length: both must answer the same on them. They are made unit vectors
            once only: trees compare with numbers of the training vectors, where the last bit decides.
    Raises:
        MmascError: If they do not: this scikit-learn keeps its models in another way.
    """
    import sklearn

    version = f"scikit-learn {sklearn.__version__}"
    try:
        predictor = convert(fitted)
        ours, theirs = predictor.predict_proba(unit_as_normalizer(vectors)), fitted.predict_proba(vectors)
        differences = np.abs(ours - theirs).max(axis=1)
    except (AttributeError, KeyError, IndexError) as error:
        raise MmascError(f"{version} keeps its models as mmasc does not know ({error}); install another one") from error
    # Ties concern single recordings; models that are read wrongly answer wrongly nearly everywhere
    difference = float(np.median(differences) if predictor.has_ties else differences.max(initial=0.0))
    if not difference <= _AGREEMENT:
        raise MmascError(f"{version} and mmasc answer differently (by {difference:.1g}); install another scikit-learn")
    return predictor
