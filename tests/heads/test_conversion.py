"""A fitted head as arrays answers as the fitted head itself."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.registry import make_head
from tests.helpers.heads import NAMES, clouds, small


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
