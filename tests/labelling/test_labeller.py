"""Which labels of a head hold, and how far each is from that, by hand."""

import numpy as np
import pytest
from scipy.special import logit

from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.one_against_rest import OneAgainstRest
from mmasc.heads.predictors import Linear
from mmasc.labelling.apply import HeadLabeller
from mmasc.labelling.own_background import OwnBackground
from mmasc.labelling.review import _margins

NAMES = ("rain", "owl", "nothing")


def head(thresholds=None, background=None) -> FittedHead:
    linear = Linear(np.eye(3), np.zeros(3))
    two = Linear(np.eye(2, 3), np.zeros(2))
    predictor = linear if thresholds is None else OneAgainstRest((two,) * 3)
    stamp = HeadStamp(
        "logistic", "label", NAMES, "f" * 32, "standin", "s", 3, 1.0, 1.0, "mix", 9, "0.1", "1.0",
        thresholds=thresholds, background=background,
    )  # fmt: skip
    return FittedHead(stamp, predictor)


SCORES = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.1, 0.9, 0.8]])


def test_of_one_label_the_best_holds_unless_it_is_the_background():
    assert HeadLabeller(head()).accept(SCORES).astype(int).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    labeller = HeadLabeller(head(background="nothing"), threshold=0.7)
    assert labeller.accept(SCORES).astype(int).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert HeadLabeller(head(background="nothing")).accept(SCORES)[1].tolist() == [False] * 3


def test_of_several_labels_all_hold_from_their_thresholds_on():
    labeller = HeadLabeller(head((0.7, 0.9, 0.8)))
    assert labeller.accept(SCORES).astype(int).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert HeadLabeller(head((0.7, 0.9, 0.8)), threshold=0.3).accept(SCORES).astype(int).tolist() == [
        [1, 0, 0], [1, 1, 1], [0, 1, 1],
    ]  # fmt: skip
    # Of several one: the one whose logit is farthest above its threshold
    one = HeadLabeller(head((0.2, 0.85, 0.5)), one_at_a_time=True)
    assert one.accept(SCORES).astype(int).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    behind = HeadLabeller(head((0.2, 0.85, 0.5), "nothing"), one_at_a_time=True)
    assert behind.accept(SCORES)[2].astype(int).tolist() == [0, 1, 0]
    nobody = HeadLabeller(head((0.99, 0.99, 0.99)), one_at_a_time=True)
    assert not nobody.accept(SCORES).any()


def test_what_must_stand_out_in_its_own_recording():
    labeller = HeadLabeller(head((0.1, 0.1, 0.1)), own=OwnBackground(3.0))
    out = np.array([[3.0, 2.9, 9.0], [0.0, 0.0, 0.0], [5.0, -5.0, 3.0]])
    assert labeller.accept(SCORES, out).astype(int).tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    assert labeller.accept(SCORES).all()  # where nothing is known of its recording
    (same,) = HeadLabeller(head()).against_own((SCORES,), np.array([0, 3]))
    np.testing.assert_array_equal(same, SCORES)
    probabilities, far = labeller.against_own((SCORES,), np.array([0, 3]))
    np.testing.assert_array_equal(probabilities, SCORES)
    assert (far > 1_000).all()  # three windows are too few to be a background


def test_margins_are_logits_above_the_threshold_or_above_the_best_other_label():
    several = _margins(SCORES, HeadLabeller(head((0.7, 0.9, 0.8))))
    np.testing.assert_allclose(several, logit(SCORES) - logit([0.7, 0.9, 0.8]), atol=1e-6)
    one = _margins(SCORES, HeadLabeller(head()))
    best_other = np.array([[0.2, 0.7, 0.7], [0.4, 0.4, 0.3], [0.9, 0.8, 0.9]])
    np.testing.assert_allclose(one, np.log(SCORES / best_other), atol=1e-9)
    assert _margins(np.array([[1.0, 0.0, 0.0]]), HeadLabeller(head()))[0] == pytest.approx(
        [-np.log(1e-9), np.log(1e-9), np.log(1e-9)]
    )
