"""Distances are those of the textbook, thresholds let through what they promise, files hold them or are refused."""

import dataclasses

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from mmasc.heads.familiarity import LEAST, Familiarity, fit_familiarity


def kinds(n, dim=12, n_classes=3, seed=0):
    """Vectors of some classes, near different axes."""
    generator = np.random.default_rng(seed)
    codes = np.arange(n) % n_classes
    vectors = np.eye(dim)[codes] * 3 + generator.normal(size=(n, dim)) * np.linspace(0.2, 0.6, dim)
    return vectors * generator.uniform(0.1, 10, (n, 1)), codes


def halves(n):
    order = np.random.default_rng(1).permutation(n)
    return [(order[n // 2 :], order[: n // 2]), (order[: n // 2], order[n // 2 :])]


def test_distances_are_mahalanobis_to_the_nearest_class():
    vectors, codes = kinds(300)
    found = fit_familiarity(vectors, codes, halves(300))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    means = np.stack([unit[codes == code].mean(0) for code in range(3)])
    covariance, _ = ledoit_wolf(unit - means[codes], assume_centered=True)
    new, _ = kinds(40, seed=5)
    away = new / np.linalg.norm(new, axis=1, keepdims=True) - means[:, None]
    wanted = np.einsum("cid,de,cie->ci", away, np.linalg.inv(covariance), away).min(0)
    np.testing.assert_allclose(found.distances(new), wanted, rtol=0.02)


def test_length_says_nothing():
    vectors, codes = kinds(100)
    found = fit_familiarity(vectors, codes, halves(100))
    np.testing.assert_allclose(found.distances(vectors * 7), found.distances(vectors))


def test_new_recordings_of_the_classes_pass_and_others_do_not():
    vectors, codes = kinds(600)
    found = fit_familiarity(vectors, codes, halves(600))
    new, _ = kinds(2_000, seed=9)
    assert found.unlike(new).mean() < 0.025
    assert found.unlike(-new).all()
    assert found.unlike(np.eye(12)[5:8]).all()  # between no classes


def test_the_threshold_is_a_place_among_the_left_out():
    vectors, codes = kinds(400)
    folds = halves(400)
    found = fit_familiarity(vectors, codes, folds)
    left_out = np.concatenate(
        [fit_familiarity(vectors[a], codes[a], halves(200)).distances(vectors[b]) for a, b in folds]
    )
    assert found.threshold == pytest.approx(np.sort(left_out)[int(np.ceil(0.99 * 401)) - 1])
    few = fit_familiarity(vectors[:60], codes[:60], halves(60))
    assert np.isfinite(few.threshold)  # the farthest of sixty


def test_too_few_left_out_say_nothing():
    vectors, codes = kinds(LEAST)
    assert fit_familiarity(vectors, codes, []) is None
    assert fit_familiarity(vectors, codes, halves(LEAST)[:1]) is None
    assert fit_familiarity(vectors, codes, halves(LEAST)) is not None


@pytest.mark.parametrize("dim", [1, 2, 200])
def test_any_dim_and_copies_of_one_vector(dim):
    vectors = np.tile(np.arange(1.0, dim + 1), (40, 1)) * np.array([1, -1] * 20)[:, None]
    found = fit_familiarity(vectors, np.arange(40) % 2, halves(40))
    assert np.isfinite(found.distances(vectors)).all()
    assert not found.unlike(vectors).any()


def test_what_is_kept_answers_the_same():
    vectors, codes = kinds(200)
    found = fit_familiarity(vectors, codes, halves(200))
    again = Familiarity.load(found.arrays() | {"weights": np.zeros(3)}, 12)
    new, _ = kinds(50, seed=3)
    np.testing.assert_allclose(again.distances(new), found.distances(new), rtol=1e-4)
    assert Familiarity.load({"weights": np.zeros(3)}, 12) is None
    without = Familiarity.load(arrays_with(found, threshold=np.inf), 12)
    assert not without.unlike(-new).any()


def arrays_with(found, **values):
    return dataclasses.replace(found, **values).arrays()


def test_damaged_arrays_are_refused():
    vectors, codes = kinds(200)
    arrays = fit_familiarity(vectors, codes, halves(200)).arrays()
    name = "familiarity.variances"
    for broken in (
        {key: array for key, array in arrays.items() if key != name},
        arrays | {name: -arrays[name]},
        arrays | {name: arrays[name] * np.where(np.arange(len(arrays[name])) == 1, -1, 1)},
        arrays | {name: arrays[name][:-1]},
        arrays | {"familiarity.means": np.full_like(arrays["familiarity.means"], np.nan)},
        arrays | {"familiarity.means": arrays["familiarity.means"][:, :5]},
        arrays | {"familiarity.numbers": np.zeros(2, np.float32)},
        arrays | {"familiarity.numbers": np.zeros((2, 1), np.float32)},
        arrays | {"familiarity.numbers": np.array([1, np.nan], np.float32)},
        arrays | {"familiarity.numbers": np.array([np.inf, 1], np.float32)},
        arrays | {"familiarity.numbers": np.array([-1, 1], np.float32)},
        arrays | {"familiarity.means": np.zeros((0, 12), np.float32)},
        arrays | {"familiarity.means": np.zeros(12, np.float32)},
        arrays | {"familiarity.directions": np.full_like(arrays["familiarity.directions"], np.nan)},
        arrays | {"familiarity.directions": arrays["familiarity.directions"][:5]},
        arrays | {"familiarity.directions": np.zeros(12, np.float32)},
        arrays | {name: arrays[name][:, None]},
        arrays | {name: np.where(np.arange(len(arrays[name])) == 1, 0, arrays[name])},
        arrays | {name: np.where(np.arange(len(arrays[name])) == 1, np.nan, arrays[name])},
        arrays | {"familiarity.other": arrays[name]},
    ):
        with pytest.raises(ValueError, match="what it learned from"):
            Familiarity.load(broken, 12)
    with pytest.raises(ValueError, match="dim"):
        Familiarity.load(arrays, 11)
