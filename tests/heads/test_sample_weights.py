"""Recordings that count more, less or nothing."""

import numpy as np
import pytest

from mmasc.heads.sample_weights import weighted


def test_recordings_without_weight_are_left_out_whole():
    vectors, labels = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "a", "b"])
    left = weighted(vectors, labels, [0.0, 0.25, 1.0, 3.0])
    np.testing.assert_array_equal(left[0], vectors[1:])
    assert left[1].tolist() == ["b", "a", "b"]
    assert left[2] is not None
    assert left[2].tolist() == [0.25, 1.0, 3.0]
    for wrong in ([0.0] * 4, [-1.0, 1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match="(?i)sample.weight"):
            weighted(vectors, labels, wrong)
