"""Heads: scikit-learn's own answers, laws of folds and draws, files that run nothing, collections from end to end."""

import csv
import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import soundfile
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

import mmasc
from mmasc.collection import Collection
from mmasc.collection.head import SpaceHead
from mmasc.encoders.embedding import embed_file
from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.predictors import unit_vectors
from mmasc.heads.registry import HEADS, make_head
from mmasc.labelling import recordings as recordings_module
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit import fit_head
from mmasc.labelling.folds import draw_few, make_folds
from mmasc.labelling.recordings import LabelledRecordings, labelled_recordings, recording_vectors
from mmasc.metrics.functions import bootstrap_interval
from tests.cli.test_cli import run
from tests.conftest import STANDIN_SPEC, StandIn

SPACE = SpaceHead("identity0" * 3, "standin", 4, 1.0, 1.0, "mix")
NAMES = ("low", "middle", "high", "none")


def clouds(n_classes: int, dim: int, n_items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around as many centres, near enough to be confused, and the numbers of their centres."""
    generator = np.random.default_rng(seed)
    codes = np.arange(n_items) % n_classes
    centres = np.random.default_rng(99).normal(size=(n_classes, dim))
    return unit_vectors(centres[codes] + generator.normal(size=(n_items, dim))), codes


def small(name: str):
    """A head with few trees: what is tested does not depend on how many."""
    head = make_head(name)
    for step, parameter in (
        ("histgradientboostingclassifier", "max_iter"),
        ("gradientboostingclassifier", "n_estimators"),
    ):
        if step in head.named_steps:
            head.set_params(**{f"{step}__{parameter}": 4})
    return head


def labelled(codes: np.ndarray, groups=None, folds=None, vectors: np.ndarray | None = None) -> LabelledRecordings:
    vectors = np.ones((len(codes), 4)) / 2 if vectors is None else vectors
    classes = NAMES[: int(codes.max()) + 1]
    as_text = [None if values is None else np.array([str(value) for value in values]) for values in (groups, folds)]
    names = () if folds is None else tuple(str(value) for value in sorted(set(folds)))
    paths = [f"{item}.wav" for item in range(len(codes))]
    return LabelledRecordings(paths, vectors, codes, classes, *as_text, names, 0, 0, "standin", SPACE)


# Heads against scikit-learn and brute force


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_a_classifier_and_its_arrays_answer_alike(name, n_classes):
    dim = 96 if name == "boosting-pca" else 6
    vectors, codes = clouds(n_classes, dim, 120)
    labels = np.array(NAMES)[codes]
    head = small(name).fit(vectors, labels)
    new, true = clouds(n_classes, dim, 80, seed=1)
    assert sorted(head.classes_) == sorted(set(labels))
    scores = head.predict_proba(new)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    np.testing.assert_array_equal(head.classes_[scores.argmax(axis=1)], head.predict(new))
    assert (head.predict(new) == np.array(NAMES)[true]).mean() > 1.4 / n_classes
    # Fixed random states, and length does not matter
    np.testing.assert_array_equal(small(name).fit(vectors, labels).predict_proba(new), scores)
    np.testing.assert_allclose(head.predict_proba(8 * new), scores, atol=1e-12)
    fitted = small(name).fit(vectors, codes)
    predictor = predictor_of(fitted, vectors)
    np.testing.assert_allclose(predictor.predict_proba(new), fitted.predict_proba(new), atol=1e-12, rtol=0)
    # One by one = all at once
    alone = np.concatenate([predictor.predict_proba(one[None]) for one in new])
    np.testing.assert_allclose(alone, predictor.predict_proba(new), atol=1e-12, rtol=0)
    assert predictor.predict_proba(new[:0]).shape == (0, n_classes)


def test_boosting_of_the_paper_is_scikit_learns_own():
    vectors, codes = clouds(3, 6, 90)
    new, _ = clouds(3, 6, 40, seed=1)
    ours = make_head("boosting-paper").fit(5 * vectors, codes)
    theirs = GradientBoostingClassifier(n_estimators=50, random_state=0).fit(vectors, codes)
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(new), atol=1e-12)


def test_boosting_with_pca_is_scikit_learns_own():
    vectors, codes = clouds(2, 92, 100)
    new, _ = clouds(2, 92, 40, seed=1)
    pca = PCA(90, random_state=0).fit(vectors)
    theirs = GradientBoostingClassifier(n_estimators=75, random_state=0).fit(pca.transform(vectors), codes)
    ours = make_head("boosting-pca").fit(vectors, codes)
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(pca.transform(new)), atol=1e-12)
    with pytest.raises(MmascError, match="90 principal components need .* there are 60 recordings of 92 numbers"):
        make_head("boosting-pca").fit(vectors[:60], codes[:60])


@pytest.mark.parametrize("kernel", ["rbf", "sigmoid"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_support_vector_machine_decides_as_scikit_learns(kernel, n_classes):
    vectors, codes = clouds(n_classes, 6, 120)
    new, _ = clouds(n_classes, 6, 200, seed=1)
    ours = make_head(f"svm-{kernel}").fit(vectors, codes)
    theirs = SVC(kernel=kernel, C=1, gamma="scale", break_ties=True).fit(vectors, codes)
    np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
    decisions = theirs.decision_function(new)
    two = np.stack([0 * decisions, decisions], axis=1) if n_classes == 2 else decisions
    logits = two / ours[-1].temperature_
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(new), expected, atol=1e-12)


def test_temperature_calibrates():
    vectors, codes = clouds(4, 6, 400)
    new, true = clouds(4, 6, 400, seed=1)
    head = make_head("svm-rbf").fit(vectors, codes)

    def loss() -> float:
        return -float(np.log(head.predict_proba(new)[np.arange(len(true)), true]).mean())

    chosen, temperature = loss(), head[-1].temperature_
    losses = []
    for factor in (0.4, 2.5):
        head[-1].temperature_ = factor * temperature
        losses.append(loss())
    assert chosen < min(losses)


def test_neighbours_are_brute_force():
    vectors, codes = clouds(3, 5, 60)
    new, _ = clouds(3, 5, 20, seed=1)
    scores = make_head("neighbours").fit(vectors, codes).predict_proba(new)
    for one, row in zip(new, scores, strict=True):
        distances = [1 - float(one @ known) for known in vectors]
        nearest = sorted(range(60), key=distances.__getitem__)[:5]
        votes = np.zeros(3)
        for item in nearest:
            votes[codes[item]] += 1 / (distances[item] + 1e-3)
        np.testing.assert_allclose(row, votes / votes.sum(), atol=1e-9)
    # A known sound is itself; with three sounds in all, three are asked
    np.testing.assert_array_equal(make_head("neighbours").fit(vectors[:3], codes[:3]).predict(vectors[:3]), codes[:3])


def test_prototypes_are_brute_force_from_one_example_a_label_on():
    vectors, codes = clouds(3, 5, 60)
    new, _ = clouds(3, 5, 20, seed=1)
    for known, labels in ((7 * vectors, codes), (vectors[[2, 1, 0]], codes[[2, 1, 0]])):
        units = known / np.linalg.norm(known, axis=1, keepdims=True)
        means = [units[labels == label].mean(axis=0) for label in range(3)]
        cosines = np.array([[one @ mean / np.linalg.norm(one) / np.linalg.norm(mean) for mean in means] for one in new])
        head = make_head("prototypes").fit(known, labels)
        logits = cosines / head[-1].temperature_
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(head.predict_proba(new), expected, atol=1e-12)
    assert head[-1].temperature_ == 0.05
    with pytest.raises(MmascError, match="recordings of some label are zero or cancel out; choose another head"):
        make_head("prototypes").fit(np.concatenate([vectors[:1], -vectors[:1], vectors[1:2]]), np.array([0, 0, 1]))


def test_prototypes_are_as_sure_as_they_are_right_where_all_cosines_are_near_one():
    vectors, codes = clouds(4, 6, 200)
    new, true = clouds(4, 6, 400, seed=1)
    common = 20 * np.ones(6)  # that all sounds share
    head = make_head("prototypes").fit(common + vectors, codes)
    scores = head.predict_proba(common + new)

    def loss(factor: float) -> float:
        logits = factor * np.log(scores)
        of_truth = logits[np.arange(len(true)), true] - np.log(np.exp(logits).sum(axis=1))
        return -float(of_truth.mean())

    assert (scores.argmax(axis=1) == true).mean() > 0.4
    assert loss(1.0) < min(loss(0.3), loss(3.0))


def test_logistic_is_scikit_learns_own_on_standardised_numbers():
    vectors, codes = clouds(3, 5, 90)
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    theirs = LogisticRegression(max_iter=2_000).fit((vectors - mean) / deviation, codes)
    np.testing.assert_allclose(
        make_head("logistic").fit(vectors, codes).predict_proba(vectors),
        theirs.predict_proba((vectors - mean) / deviation),
        atol=1e-9,
    )


def test_the_default_is_scikit_learns_histogram_boosting():
    """With the numbers that the documentation gives, written out a second time, on unit vectors."""
    vectors, codes = clouds(3, 20, 90)
    longer = vectors * np.random.default_rng(5).uniform(0.5, 20, (90, 1))
    theirs = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=50, max_leaf_nodes=7, min_samples_leaf=3, max_features=0.1, early_stopping=False,
        random_state=0,
    ).fit(unit_vectors(longer), codes)  # fmt: skip
    head = make_head().fit(longer, codes)
    np.testing.assert_array_equal(head.predict_proba(longer), theirs.predict_proba(unit_vectors(longer)))


def test_arrays_that_answer_otherwise_are_not_kept():
    vectors, codes = clouds(2, 4, 40)
    fitted = make_head("logistic").fit(vectors, codes)
    fitted[-1].predict_proba = lambda numbers: np.full((len(numbers), 2), 0.5)
    with pytest.raises(MmascError, match="answer differently .* install another scikit-learn"):
        predictor_of(fitted, vectors)


def test_the_last_bit_of_a_training_vector_does_not_turn_a_tree():
    # More recordings than bins: thresholds are then numbers of the training vectors themselves
    vectors, codes = clouds(3, 6, 400)
    vectors = vectors * np.random.default_rng(4).uniform(0.5, 20, (400, 1))
    model = small("boosting").fit(vectors, codes)
    stamp = HeadStamp("boosting", "label", NAMES[:3], "f" * 32, "standin", "c", 6, 1, 1, "mix", 400, "0.1", "0.0.1")
    head = FittedHead(stamp, predictor_of(model, vectors))
    np.testing.assert_allclose(head.predict_proba(vectors), model.predict_proba(vectors), atol=1e-12, rtol=0)


def test_unknown_heads_are_answered_with_those_there_are():
    with pytest.raises(MmascError, match="unknown head 'forest'; there are: boosting, boosting-paper"):
        make_head("forest")


# Folds and draws


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_never_on_both_sides_of_a_fold(seed):
    generator = np.random.default_rng(seed)
    codes, groups = generator.integers(0, 3, 150), generator.integers(0, 20, 150)
    folds = make_folds(labelled(codes, groups), 5, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(150))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == 150


def test_folds_without_groups_have_every_class_in_proportion():
    codes = np.repeat([0, 1, 2], [50, 25, 10])
    folds = make_folds(labelled(codes), 5)
    assert len(folds) == 5
    for fold in folds:
        assert np.bincount(codes[fold.test]).tolist() == [10, 5, 2]


def test_official_folds_are_taken_as_they_are():
    codes, folds = np.array([0, 1, 0, 1, 0, 1]), [10, 10, 9, 9, 9, 9]
    made = make_folds(labelled(codes, folds=folds))
    assert [(fold.name, fold.test.tolist()) for fold in made] == [("9", [2, 3, 4, 5]), ("10", [0, 1])]


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        (labelled(np.array([0] * 9 + [1] * 3)), "class 'middle' has 3 recordings, fewer than 5 folds; use --folds 3"),
        (labelled(np.array([0] * 9 + [1])), "class 'middle' has 1 recording, fewer than 5 folds; add recordings"),
        (labelled(np.arange(20) % 2, groups=np.arange(20) % 3), "3 groups are fewer than 5 folds; use --folds 3"),
        (labelled(np.arange(20) % 2, groups=np.zeros(20)), "1 groups are fewer than 5 folds; leave out --groups"),
        (labelled(np.repeat([0, 1], 10), groups=[*range(10), *[10] * 10]), "fold . .* anything learnt of 'middle'"),
        (labelled(np.repeat([0, 1], 3), folds=[1, 2, 2, 3, 3, 3]), "fold 3 .* anything learnt of 'middle'"),
        (labelled(np.array([0, 1]), folds=[1, 1]), "one official fold only, '1'; leave --folds-column out"),
        (labelled(np.array([0, 1] * 2), ["x"] * 4, [1, 1, 2, 2]), "group 'x' lies in the official folds 1, 2"),
    ],
)
def test_folds_that_cannot_be_made_are_one_line(recordings, message):
    with pytest.raises(MmascError, match=message) as caught:
        make_folds(recordings, 5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n_per_class", [1, 3, 8])
def test_few_shots_are_exactly_so_many_of_every_class(n_per_class):
    codes = np.repeat([0, 1, 2], [40, 20, 9])
    train, test = draw_few(labelled(codes), n_per_class, seed=1)
    assert np.bincount(codes[train]).tolist() == [n_per_class] * 3
    # The test is all the rest
    assert sorted([*train, *test]) == list(range(69))
    more, _ = draw_few(labelled(codes), min(n_per_class + 1, 8), seed=1)
    assert set(train) <= set(more)
    assert not np.array_equal(draw_few(labelled(codes), n_per_class, seed=2)[0], train)


@pytest.mark.parametrize("seed", range(5))
def test_few_shots_keep_groups_apart(seed):
    generator = np.random.default_rng(seed)
    codes, groups = generator.integers(0, 3, 200), generator.integers(0, 15, 200)
    train, test = draw_few(labelled(codes, groups), 4, seed)
    assert np.bincount(codes[train]).tolist() == [4, 4, 4]
    assert not set(groups[train]) & set(groups[test])
    assert set(codes[test]) == {0, 1, 2}


def test_few_shots_that_cannot_be_drawn_are_one_line():
    codes = np.repeat([0, 1], [40, 4])
    with pytest.raises(MmascError, match="4 shots leave no recording of 'middle' .* has 4; use at most 3 shots"):
        draw_few(labelled(codes), 4, 0)
    with pytest.raises(MmascError, match="1 shots per class touch so many groups .* use fewer shots, or finer groups"):
        draw_few(labelled(codes, groups=codes), 1, 0)


# Files


@pytest.fixture(params=list(HEADS))
def fitted_head(request) -> FittedHead:
    dim = 96 if request.param == "boosting-pca" else 6
    vectors, codes = clouds(3, dim, 100)
    stamp = HeadStamp(
        request.param, "label", NAMES[:3], "f" * 32, "standin", "standin", dim, 1.0, 0.5, "mix", 100, "0.1", "0.0.1"
    )
    return FittedHead(stamp, predictor_of(small(request.param).fit(vectors, codes), vectors))


def test_a_saved_head_is_the_fitted_head(fitted_head, tmp_path):
    fitted_head.save(tmp_path / "new" / "one.head")
    loaded = FittedHead.load(tmp_path / "new" / "one.head")
    assert loaded.stamp == fitted_head.stamp
    new, _ = clouds(3, fitted_head.stamp.dim, 50, seed=2)
    np.testing.assert_array_equal(loaded.predict_proba(3 * new), fitted_head.predict_proba(3 * new))
    np.testing.assert_array_equal(loaded.predict(new), fitted_head.predict(new))
    assert loaded.classes_.tolist() == ["low", "middle", "high"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one.head"]
    with pytest.raises(ValueError, match="NaN"):
        loaded.predict_proba(np.nan * new)
    with pytest.raises(ValueError, match="numbers, got 2"):
        loaded.predict_proba(new[:, :2])


@pytest.fixture
def trees_file(tmp_path) -> Path:
    vectors, codes = clouds(3, 6, 100)
    stamp = HeadStamp("boosting", "label", NAMES[:3], "f" * 32, "standin", "c", 6, 1, 1, "mix", 100, "0.1", "0.0.1")
    FittedHead(stamp, predictor_of(small("boosting").fit(vectors, codes), vectors)).save(tmp_path / "t.head")
    return tmp_path / "t.head"


def test_heads_are_read_without_scikit_learn_whatever_version_fitted_them(trees_file):
    new, _ = clouds(3, 6, 5)
    expected = FittedHead.load(trees_file).predict_proba(new)
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import json, numpy\n"
        "from mmasc.heads.fitted import FittedHead\n"
        f"head = FittedHead.load({str(trees_file)!r})\n"
        f"print(json.dumps(head.predict_proba(numpy.array({new.tolist()})).tolist()))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    np.testing.assert_array_equal(json.loads(out), expected)


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def write_pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(marker)))


def write_old_pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(marker), protocol=0))


def write_archive(path: Path, marker: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload(marker)))


def write_array(path: Path, marker: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.array([Payload(marker)]), allow_pickle=True)


@pytest.mark.parametrize("write", [write_pickle, write_old_pickle, write_archive, write_array])
def test_a_file_with_code_in_it_runs_nothing(write, tmp_path, capsys):
    write(tmp_path / "evil.head", tmp_path / "marker")
    with pytest.raises(MmascError, match=r"evil\.head (looks like .* was not opened|is damaged or no head)") as caught:
        FittedHead.load(tmp_path / "evil.head")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "marker").exists()
    # The payload is a live one
    write_pickle(tmp_path / "evil.head", tmp_path / "marker")
    pickle.loads((tmp_path / "evil.head").read_bytes())
    assert (tmp_path / "marker").exists()


def rewrite(path: Path, change: Callable[[dict, dict], None]) -> None:
    """Write a head's file anew with other arrays or another stamp."""
    with safetensors.safe_open(path, framework="numpy") as opened:
        stamp = json.loads(opened.metadata()["mmasc_head"])
        arrays = {name: opened.get_tensor(name).copy() for name in opened.keys()}  # noqa: SIM118
    change(arrays, stamp)
    path.write_bytes(safetensors.numpy.save(arrays, {"mmasc_head": json.dumps(stamp)}))


def put(name: str, index: object, value: float) -> Callable[[dict, dict], None]:
    def change(arrays: dict, stamp: dict) -> None:
        arrays[name][index] = value

    return change


def stamped(**values: object) -> Callable[[dict, dict], None]:
    return lambda arrays, stamp: stamp.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("left", 0, 0), "a branch leads nowhere or back"),
        (put("right", 0, 10_000), "a branch leads nowhere or back"),
        (put("right", 0, -5), "a branch leads nowhere or back"),
        (put("feature", 0, 6), "a number beyond the dim"),
        (put("feature", 0, -1), "a number beyond the dim"),
        (put("roots", (0, 0), -1), "begins outside the nodes"),
        (put("value", 0, np.nan), "'value' holds NaN"),
        (put("threshold", 0, np.nan), "threshold is not a number"),
        (lambda arrays, stamp: arrays.pop("left"), "'left' is missing"),
        (lambda arrays, stamp: arrays.update(left=arrays["left"][1:]), "unequal arrays"),
        (lambda arrays, stamp: arrays.update(left=arrays["left"].astype(np.int32)), "'left' is not int64"),
        (lambda arrays, stamp: arrays.update(baseline=arrays["baseline"][:2]), "do not fit the classes"),
        (stamped(classes=["low", "high"]), "classes or dim do not fit"),
        (stamped(classes=["low", "high", "low"]), "a class is there twice"),
        (stamped(classes=["low", "high", 3]), "not a list of texts"),
        (stamped(dim=7), "classes or dim do not fit"),
        (stamped(identity=None), "identity of its stamp is None"),
        (stamped(kind="code"), "'code'"),
        (stamped(hop_seconds=1e-9), "every 1e-09 s"),
        (stamped(hop_seconds=float("nan")), "every nan s"),
        (stamped(window_seconds=float("inf")), "it hears inf s"),
        (stamped(channels="all"), "channels must be one of mix, left, .* got 'all'"),
        (stamped(surprise=1), "its stamp must have"),
        (lambda arrays, stamp: stamp.pop("encoder"), "its stamp must have"),
    ],
)
def test_a_head_that_contradicts_itself_is_refused(trees_file, change, message):
    rewrite(trees_file, change)
    with pytest.raises(MmascError, match=message) as caught:
        FittedHead.load(trees_file)
    assert str(caught.value).startswith(f"{trees_file} is damaged: ")
    assert "mmasc head fit" in str(caught.value)


