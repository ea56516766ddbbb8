"""Prototypes against brute force."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.heads.registry import make_head
from tests.helpers.heads import clouds


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
