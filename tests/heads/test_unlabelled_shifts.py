"""Shifts and biases from sounds without labels: their laws, and optima against SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax

from mmasc.errors import MmascError
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED, centring_shifts, prior_biases
from tests.helpers.cosines import cosines_of


@pytest.mark.parametrize("scale", [1.0, 20.0, 100.0, 1_000.0])
@pytest.mark.parametrize("prior", [None, [0.7, 0.1, 0.15, 0.05]])
def test_mean_probabilities_become_the_prior(scale, prior):
    logits = scale * cosines_of(seed=4)[0] + np.array([0.0, 3.0, -2.0, 0.5])
    biases = prior_biases(logits, None if prior is None else np.array(prior))
    wanted = [0.25] * 4 if prior is None else prior
    np.testing.assert_allclose(scipy_softmax(logits + biases, axis=1).mean(axis=0), wanted, atol=1e-8)
    assert biases.sum() == pytest.approx(0, abs=1e-9)


def test_prior_biases_are_the_minimum_that_scipy_finds():
    logits, wanted = 20 * cosines_of(60, seed=5)[0], np.array([0.4, 0.3, 0.2, 0.1])
    found = minimize(
        lambda b: logsumexp(logits + b, axis=1).mean() - wanted @ b,
        np.zeros(4),
        jac=lambda b: scipy_softmax(logits + b, axis=1).mean(axis=0) - wanted,
        tol=1e-12,
    )
    np.testing.assert_allclose(prior_biases(logits, wanted), found.x - found.x.mean(), atol=1e-5)
    # Biases that were there before are taken out: only their sum is free
    moved = prior_biases(logits + np.array([1.0, -2.0, 0.5, 0.5]), wanted)
    np.testing.assert_allclose(moved + np.array([1.0, -2.0, 0.5, 0.5]), prior_biases(logits, wanted), atol=1e-6)


@pytest.mark.parametrize("function", [centring_shifts, prior_biases])
def test_too_few_unlabelled_sounds_are_refused(function):
    with pytest.raises(MmascError, match=f"19 unlabelled sounds are too few .* give {MINIMUM_UNLABELLED} or more"):
        function(cosines_of(19)[0])
    function(cosines_of(MINIMUM_UNLABELLED)[0])


@pytest.mark.parametrize("prior", [[0.5, 0.5], [1.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.3, 0.3]])
def test_priors_that_are_none_are_refused(prior):
    with pytest.raises(ValueError, match="4 positive shares that sum to 1"):
        prior_biases(cosines_of()[0], np.array(prior))
