"""Cosines of unlabelled sounds → what to take from each label's, so that no prompt attracts every sound.

Prompts differ more from each other than sounds do in their likeness to one prompt (Barberteguy 2023, "Audio Scene
Classification": means of labels between 3.4 and 4.7, two of ten labels with 39 % of the answers). `centring_shifts` and
`prior_biases` take that out; `shifted.py` has the classifiers that use them.
"""

import numpy as np
from jaxtyping import Float

from mmasc.errors import MmascError

MINIMUM_UNLABELLED = 20  # sounds; the mean of fewer is more their own kinds than the prompts' attraction
_PRIOR_TOLERANCE = 1e-9  # largest difference of a mean probability and its prior
_PRIOR_STEPS = 500


def centring_shifts(cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, " class"]:
    """What to subtract from each label's cosines so that all labels have the same mean over these sounds.

    A label's mean cosine minus the mean over all labels: the shifts sum to 0, and where no prompt attracts more than
    another they are 0, so nothing changes. It supposes that the sounds hold the labels in equal shares, or none of
    them in particular: centred on rain alone, rain is no longer heard.

    Args:
        cosines: Cosines of unlabelled sounds and labels, at least 20 sounds.
    Raises:
        MmascError: If there are too few sounds.
    """
    _check_unlabelled(len(cosines))
    means = np.asarray(cosines, np.float64).mean(axis=0)
    return means - means.mean()


def prior_biases(
    logits: Float[np.ndarray, "item class"], prior: Float[np.ndarray, " share"] | None = None
) -> Float[np.ndarray, " class"]:
    """What to add to each label's logits so that the mean probabilities over these sounds are the prior.

    The biases b minimise F(b) = mean_i log(sum_c exp(logits_ic + b_c)) - sum_c prior_c b_c. F is convex, its gradient
    in b_c is mean_i softmax(logits_i + b)_c - prior_c, and it has one minimum up to a constant for every prior
    without zeros; found by damped Newton steps, the constant such that the biases sum to 0.

    Args:
        logits: Scaled cosines of unlabelled sounds and labels, at least 20 sounds.
        prior: Share of each label, positive, sums to 1; default: all alike.
    Raises:
        MmascError: If there are too few sounds, or the probabilities are so hard (0 or 1) that rounding stops the
            search.
        ValueError: If the prior has a zero, another sum than 1, or another number of labels.
    Source: Liusie, Manakul and Gales 2023, "Mitigating word bias in zero-shot prompt-based classifiers" (prior
        matching); F is the semi-dual of optimal transport with entropy, Peyré and Cuturi 2019, "Computational optimal
        transport", section 4.
    """
    _check_unlabelled(len(logits))
    logits = np.asarray(logits, np.float64)
    n_classes = logits.shape[1]
    wanted = np.full(n_classes, 1 / n_classes) if prior is None else np.asarray(prior, np.float64)
    if wanted.shape != (n_classes,) or not (wanted > 0).all() or abs(wanted.sum() - 1) > 1e-6:
        raise ValueError(f"the prior must be {n_classes} positive shares that sum to 1, got {wanted.tolist()}")
    wanted = wanted / wanted.sum()

    def value(biases: np.ndarray) -> float:
        return float(_log_sums(logits + biases).mean() - wanted @ biases)

    biases = np.zeros(n_classes)
    for _ in range(_PRIOR_STEPS):
        probabilities = softmax(logits + biases)
        gradient = probabilities.mean(axis=0) - wanted
        if np.abs(gradient).max() <= _PRIOR_TOLERANCE:
            return biases - biases.mean()
        curvature = np.diag(probabilities.mean(axis=0)) - probabilities.T @ probabilities / len(probabilities)
        # A constant changes nothing (first term keeps it out); where all probabilities are 0 or 1 there is no
        # curvature, and the second term makes the step one down the slope
        curvature += 1 / n_classes + np.abs(gradient).max() * 1e-3 * np.eye(n_classes)
        step = -np.linalg.solve(curvature, gradient)
        length, slope, now = 1.0, float(gradient @ step), value(biases)
        while length > 1e-12 and value(biases + length * step) > now + 1e-4 * length * slope + 1e-15 * abs(now):
            length /= 2
        biases = biases + length * step
    raise MmascError("the prior cannot be matched to rounding; give a higher temperature, for example 0.05")


def softmax(logits: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """Probabilities of logits, rows sum to 1."""
    return np.exp(logits - _log_sums(logits)[:, None])


def _log_sums(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


def _check_unlabelled(n_items: int) -> None:
    if n_items < MINIMUM_UNLABELLED:
        raise MmascError(
            f"{n_items} unlabelled sounds are too few to see which prompts attract everything; give "
            f"{MINIMUM_UNLABELLED} or more, of all kinds that the labels name"
        )
