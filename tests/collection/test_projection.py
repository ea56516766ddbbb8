"""Maps of spaces: the principal axes of NumPy's own decomposition, of any number of windows, however many at once."""

import numpy as np
import pytest

from mmasc.collection import projection
from mmasc.collection.head import SpaceHead
from mmasc.collection.projection import principal_axes
from mmasc.collection.space import SpaceReader


def mapped(vectors: np.ndarray) -> np.ndarray:
    reader = SpaceReader.__new__(SpaceReader)
    reader.row_ids = np.arange(len(vectors))
    reader.space = SpaceHead("a" * 32, "standin", vectors.shape[1], 1.0, 1.0, "mix")
    return principal_axes(lambda _, some: vectors[some], reader)


def cloud(count: int, dim: int) -> np.ndarray:
    generator = np.random.default_rng(count + dim)
    return (generator.normal(size=(count, dim)) * np.linspace(3, 0.5, dim) + 1).astype(np.float32)


@pytest.mark.parametrize("at_once", [1, 7, 65_536])
@pytest.mark.parametrize("dim", [2, 5])
def test_places_are_those_of_the_singular_value_decomposition(dim, at_once, monkeypatch):
    monkeypatch.setattr(projection, "_AT_ONCE", at_once)
    vectors = cloud(60, dim)
    found = mapped(vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    left, sizes, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
    wanted = (left * sizes)[:, :2]
    wanted *= np.sign(wanted[np.abs(wanted).argmax(axis=0), [0, 1]])
    np.testing.assert_allclose(found, wanted / np.abs(wanted).max(), atol=2e-3)
    assert found.dtype == np.float32
    assert np.abs(found).max() == pytest.approx(1.0)
    assert (found.max(axis=0) >= -found.min(axis=0) - 1e-6).all()
    assert found[:, 0].var() >= found[:, 1].var()


@pytest.mark.parametrize(("count", "dim"), [(0, 1), (0, 4), (1, 1), (1, 4), (3, 1)])
def test_few_windows_and_one_number_have_places_too(count, dim):
    found = mapped(cloud(count, dim))
    assert found.shape == (count, 2)
    assert np.isfinite(found).all()


def test_windows_that_are_all_alike_lie_in_one_place_and_damaged_ones_count_as_nothing():
    assert np.abs(mapped(np.tile(cloud(1, 4), (9, 1)))).max() <= 1.0
    vectors = cloud(20, 4)
    vectors[3] = np.nan
    other = vectors.copy()
    other[3] = 0
    np.testing.assert_array_equal(mapped(vectors), mapped(other))