@pytest.mark.parametrize("name", ["svm-rbf", "neighbours", "logistic"])
def test_arrays_of_other_heads_are_checked_too(name, tmp_path):
    vectors, codes = clouds(3, 6, 60)
    stamp = HeadStamp(name, "label", NAMES[:3], "f" * 32, "standin", "c", 6, 1, 1, "mix", 60, "0.1", "0.0.1")
    head = FittedHead(stamp, predictor_of(make_head(name).fit(vectors, codes), vectors))
    changes = {
        "svm-rbf": [
            (put("counts", 0, 1_000), "miscounted"),
            (put("counts", 0, -1), "miscounted"),
            (lambda arrays, _: arrays.update(duals=arrays["duals"][:1]), "coefficients do not fit"),
            (lambda arrays, _: arrays.update(biases=arrays["biases"][:2]), "pairs do not fit"),
            (put("gamma_sigmoid_temperature", 2, 0.0), "temperature"),
        ],
        "neighbours": [
            (put("codes", 0, 3), "beyond the classes"),
            (put("codes", 0, -1), "beyond the classes"),
            (put("sizes", 0, 61), "out of range"),
            (put("near", 0, 0.0), "out of range"),
        ],
        "logistic": [
            (put("weights", (0, 0), np.inf), "NaN or infinity"),
            (lambda arrays, _: arrays.update(biases=arrays["biases"][:2]), "weights do not fit"),
        ],
    }
    for change, message in changes[name]:
        head.save(tmp_path / "one.head")
        rewrite(tmp_path / "one.head", change)
        with pytest.raises(MmascError, match=message):
            FittedHead.load(tmp_path / "one.head")


