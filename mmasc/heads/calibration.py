"""What makes scores of prompts mean something: cosines and a few labels in; a temperature, a reliability curve out.

What needs no labels is in `unlabelled_shifts.py`, what says "none of these" in `thresholds.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.unlabelled_shifts import softmax
from mmasc.metrics.functions import calibration_error

TEMPERATURES = (0.01, 10.0)  # 0.01 is CLIP's own end (Radford et al. 2021, section 2.5); 10 is even guessing


@dataclass(frozen=True)
class Reliability:
    """How often answers are right against how sure they were; a calibrated classifier lies on the diagonal.

    Attributes:
        edges: Edges of the bins (low, high], `[bin + 1]` from 0 to 1.
        counts: Items in each bin.
        confidence: Mean probability of the best label in each bin; NaN for an empty one.
        right: Share that is right in each bin; NaN for an empty one.
        error: Expected calibration error, see `mmasc.metrics.functions.calibration_error`.
    """

    edges: Float[np.ndarray, " edge"]
    counts: Int[np.ndarray, " bin"]
    confidence: Float[np.ndarray, " bin"]
    right: Float[np.ndarray, " bin"]
    error: float


def fit_temperature(cosines: Float[np.ndarray, "item class"], codes: Int[np.ndarray, " item"]) -> float:
    """The temperature under which the labels are most likely: what softmax should divide these cosines by.

    The mean log-likelihood is concave in s = 1 / temperature, with derivative mean_i (cosine of the true label - mean
    cosine under softmax(s cosines_i)); its zero is found by bisection. Where there is none between 0.01 and 10 the
    nearer end is given: 0.01 if every label is right already (a few more labels, some of them hard, say more), 10 if
    the cosines say nothing of the labels.

    Args:
        cosines: Cosines of labelled sounds, shifted or not as they will be used.
        codes: Column of the true label of each.
    Raises:
        ValueError: If there are no items, or a code is not a column.
    Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
    """
    cosines, true = np.asarray(cosines, np.float64), check_codes(cosines, codes)
    own = cosines[np.arange(len(true)), true]

    def derivative(scale: float) -> float:
        return float((own - (softmax(scale * cosines) * cosines).sum(axis=1)).mean())

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    if derivative(low) <= 0:
        return TEMPERATURES[1]
    if derivative(high) >= 0:
        return TEMPERATURES[0]
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if derivative(middle) > 0 else (low, middle)
    return (low * high) ** -0.5


def reliability_curve(
    true: Sequence[Any] | np.ndarray,
    probabilities: Float[np.ndarray, "item class"],
    classes: Sequence[Any] | np.ndarray,
    n_bins: int = 15,
) -> Reliability:
    """Shares of right answers by how sure they were.

    Args:
        true: Labels `[item]`.
        probabilities: Rows that sum to 1.
        classes: Classes in the order of the columns.
        n_bins: Equal bins between 0 and 1.
    Raises:
        ValueError: As `calibration_error`.
    Source: Guo et al. 2017, "On calibration of modern neural networks", section 2.
    """
    error = calibration_error(true, probabilities, classes, n_bins)
    confidence = probabilities.max(axis=1).astype(np.float64)
    names = np.array([str(name) for name in classes])
    right = names[probabilities.argmax(axis=1)] == np.array([str(label) for label in true])
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    divisor = np.where(counts > 0, counts, np.nan)
    sums = [np.bincount(bins, values, n_bins) for values in (confidence, right.astype(np.float64))]
    return Reliability(np.linspace(0, 1, n_bins + 1), counts, sums[0] / divisor, sums[1] / divisor, error)


def check_codes(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if not len(codes):
        raise ValueError("a few labelled sounds are needed, got none")
    if codes.min() < 0 or codes.max() >= scores.shape[1]:
        raise ValueError(f"codes are columns 0 to {scores.shape[1] - 1}, got {codes.min()} to {codes.max()}")
    return np.asarray(codes, np.int64)
