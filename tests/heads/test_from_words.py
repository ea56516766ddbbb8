"""Laws of a head that begins with words: from the words alone to examples alone, and everything between."""

from dataclasses import replace

import numpy as np
import pytest

from mmasc.heads.background import STANDS_OUT, standing_out
from mmasc.heads.conversion import predictor_of
from mmasc.heads.from_words import _USUAL, FromWords, WordScore, word_score
from mmasc.heads.registry import make_head
from mmasc.windows.units import unit_as_normalizer
from tests.helpers.heads import clouds


@pytest.fixture
def sounds() -> tuple[np.ndarray, np.ndarray, WordScore]:
    """Vectors of two clouds, which of them have the label, and words that point near the second cloud."""
    vectors, codes = clouds(2, 8, 120)
    words = vectors[codes == 1].mean(axis=0) + 0.3 * np.random.default_rng(5).normal(size=8)
    return vectors, codes, word_score(words / np.linalg.norm(words), vectors)


def test_the_score_is_how_far_a_cosine_stands_out(sounds):
    vectors, _, score = sounds
    words = score.weights / np.linalg.norm(score.weights)
    cosines = (vectors @ words)[:, None]
    np.testing.assert_allclose(score(vectors), standing_out(cosines, cosines)[:, 0] - STANDS_OUT, atol=1e-9)


def test_what_is_usual_is_that_of_examples_and_of_the_collection_together(sounds):
    vectors, codes, score = sounds
    few = np.r_[0:30]
    units = unit_as_normalizer(vectors[few])
    fitted = FromWords(score, strength=0.5).fit(vectors[few], codes[few])
    share = len(few) / (len(few) + 0.5 * _USUAL)
    np.testing.assert_allclose(fitted.mean_, share * units.mean(axis=0) + (1 - share) * score.mean, atol=1e-12)
    variance = share * units.var(axis=0) + (1 - share) * score.deviation**2
    np.testing.assert_allclose(fitted.deviation_, np.sqrt(variance), atol=1e-12)


def test_without_strength_it_is_logistic_regression(sounds):
    vectors, codes, score = sounds
    few = np.r_[0:30]
    ours = FromWords(score, strength=0.0).fit(vectors[few], codes[few]).predict_proba(vectors)
    theirs = make_head("logistic").fit(vectors[few], codes[few]).predict_proba(vectors)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)  # scikit-learn stops earlier


def test_with_all_strength_it_ranks_as_the_words_do(sounds):
    vectors, codes, score = sounds
    head = FromWords(score, strength=1e6).fit(vectors[:40], codes[:40])
    ranked = np.argsort(head.decision_function(vectors))
    np.testing.assert_array_equal(ranked, np.argsort(score(vectors)))


@pytest.mark.parametrize("side", [None, 0, 1])
def test_one_side_or_nothing_is_enough(sounds, side):
    vectors, codes, score = sounds
    rows = np.flatnonzero(codes == side)[:1] if side is not None else np.zeros(0, np.int64)
    head = FromWords(score, strength=2.0).fit(vectors[rows], codes[rows])
    logits, words = head.decision_function(vectors), 2.0 * score(vectors)
    if side is None:
        np.testing.assert_allclose(logits, words, atol=1e-9)
    else:
        assert (logits[rows] > words[rows]) if side else (logits[rows] < words[rows])
        assert np.corrcoef(logits, words)[0, 1] > 0.9


def test_examples_that_agree_with_the_words_change_little_and_many_that_do_not_win(sounds):
    vectors, codes, score = sounds
    wrong = replace(score, weights=-score.weights, bias=-score.bias - 2 * STANDS_OUT)
    many, of_many = clouds(2, 8, 4_000)
    learnt, plain = FromWords(wrong).fit(many, of_many), make_head("logistic").fit(many, of_many)
    assert (learnt.predict(many) == plain.predict(many)).mean() > 0.98
    sure = np.abs(score(vectors) + STANDS_OUT) > 1
    rows = np.flatnonzero(sure & ((score(vectors) > 0) == codes))
    head = FromWords(score).fit(vectors[rows], codes[rows])
    shift = head.coef_[0] - score.weights * head.strength
    assert np.linalg.norm(shift) < np.linalg.norm(score.weights * head.strength)


def test_the_loss_has_no_lower_place_nearby(sounds):
    vectors, codes, score = sounds
    head = FromWords(score, strength=1.5).fit(vectors[:50], codes[:50])
    units, true = unit_as_normalizer(vectors[:50]), codes[:50]
    deviation = head.deviation_

    def loss(weights, bias):
        logits = units @ (1.5 * score.weights + weights) + 1.5 * score.bias + bias
        own = bias + head.mean_ @ weights
        fit = np.logaddexp(0, np.where(true == 1, -logits, logits)).sum()
        return fit + 0.5 * ((weights * deviation) ** 2).sum() * head.penalty + 0.5 * 1.5 * own**2

    weights = head.coef_[0] - 1.5 * score.weights
    bias = head.intercept_[0] - 1.5 * score.bias
    least = loss(weights, bias)
    generator = np.random.default_rng(0)
    for _ in range(50):
        step = generator.normal(size=9) * 1e-2
        assert loss(weights + step[:8] / deviation, bias + step[8]) >= least


def test_kept_as_arrays_it_answers_the_same_and_twice_the_same(sounds):
    vectors, codes, score = sounds
    heads = [FromWords(score).fit(vectors, codes) for _ in range(2)]
    predictor = predictor_of(heads[0], vectors)
    np.testing.assert_allclose(predictor.predict_proba(vectors), heads[0].predict_proba(vectors), atol=1e-12)
    np.testing.assert_array_equal(heads[0].coef_, heads[1].coef_)


def test_what_cannot_be_is_refused(sounds):
    vectors, codes, score = sounds
    with pytest.raises(ValueError, match="strength must be 0 or more"):
        FromWords(score, strength=-1.0).fit(vectors, codes)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        FromWords(score).fit(vectors, codes + 1)
