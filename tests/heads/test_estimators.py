"""Every classifier passes scikit-learn's own checks of estimators, and keeps the type of the labels it was given."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from mmasc.errors import MmascError
from mmasc.heads.calibration import MINIMUM_UNLABELLED, fit_thresholds
from mmasc.heads.estimators import Neighbours, Prototypes, SupportVectors
from mmasc.heads.registry import HEADS, make_head
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot, TunedZeroShot
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier

IN_PLACE = "scikit-learn's own Pipeline fits the steps that it was given, and fails this check too"
TWO_COLUMNS = "cosines have one column per label, for two labels too: thresholds and shifts are said of each label"
OWN_FOLDS = "gamma 'scale' and the folds that choose the temperature see a recording of weight 2 once; SVC fails it too"


def calibrated(kind: type) -> type:
    """A class of `kind` that hears its own prompts' vectors as unlabelled sounds, as often as they are wanted."""

    class Calibrated(kind):
        def fit(self, prompts: Any, y: Any = None) -> Any:
            super().fit(prompts, y)
            vectors = np.asarray(prompts)
            self.calibrate(np.tile(vectors, (-(-MINIMUM_UNLABELLED // len(vectors)), 1)))
            return self

    Calibrated.__name__ = Calibrated.__qualname__ = f"Calibrated{kind.__name__}"
    globals()[Calibrated.__name__] = Calibrated  # scikit-learn pickles what it checks
    Calibrated.__module__ = __name__
    return Calibrated


CALIBRATED = [calibrated(kind) for kind in (CentredZeroShot, PriorMatchedZeroShot)]


def small_head(name: str) -> Pipeline:
    """A head with few trees and one component: the checks have data of one number, and do not ask how good it is."""
    wanted = {"max_iter": 8, "n_estimators": 4, "n_components": 1}
    head = make_head(name)
    fewer = {key: wanted[key.rpartition("__")[2]] for key in head.get_params() if key.rpartition("__")[2] in wanted}
    return head.set_params(**fewer)


def exceptions(estimator: Any) -> dict[str, str]:
    """The checks that fail, each with the reason."""
    if isinstance(estimator, Pipeline):
        return {"check_estimators_overwrite_params": IN_PLACE, "check_dont_overwrite_parameters": IN_PLACE}
    if isinstance(estimator, SupportVectors):
        return {"check_sample_weight_equivalence_on_dense_data": OWN_FOLDS}
    if isinstance(estimator, ZeroShotClassifier):
        return {
            "check_classifiers_train": TWO_COLUMNS,
            "check_classifiers_classes": TWO_COLUMNS,
            "check_decision_proba_consistency": TWO_COLUMNS,
        }
    return {}


ZERO_SHOT = [kind(temperature=0.05) for kind in (ZeroShotClassifier, TunedZeroShot, *CALIBRATED)]
STEPS = [Neighbours(), Prototypes(), SupportVectors("rbf")]


@parametrize_with_checks([*map(small_head, HEADS), *STEPS, *ZERO_SHOT], expected_failed_checks=exceptions)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def spread(n_classes: int = 3, dim: int = 5, n_items: int = 45) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    codes = np.arange(n_items) % n_classes
    return generator.normal(size=(n_classes, dim))[codes] * 3 + generator.normal(size=(n_items, dim)), codes


LABELS = {
    "integers": np.array([-1, 7, 40]),
    "texts": np.array(["-1", "7", "40"]),
    "objects": np.array(["wren", "owl", "rook"], object),
    "booleans": np.array([False, True]),
    "whole floats": np.array([1.0, 2.0, 5.0]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("estimator", [*map(small_head, HEADS), *ZERO_SHOT], ids=lambda one: repr(one)[-40:])
def test_labels_keep_their_type(estimator, kind):
    vectors, codes = spread(len(LABELS[kind]))
    labels = LABELS[kind][codes]
    fitted = clone(estimator).fit(vectors, labels)
    said = fitted.predict(vectors)
    assert said.dtype.kind == fitted.classes_.dtype.kind == labels.dtype.kind
    assert set(said.tolist()) <= set(labels.tolist())
    assert {type(one) for one in said.tolist()} == {type(labels.tolist()[0])}
    # A clone of a fitted one is unfitted, has its parameters, and answers the same once it is fitted
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.predict(vectors)
    np.testing.assert_array_equal(again.fit(vectors, labels).predict_proba(vectors), fitted.predict_proba(vectors))


def test_none_of_these_leaves_integers_integers():
    vectors, codes = spread()
    fitted = ZeroShotClassifier(temperature=0.05, minimum_cosine=0.9).fit(vectors, LABELS["integers"][codes])
    said = fitted.predict(np.concatenate([fitted.class_vectors_, -fitted.class_vectors_.sum(axis=0)[None]])).tolist()
    assert said == [-1, 7, 40, NONE]
    assert [type(one) for one in said] == [int, int, int, str]
    assert fitted.top_k(fitted.class_vectors_[1:2], 1)[0][0][0] == 7
    thresholds = fit_thresholds(fitted.predict_proba(vectors), codes[:, None] == np.arange(3), fitted.classes_)
    assert list(thresholds) == [-1, 7, 40]
    by_label = ZeroShotClassifier(temperature=0.05, threshold=thresholds).fit(vectors, LABELS["integers"][codes])
    assert set(by_label.predict(vectors).tolist()) <= {-1, 7, 40, NONE}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "1", 1], "labels must be all texts or all numbers, got 1 and '1'"),
        (np.array(["a", 2, "a"], object), "labels must be all texts or all numbers, got 2 and 'a'"),
        (["a", np.nan, "b"], "all texts or all numbers, got nan and 'a'"),
        ([1.0, np.nan, 2.0], "NaN"),
        ([0.5, 1.5, 2.5], "Unknown label type"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        ZeroShotClassifier(temperature=0.05).fit(np.eye(3), labels)


def test_one_and_one_point_nought_are_one_label():
    fitted = ZeroShotClassifier(temperature=0.05).fit(np.eye(3), [1, 1.0, 2])
    assert fitted.classes_.tolist() == [1, 2]


def test_weights_are_recordings_that_come_several_times():
    vectors, codes = spread()
    weights = np.random.default_rng(1).integers(0, 4, len(codes))
    weights[:3] = 2
    new, _ = spread(n_items=30)
    weighted = Prototypes().fit(vectors, codes, sample_weight=weights)
    repeated = Prototypes().fit(np.repeat(vectors, weights, axis=0), np.repeat(codes, weights))
    np.testing.assert_allclose(weighted.predict_proba(new), repeated.predict_proba(new), rtol=1e-9)
    machine = SupportVectors().fit(vectors, codes, sample_weight=weights)
    without = SupportVectors().fit(vectors[weights > 0], codes[weights > 0], sample_weight=weights[weights > 0])
    np.testing.assert_array_equal(machine.predict_proba(new), without.predict_proba(new))
    for estimator in (Prototypes(), SupportVectors()):
        plain = clone(estimator).fit(vectors, codes).predict_proba(new)
        alike = clone(estimator).fit(vectors, codes, sample_weight=np.ones(len(codes))).predict_proba(new)
        np.testing.assert_allclose(alike, plain, rtol=1e-12)
        assert not np.allclose(clone(estimator).fit(vectors, codes, weights).predict_proba(new), plain)
        with pytest.raises(ValueError, match="sample_weight must be 0 or more"):
            estimator.fit(vectors, codes, sample_weight=-np.ones(len(codes)))


def test_vectors_of_another_dim_are_a_fault_for_both_sides():
    fitted = ZeroShotClassifier(temperature=0.05).fit(np.eye(3), ["a", "b", "c"])
    for kind in (MmascError, ValueError):
        with pytest.raises(kind, match="4 numbers, the prompts' 3: they come from different spaces"):
            fitted.predict(np.eye(4))
