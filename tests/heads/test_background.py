"""A label must stand out from what its cosine usually is where nothing is asked for."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from mmasc.errors import MmascError
from mmasc.heads.background import STANDS_OUT, BackgroundZeroShot, standing_out
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
