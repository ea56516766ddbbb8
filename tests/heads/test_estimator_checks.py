"""Every classifier passes scikit-learn's own checks of estimators, and keeps the type of the labels it was given."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from safetensors import safe_open
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmasc
from mmasc.cli import cli
from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead, label_type_of
from mmasc.heads.predictors import Linear
from mmasc.heads.prototypes import Prototypes
from mmasc.heads.registry import HEADS, make_head
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot, TunedZeroShot
from mmasc.heads.support_vectors import SupportVectors
from mmasc.heads.thresholds import fit_thresholds
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit import fit_head
from tests.conftest import STANDIN_SPEC, StandIn

IN_PLACE = "scikit-learn's own Pipeline fits the steps that it was given, and fails this check too"
TWO_COLUMNS = "cosines have one column per label, for two labels too: thresholds and shifts are said of each label"
OWN_FOLDS = "gamma 'scale' and the folds that choose the temperature see a recording of weight 2 once; SVC fails it too"
ONE_COMPONENT = "one principal component, as many as the narrowest of the checks' data have, is too few to tell apart"


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
    fewer = {
        "histgradientboostingclassifier__max_iter": 5,
        "gradientboostingclassifier__n_estimators": 3,
        "fixedpca__n_components": 1,
    }
    head = make_head(name)
    return head.set_params(**{key: value for key, value in fewer.items() if key in head.get_params()})


def exceptions(estimator: Any) -> dict[str, str]:
    """The checks that fail, each with the reason."""
    if isinstance(estimator, Pipeline):
        few = {"check_classifiers_train": ONE_COMPONENT} if "fixedpca" in estimator.named_steps else {}
        return {"check_estimators_overwrite_params": IN_PLACE, "check_dont_overwrite_parameters": IN_PLACE} | few
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
STEPS = [Prototypes(), SupportVectors()]


@parametrize_with_checks([*map(small_head, HEADS), *STEPS, *ZERO_SHOT], expected_failed_checks=exceptions)
def test_scikit_learns_own_checks(estimator, check, monkeypatch):
    # Checks of types as tests run refuse odd parameters before they are set, which users' programs do not
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    check(estimator)


def spread(n_classes: int = 3, dim: int = 5, n_items: int = 45) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    codes = np.arange(n_items) % n_classes
    return generator.normal(size=(n_classes, dim))[codes] + generator.normal(size=(n_items, dim)), codes


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


# Heads fitted to columns of a collection


COLUMNS = {
    "integer": ["3", "11", "200"],
    "number": ["0.5", "1.25", "1e3"],
    "text": ["wren", "owl", "rook"],
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    generator = np.random.default_rng(0)
    rows = ["path," + ",".join(COLUMNS)]
    for item in range(12):
        samples = np.clip((item % 3 - 1) * 0.3 + generator.uniform(-0.3, 0.3, 4_000), -1, 1)
        soundfile.write(folder / f"{item:02}.wav", samples, 8_000)
        rows.append(f"{item:02}.wav," + ",".join(values[item % 3] for values in COLUMNS.values()))
    (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    mmasc.embed(folder, folder / "c", StandIn(STANDIN_SPEC), metadata=folder / "meta.csv")
    return folder / "c"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_head_answers_in_the_type_of_its_column(collection, column, tmp_path):
    opened = Collection(collection)
    wanted = set(opened.recordings.column(column).to_pylist())
    head = fit_head(opened, column, head="logistic", folds=2, out=tmp_path / "a.head").fitted
    loaded = FittedHead.load(tmp_path / "a.head")
    assert loaded.stamp == head.stamp
    assert loaded.stamp.label_type == column
    assert set(loaded.classes_.tolist()) == wanted
    assert {type(one) for one in loaded.classes_.tolist()} == {type(one) for one in wanted}
    assert loaded.predict(np.eye(4)).dtype == loaded.classes_.dtype
    answers = list(apply_head(loaded, opened))
    assert {one.label for one in answers} <= wanted
    assert set(answers[0].scores) == wanted
    # The command says them as text, as it did
    command = ["head", "apply", str(tmp_path / "a.head"), str(collection), "--format", "json"]
    shown = json.loads(CliRunner().invoke(cli, command).stdout)
    assert [one["label"] for one in shown] == [str(one.label) for one in answers]
    assert list(shown[0]["scores"]) == list(loaded.stamp.classes) == [str(one) for one in loaded.classes_.tolist()]
    # The stamp is that of version 0.1.0, the type stands next to it
    with safe_open(tmp_path / "a.head", framework="numpy") as file:
        metadata = file.metadata()
    assert "label_type" not in json.loads(metadata["mmasc_head"])
    assert metadata.get("mmasc_label_type", "text") == column


@pytest.mark.parametrize("said", ["integer", "number", "boolean", "colour"])
def test_a_type_that_labels_do_not_have_is_damage(collection, tmp_path, said):
    head = fit_head(collection, "text", head="logistic", folds=2).fitted
    FittedHead(replace(head.stamp, label_type=said), head.predictor).save(tmp_path / "a.head")
    with pytest.raises(MmascError, match="is damaged: its labels are"):
        FittedHead.load(tmp_path / "a.head")


def test_booleans_come_back_as_booleans(collection, tmp_path):
    assert label_type_of([True, False]) == "boolean"
    assert label_type_of([True, 2]) == label_type_of(["True"]) == "text"
    stamp = fit_head(collection, "text", head="logistic", folds=2).fitted.stamp
    stamp = replace(stamp, classes=("False", "True"), label_type="boolean")
    FittedHead(stamp, Linear(np.eye(2, 4), np.zeros(2))).save(tmp_path / "a.head")
    loaded = FittedHead.load(tmp_path / "a.head")
    assert loaded.classes_.tolist() == [False, True]
    assert loaded.predict(np.eye(4)[:2]).tolist() == [False, True]
