"""Heads against scikit-learn and brute force."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mmasc.errors import MmascError
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