def test_cut_strange_missing_and_newer_files_are_one_line(trees_file, tmp_path):
    whole = trees_file.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        trees_file.write_bytes(whole[:length])
        with pytest.raises(MmascError, match=r"t\.head is damaged or no head .*fit it again") as caught:
            FittedHead.load(trees_file)
        assert "\n" not in str(caught.value)
    trees_file.write_bytes(whole)
    rewrite(trees_file, stamped(format=2))
    with pytest.raises(MmascError, match=r"made by a newer mmasc \(format 2\); update mmasc"):
        FittedHead.load(trees_file)
    safetensors.numpy.save_file({"weight": np.ones(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(MmascError, match="holds arrays but no head"):
        FittedHead.load(tmp_path / "weights.safetensors")
    with pytest.raises(MmascError, match="no such file"):
        FittedHead.load(tmp_path / "nothing.head")
    with pytest.raises(MmascError, match="is a folder"):
        FittedHead.load(tmp_path)


# Collections from end to end: three kinds of noise by their mean, at four places, in two official folds


@pytest.fixture(scope="module")
def noises(tmp_path_factory) -> Path:
    """A folder of 38 recordings with meta.csv; two of them have no label, some are longer than a window."""
    folder = tmp_path_factory.mktemp("noises")
    generator = np.random.default_rng(8)
    rows = ["path,label,place,fold,level,hole"]
    for item in range(38):
        label = NAMES[item % 3] if item < 36 else ""
        offset = {"low": -0.2, "middle": 0.0, "high": 0.2}.get(label, 0.0) + generator.normal() * 0.08
        seconds = 0.3 if item % 9 else 2.3
        samples = np.clip(offset + generator.uniform(-0.4, 0.4, round(8_000 * seconds)), -1, 1)
        soundfile.write(folder / f"{item:02}.wav", samples, 8_000)
        hole = "" if item == 5 else "x"
        rows.append(f"{item:02}.wav,{label},place{item // 3 % 4},{item // 18 + 1},{10 - item % 3},{hole}")
    (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def collection(noises, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("collection") / "c"
    mmasc.embed(noises, target, StandIn(STANDIN_SPEC), metadata=noises / "meta.csv", hop_seconds=0.5)
    return target


def test_a_recordings_vector_is_the_one_of_its_file(noises, tmp_path, standin, monkeypatch):
    soundfile.write(tmp_path / "stereo.wav", np.random.default_rng(1).uniform(-1, 0.6, (20_000, 2)), 8_000)
    mmasc.embed([tmp_path / "stereo.wav", noises / "00.wav"], tmp_path / "c", standin, channels="each", root=tmp_path)
    for at_once in (65_536, 1):
        monkeypatch.setattr(recordings_module, "_WINDOWS_AT_ONCE", at_once)
        opened = Collection(tmp_path / "c")
        ids, vectors = recording_vectors(opened.space())
        assert len(ids) == 2
        for one, vector in zip(ids, vectors, strict=True):
            path = opened.path_of(opened.recordings.column("path")[opened.row_of[int(one)]].as_py())
            np.testing.assert_allclose(vector, embed_file(path, standin, channels="each").vector, atol=1e-6)


def test_cross_validation_is_a_loop_over_folds(collection):
    report = fit_head(collection, "label", head="logistic", folds_column="fold")
    table = labelled_recordings(Collection(collection), "label", folds_column="fold")
    confusion, accuracies = np.zeros((3, 3), int), []
    for fold in ("1", "2"):
        test = table.folds == fold
        said = make_head("logistic").fit(table.vectors[~test], table.codes[~test]).predict(table.vectors[test])
        np.add.at(confusion, (table.codes[test], said), 1)
        accuracies.append((said == table.codes[test]).mean())
    assert report.classes == ["high", "low", "middle"]
    assert report.confusion == confusion.tolist()
    assert report.folds == pytest.approx(accuracies)
    assert report.fold_sizes == [18, 18]
    assert report.accuracy == pytest.approx(np.trace(confusion) / 36)
    # The sounds are easy but not too easy: otherwise this test could not fail
    assert 0.6 < report.accuracy < 1
    assert report.per_class["low"]["recall"] == pytest.approx(confusion[1, 1] / 12)
    assert report.per_class["low"]["precision"] == pytest.approx(confusion[1, 1] / confusion[:, 1].sum())
    assert (report.recordings, report.unlabelled, report.largest_class) == (36, 2, pytest.approx(1 / 3))
    right = np.array([True] * np.trace(confusion) + [False] * (36 - np.trace(confusion)))
    same_shape = bootstrap_interval(lambda items: float(right[items].mean()), 36)
    assert report.interval == pytest.approx(same_shape, abs=0.05)
    assert report.interval[0] < report.accuracy < report.interval[1]


def test_numbers_are_labels_in_the_order_of_numbers(collection):
    report = fit_head(collection, "level", head="neighbours", where="label IS NOT NULL")
    assert report.classes == ["8", "9", "10"]
    assert report.accuracy == fit_head(collection, "label", head="neighbours").accuracy


def test_groups_widen_what_is_drawn(collection):
    report = fit_head(collection, "label", head="neighbours", groups="place", folds=4)
    table = labelled_recordings(Collection(collection), "label", groups="place")
    assert report.interval_over == "groups of place"
    assert report.fold_sizes == [9] * 4
    accuracies = []
    for number in range(4):
        test = table.groups == f"place{number}"
        said = make_head("neighbours").fit(table.vectors[~test], table.codes[~test]).predict(table.vectors[test])
        accuracies.append((said == table.codes[test]).mean())
    assert sorted(report.folds) == pytest.approx(sorted(accuracies))


def test_where_chooses_recordings_and_windows(collection):
    fewer = fit_head(collection, "label", head="neighbours", where="place <> 'place3'")
    assert (fewer.recordings, fewer.without_vectors) == (27, 9)
    # Windows after the first second alone: the long recordings
    table = labelled_recordings(Collection(collection), "place", where="start >= 1.0")
    assert table.paths == ["00.wav", "09.wav", "18.wav", "27.wav", "36.wav"]


def test_few_shot_curve_is_a_loop_over_draws(collection):
    report = fit_head(collection, "label", head="neighbours", shots=[1, 4], draws=3, seed=7)
    table = labelled_recordings(Collection(collection), "label")
    for point, shots in zip(report.shots, (1, 4), strict=True):
        accuracies = []
        for draw in range(3):
            train, test = draw_few(table, shots, 7 + draw)
            said = make_head("neighbours").fit(table.vectors[train], table.codes[train]).predict(table.vectors[test])
            accuracies.append((said == table.codes[test]).mean())
        assert (point.shots, point.tested) == (shots, 36 - 3 * shots)
        assert point.accuracies == pytest.approx(accuracies)
        assert point.accuracy == pytest.approx(np.mean(accuracies))
        assert point.standard_deviation == pytest.approx(np.std(accuracies, ddof=1))


def test_a_collection_and_its_files_are_labelled_alike(collection, noises, standin, tmp_path):
    report = fit_head(collection, "label", head="boosting", folds=2, out=tmp_path / "b.head")
    stamp = report.fitted.stamp
    assert (stamp.identity, stamp.encoder, stamp.hop_seconds) == (standin.identity, "standin", 0.5)
    stored = list(apply_head(tmp_path / "b.head", collection))
    files = list(apply_head(report.fitted, noises, encoder=standin))
    assert len(stored) == 38
    assert [one.scores for one in stored] == [one.scores for one in files]
    assert [Path(one.path).name for one in stored] == [Path(one.path).name for one in files]
    table = labelled_recordings(Collection(collection), "label")
    scores = make_head("boosting").fit(table.vectors, table.codes).predict_proba(table.vectors)
    np.testing.assert_allclose([list(one.scores.values()) for one in stored[:36]], scores, atol=1e-12)
    best = list(apply_head(report.fitted, Collection(collection), top=1, where="place = 'place0'"))
    assert all(list(one.scores.items()) == [(one.label, one.score)] for one in best)
    assert len(best) == 11


def test_vectors_of_another_encoder_are_refused(collection, noises, standin, tmp_path):
    report = fit_head(collection, "label", head="neighbours", folds=2)
    other = StandIn(replace(STANDIN_SPEC, name="other"))
    other.identity = "different" * 3
    mmasc.embed(noises / "00.wav", tmp_path / "c", other)
    with pytest.raises(MmascError) as caught:
        apply_head(report.fitted, tmp_path / "c")
    line = str(caught.value)
    for part in ("standin", standin.identity, "other", other.identity, "fit a head to these"):
        assert part in line
    assert "\n" not in line
    with pytest.raises(
        MmascError, match=f"encoder standin with identity {standin.identity}; the encoder here is other"
    ):
        apply_head(report.fitted, noises, encoder=other)
    # Where the right vectors are there too, under whatever name, they are found
    mmasc.embed(noises / "00.wav", tmp_path / "c", standin, space="mine", hop_seconds=0.5)
    assert len(list(apply_head(report.fitted, tmp_path / "c"))) == 1


# The command line


def test_fit_keeps_its_promise_and_apply_answers_as_classify(collection, noises, registered, tmp_path, capsys):
    out = tmp_path / "noise.head"
    command = ("head", "fit", collection, "--label", "label", "--head", "neighbours", "--folds-column", "fold")
    status, printed, err = run(*command, "--shots", "1", "2", "4", "--out", out, "--format", "json", capsys=capsys)
    assert (status, err) == (0, "2 recordings without a label in 'label' were left out\n")
    found = json.loads(printed)
    low, high = found["interval"]
    assert low <= found["accuracy"] <= high
    assert len(found["folds"]) == 2
    assert np.trace(found["confusion"]) / np.sum(found["confusion"]) == pytest.approx(found["accuracy"])
    assert found["classes"] == list(found["per_class"]) == ["high", "low", "middle"]
    assert (found["head"], found["space"], found["identity"]) == ("neighbours", "standin", StandIn.identity)
    assert [point["shots"] for point in found["shots"]] == [1, 2, 4]
    assert {len(point["accuracies"]) for point in found["shots"]} == {10}

    (noises / "bad.txt").write_text("no sound")
    status, printed, err = run(
        "head", "apply", out, noises / "00.wav", noises / "bad.txt", "--format", "jsonl", capsys=capsys
    )
    (answer,) = [json.loads(line) for line in printed.splitlines()]
    assert status == 0
    assert err.startswith("1 of 2 files could not be read:\n")
    assert "bad.txt" in err
    assert list(answer)[:4] == ["path", "label", "score", "scores"]
    assert answer["path"] == str(noises / "00.wav")
    assert answer["scores"][answer["label"]] == answer["score"] == max(answer["scores"].values())
    status, printed, _ = run("head", "apply", out, noises / "bad.txt", capsys=capsys)
    assert (status, printed) == (1, "")
    (noises / "bad.txt").unlink()

    _, printed, _ = run("head", "apply", out, collection, "--format", "json", "--top", "2", capsys=capsys)
    answers = json.loads(printed)
    assert {len(one["scores"]) for one in answers} == {2}
    assert answers[0]["score"] == pytest.approx(answer["score"], abs=1e-12)
    _, printed, _ = run("head", "apply", out, collection, "--format", "csv", capsys=capsys)
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["label"] for row in rows] == [one["label"] for one in answers]
    assert float(rows[0]["score_low"]) == pytest.approx(answer["scores"]["low"], abs=1e-12)
    _, printed, _ = run("head", "apply", out, collection, "--where", "place = 'place1'", capsys=capsys)
    assert len(printed.splitlines()) == 1 + 9


def test_fit_prints_a_table_for_people(collection, capsys):
    command = ("head", "fit", collection, "--label", "label", "--head", "neighbours", "--folds", "3", "--quiet")
    status, printed, err = run(*command, "--shots", "1,2", "--draws", "2", capsys=capsys)
    assert (status, err) == (0, "")
    for part in ("neighbours on label: 36 recordings, 3 classes", "95 % interval", "over recordings", "confusion"):
        assert part in printed
    rows = [line.split() for line in printed.splitlines()]
    assert [row[0] for row in rows if row[-1:] == ["12"]] == ["high", "low", "middle"]
    assert [row[:1] for row in rows[-2:]] == [["1"], ["2"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "kind"], "has no column 'kind'; it has: label, place, fold, level, hole; add columns with"),
        (["--label", "label", "--groups", "site"], "has no column 'site'; it has: label"),
        (["--label", "label", "--folds-column", "part"], "has no column 'part'; it has: label"),
        (["--label", "label", "--where", "label = 'low'"], "holds one label only among .*'low', so there is nothing"),
        (["--label", "label", "--where", "label IS NULL"], "no recording of .* has a label in column 'label'"),
        (["--label", "label", "--where", "colour = 3"], "cannot read the condition 'colour = 3'"),
        (["--label", "label", "--folds", "13"], "class 'high' has 12 recordings, fewer than 13 folds; use --folds 12"),
        (["--label", "label", "--groups", "hole"], "column 'hole' is empty for 1 labelled .* 05.wav\\); fill it"),
        (["--label", "label", "--space", "clap"], "has no space 'clap'; it has: standin"),
        (["--label", "label", "--shots", "1", "12"], "12 shots leave no recording of 'high' to test on"),
        (["--label", "label", "--head", "boosting-pca"], "90 principal components need"),
        (["--label", "label", "--out", "."], ". is a folder; give the name of a file"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(arguments, message, collection, capsys):
    status, out, err = run("head", "fit", collection, *arguments, "--quiet", capsys=capsys)
    assert (status, out) == (1, "")
    assert re.search(message, err), err
    assert err.startswith("mmasc: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("fit", "C", "--label", "label", "--shots", "0"), "give numbers of recordings per class"),
        (("fit", "C", "--label", "label", "--shots", "some"), "give numbers of recordings per class"),
        (("fit", "C", "--label", "label", "--folds", "3", "--folds-column", "f"), "leave out --folds"),
        (("apply", "H", "x.wav", "--space", "mini"), "--space and --where are for a collection"),
    ],
)
def test_wrong_usage_exits_with_2(command, message, capsys):
    status, out, err = run("head", *command, capsys=capsys)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


def test_a_collection_among_files_is_refused(collection, noises, trees_file, capsys):
    status, _, err = run("head", "apply", trees_file, noises / "00.wav", collection, capsys=capsys)
    assert status == 1
    assert err == "mmasc: give one collection alone, or recordings; not both, nor several collections\n"


def test_the_list_of_heads_loads_nothing_heavy():
    code = (
        "import sys, mmasc.heads.registry, mmasc.cli.head\n"
        "assert not {'torch', 'sklearn', 'scipy', 'lance', 'faiss'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
