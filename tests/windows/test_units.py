"""The three kinds of unit vectors: what they share, and what each is kept for."""

import numpy as np
import pytest
from sklearn.preprocessing import Normalizer

from mmasc.windows.units import unit_as_normalizer, unit_float32, unit_float64


@pytest.fixture
def vectors() -> np.ndarray:
    generator = np.random.default_rng(2)
    return (generator.normal(size=(500, 33)) * generator.uniform(1e-3, 1e3, (500, 1))).astype(np.float32)


@pytest.mark.parametrize("unit", [unit_float32, unit_float64, unit_as_normalizer])
def test_length_is_one_direction_stays_and_zero_stays_zero(vectors, unit):
    vectors[7] = 0
    units = unit(vectors)
    assert units.dtype == (np.float32 if unit is unit_float32 else np.float64)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    np.testing.assert_allclose(units * lengths[:, None], vectors, rtol=2e-6)
    np.testing.assert_array_equal(units[7], 0)


def test_heads_see_what_scikit_learn_makes_to_the_last_bit(vectors):
    wide = vectors.astype(np.float64)
    np.testing.assert_array_equal(unit_as_normalizer(wide), Normalizer().fit_transform(wide))


def test_damaged_numbers_make_no_noise_and_one_vector_is_taken_as_well_as_many():
    np.testing.assert_array_equal(unit_float32(np.array([[1e30, 1e30], [3.0, 4.0]])), np.float32([[0, 0], [0.6, 0.8]]))
    np.testing.assert_array_equal(unit_float32(np.array([3.0, 4.0])), np.float32([0.6, 0.8]))
