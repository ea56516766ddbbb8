"""Thresholds and least cosines against brute force."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.heads.thresholds import fit_minimum_against, fit_minimum_cosine, fit_thresholds
from tests.helpers.cosines import LABELS, cosines_of


def f1(scores: np.ndarray, true: np.ndarray, threshold: float) -> float:
    held = scores >= threshold
    return 2 * (held & true).sum() / (held.sum() + true.sum())


def test_thresholds_have_the_best_f1_that_there_is():
    generator = np.random.default_rng(9)
    true = generator.uniform(size=(40, 4)) < 0.3
    scores = np.round(generator.uniform(size=(40, 4)) * 0.7 + 0.3 * true, 2)
    found = fit_thresholds(scores, true, LABELS)
    for column, label in enumerate(LABELS):
        best = max(f1(scores[:, column], true[:, column], threshold) for threshold in np.linspace(0, 1, 2_001))
        assert f1(scores[:, column], true[:, column], found[label]) == pytest.approx(best)


def test_thresholds_follow_the_stated_rule():
    # F1 is 1 between 0.2 and 0.8, so the middle; F1 2/3 whether one or all hold: gaps decide, 0.3 to 0.9 is widest
    scores = np.array([[0.1, 0.9], [0.2, 0.3], [0.8, 0.2]])
    true = np.array([[False, True], [False, False], [True, False]])
    assert fit_thresholds(scores, true, ["x", "y"]) == pytest.approx({"x": 0.5, "y": 0.6})
    # F1 2/3 at 0.125 and at 0.75, where the gap is narrower; and both gaps alike: the higher one
    held = np.array([[False], [True], [False], [False], [True]])
    assert fit_thresholds(np.array([[0.0], [0.25], [0.5], [0.6875], [0.8125]]), held, ["x"]) == {"x": 0.125}
    assert fit_thresholds(np.array([[0.0], [0.25], [0.5], [0.625], [0.875]]), held, ["x"]) == {"x": 0.75}
    # everything true and false in equal places: all hold from the lowest score on
    assert fit_thresholds(np.array([[0.3], [0.3]]), np.array([[True], [False]]), ["x"]) == {"x": 0.3}
    with pytest.raises(MmascError, match="sounds without it: 'x' lack one of them; label some more"):
        fit_thresholds(scores, np.array([[True, True], [True, False], [True, False]]), ["x", "y"])
    with pytest.raises(ValueError, match="must agree"):
        fit_thresholds(scores, true, ["x"])


def test_minimum_cosine_loses_no_more_than_was_said():
    cosines, codes = cosines_of(400, seed=10)
    right = cosines.argmax(axis=1) == codes
    best = cosines.max(axis=1)[right]
    for lost in (0.0, 0.05, 0.3):
        minimum = fit_minimum_cosine(cosines, codes, lost)
        assert (best < minimum).mean() <= lost
        assert (best <= minimum).mean() > lost  # the next higher one loses more
    with pytest.raises(MmascError, match="no labelled sound has its own label as the best"):
        fit_minimum_cosine(-np.eye(4), np.arange(4))
    with pytest.raises(ValueError, match="lost must be in"):
        fit_minimum_cosine(cosines, codes, 1.0)


def test_thresholds_of_few_sounds_are_drawn_towards_the_shared_one():
    generator = np.random.default_rng(4)
    scores = generator.uniform(size=(60, 3))
    true = np.zeros((60, 3), bool)
    true[:2, 0] = true[2:32, 1] = true[32:36, 2] = True
    own = fit_thresholds(scores, true, "abc")
    shared = fit_thresholds(scores.reshape(-1, 1), true.reshape(-1, 1), "s")["s"]
    drawn = fit_thresholds(scores, true, "abc", few=5)
    assert drawn["b"] == own["b"]

    def odds(p):
        return np.log(p / (1 - p))

    for name, share in (("a", 2 / 5), ("c", 4 / 5)):
        assert odds(drawn[name]) == pytest.approx((1 - share) * odds(shared) + share * odds(own[name]))
    cosines = scores * 4 - 2
    drawn, own = fit_thresholds(cosines, true, "abc", few=5), fit_thresholds(cosines, true, "abc")
    assert drawn["a"] == pytest.approx(0.6 * (shared * 4 - 2) + 0.4 * own["a"])


def test_the_minimum_against_a_background_is_the_best_of_all():
    generator = np.random.default_rng(6)
    cosines, codes = generator.normal(0.4, 0.2, (80, 3)), generator.integers(0, 3, 80)
    background = generator.normal(0.2, 0.2, (50, 3))
    right = cosines.argmax(1) == codes
    best, others = cosines.max(1)[right], background.max(1)

    def worth(least):
        return (best >= least).mean() - (others >= least).mean()

    found = fit_minimum_against(cosines, codes, background)
    assert worth(found) == pytest.approx(max(worth(one) for one in np.concatenate([best, others])))
    bounded = fit_minimum_against(cosines, codes, background, lost=0.1)
    assert (best < bounded).mean() <= 0.1
    assert bounded <= found
    assert fit_minimum_against(cosines, codes, background, lost=0) == best.min()
    with pytest.raises(ValueError, match="background not empty"):
        fit_minimum_against(cosines, codes, background[:0])
    with pytest.raises(MmascError, match="its own label as the best"):
        fit_minimum_against(cosines, (cosines.argmax(1) + 1) % 3, background)


def test_zero_and_one_are_probabilities_whose_log_odds_are_bounded():
    scores, true = np.array([[1.0], [0.5], [0.0], [0.0]]), np.array([[True], [True], [False], [True]])
    own = fit_thresholds(scores, true, ["x"])["x"]
    # Everything holds from 0 on, where the log odds are those of 1e-9; shared and own are the same
    assert own == 0.0
    assert fit_thresholds(scores, true, ["x"], few=4)["x"] == pytest.approx(1e-9, rel=1e-3)
    assert fit_thresholds(scores, true, ["x"], few=3)["x"] == 0.0


def test_a_share_that_is_a_whole_number_of_sounds_is_that_number():
    cosines = np.stack([np.arange(1.0, 101.0), np.zeros(100)], axis=1)
    codes = np.zeros(100, np.int64)
    for lost in (0.0, 0.07, 0.29, 0.57, 0.58):  # 0.29 * 100 is 28.999999999999996
        assert fit_minimum_cosine(cosines, codes, lost) == 1 + round(100 * lost)
        assert fit_minimum_against(cosines, codes, cosines + 1_000, lost) == 1.0
        assert fit_minimum_against(cosines, codes, np.full((3, 2), 99.5), lost) == 1.0
    assert fit_minimum_cosine(cosines, codes) == 6.0
    for lost in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="lost must be in"):
            fit_minimum_cosine(cosines, codes, lost)
    for lost in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="lost must be in"):
            fit_minimum_against(cosines, codes, cosines, lost)
    assert fit_minimum_against(cosines, codes, np.full((3, 2), 99.5), 1.0) == 100.0
    assert fit_minimum_against(cosines, codes, np.full((3, 2), 50.5)) == 51.0
    assert fit_minimum_against(cosines, codes, np.full((3, 2), 50.5), 0.5) == 51.0
    assert fit_minimum_against(cosines, codes, np.full((3, 2), 50.5), 0.49) == 1.0
