"""A label must stand out from what its cosine usually is where nothing is asked for."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import median_abs_deviation
from sklearn.exceptions import NotFittedError

from mmasc.errors import MmascError
from mmasc.heads.background import STANDS_OUT, BackgroundZeroShot, logits_of, standing_out, usual_and_spread
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier

LABELS = ["rain", "owl", "saw"]


def cosine_vectors(cosines: np.ndarray) -> np.ndarray:
    """Unit vectors of 4 numbers with these cosines to three labels that are axes."""
    rest = np.sqrt(1 - (cosines**2).sum(axis=1, keepdims=True))
    return np.hstack([cosines, rest])


@pytest.fixture
def background() -> np.ndarray:
    """Cosines to rain are high and waver widely, those to the others are low."""
    generator = np.random.default_rng(0)
    return generator.normal([0.4, 0.1, 0.0], [0.06, 0.02, 0.02], (4_000, 3))


def made(**options) -> BackgroundZeroShot:
    return BackgroundZeroShot(temperature=0.05, **options).fit_vectors(np.eye(3, 4), LABELS)


def test_what_is_usual_is_nothing_and_what_stands_out_is_said(background):
    found = made().calibrate(cosine_vectors(background))
    sounds = cosine_vectors(np.array([[0.4, 0.1, 0.0], [0.42, 0.5, 0.0], [0.75, 0.1, 0.0], [0.5, 0.12, 0.02]]))
    assert found.predict(sounds).tolist() == [NONE, "owl", "rain", NONE]
    plain = ZeroShotClassifier(temperature=0.05).fit_vectors(np.eye(3, 4), LABELS)
    assert plain.predict(sounds).tolist() == ["rain", "owl", "rain", "rain"]
    assert found.predict_proba(sounds).tolist() == plain.predict_proba(sounds).tolist()


def test_what_wavers_normally_stands_out_in_one_of_741_cases(background):
    others = np.random.default_rng(1).normal([0.4, 0.1, 0.0], [0.06, 0.02, 0.02], (200_000, 3))
    share = (standing_out(others, background) >= STANDS_OUT).mean(axis=0)
    assert share * 741 == pytest.approx([1, 1, 1], abs=0.35)


def test_a_few_events_in_the_background_do_no_harm(background):
    mixed = background.copy()
    mixed[:200, 1] = 0.8
    clean, found = (made().calibrate(cosine_vectors(one)) for one in (background, mixed))
    assert found.usual_ == pytest.approx(clean.usual_, abs=0.003)
    assert found.spread_ == pytest.approx(clean.spread_, rel=0.1)
    assert (found.predict(cosine_vectors(mixed[:200])) == "owl").all()


def test_several_labels_can_stand_out(background):
    found = made(multi_label=True).calibrate(cosine_vectors(background))
    sounds = cosine_vectors(np.array([[0.68, 0.66, 0.0], [0.4, 0.1, 0.0]]))
    assert found.predict(sounds).tolist() == [[1, 1, 0], [0, 0, 0]]
    far = made(stands_out=1e6).calibrate(cosine_vectors(background))
    assert far.predict(cosine_vectors(background[:5])).tolist() == [NONE] * 5


def test_it_wants_background_first_and_enough_of_it(background):
    with pytest.raises(NotFittedError, match="on background"):
        made().predict(np.ones((1, 4)))
    with pytest.raises(MmascError, match="19 windows of background are too few"):
        made().calibrate(cosine_vectors(background[:19]))
    again = made().calibrate(cosine_vectors(background)).fit_vectors(np.eye(3, 4), LABELS)
    assert not hasattr(again, "usual_")


def test_usual_and_spread_are_those_of_scipy(background):
    usual, spread = usual_and_spread(background)
    np.testing.assert_allclose(usual, np.median(background, axis=0))
    np.testing.assert_allclose(spread, median_abs_deviation(background, scale="normal"), rtol=1e-4)
    np.testing.assert_allclose(standing_out(background[:5], background), (background[:5] - usual) / spread)
    # A background of one sound alone has no spread of its own
    np.testing.assert_allclose(usual_and_spread(np.full((20, 2), 0.3))[1], 1e-3)


def test_logits_are_those_of_scipy_and_those_of_0_and_1_are_finite():
    inside = np.array([[1e-6, 0.3, 0.5], [0.9, 1 - 1e-6, 0.1]])
    np.testing.assert_allclose(logits_of(inside), logit(inside), atol=1e-9)
    np.testing.assert_allclose(logits_of(np.array([0.0, 1.0])), [np.log(1e-9), -np.log(1e-9)], rtol=1e-6)


def test_a_label_stands_out_from_its_bound_on(background):
    found = made().calibrate(cosine_vectors(background))
    bound = found.usual_ + STANDS_OUT * found.spread_
    probabilities, cosines = np.eye(3), np.diag(bound + 1e-9)
    assert found.accept(probabilities, cosines).diagonal().tolist() == [True] * 3
    assert found.accept(probabilities, np.diag(bound - 1e-9)).any(axis=1).tolist() == [False] * 3
    assert made().stands_out == STANDS_OUT == 3.0


def test_labels_that_are_numbers_stay_numbers(background):
    found = BackgroundZeroShot(temperature=0.05, threshold=0.2, minimum_cosine=0.1)
    found.fit_vectors(np.eye(3, 4), [3, 1, 2]).calibrate(cosine_vectors(background))
    sounds = cosine_vectors(np.array([[0.4, 0.1, 0.0], [0.42, 0.5, 0.0]]))
    assert found.predict(sounds).tolist() == [NONE, 1]
    assert (found.threshold, found.minimum_cosine) == (0.2, 0.1)
    picky = BackgroundZeroShot(temperature=0.05, minimum_cosine=0.9).fit_vectors(np.eye(3, 4), [3, 1, 2])
    assert picky.calibrate(cosine_vectors(background)).predict(sounds).tolist() == [NONE, NONE]
    with pytest.raises(MmascError, match="1 window of background is too few; take recordings with 20 or more"):
        picky.calibrate(cosine_vectors(background[:1]))
    assert picky.calibrate(cosine_vectors(background[:20])).usual_.shape == (3,)
