"""Heads against scikit-learn and brute force."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mmasc.errors import MmascError
from mmasc.heads import estimators
from mmasc.heads.conversion import predictor_of
from mmasc.heads.registry import HEADS, make_head
from mmasc.windows.units import unit_as_normalizer
from tests.helpers.heads import NAMES, clouds, small


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
    ).fit(unit_as_normalizer(longer), codes)  # fmt: skip
    head = make_head().fit(longer, codes)
    np.testing.assert_array_equal(head.predict_proba(longer), theirs.predict_proba(unit_as_normalizer(longer)))


def test_recordings_without_weight_are_left_out_whole():
    vectors, labels = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "a", "b"])
    left = estimators._weighted(vectors, labels, [0.0, 0.25, 1.0, 3.0])
    np.testing.assert_array_equal(left[0], vectors[1:])
    assert left[1].tolist() == ["b", "a", "b"]
    assert left[2] is not None
    assert left[2].tolist() == [0.25, 1.0, 3.0]
    for wrong in ([0.0] * 4, [-1.0, 1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match="(?i)sample.weight"):
            estimators._weighted(vectors, labels, wrong)
