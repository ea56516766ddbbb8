"""Logistic regression that starts from the words of a label and is changed by every example.

The weights have a Gaussian prior as in any regularised logistic regression, but its mean is not 0: it is the direction
of the label's words, scaled to logits per deviation from what is usual. Without examples the head is about the words
themselves; every example moves it away from them as far as the example asks for, and no farther.

Source of priors with a mean that is known from elsewhere: Chelba and Acero 2006, "Adaptation of maximum entropy
capitalizer: little data can help a lot", section 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mmasc.heads.background import STANDS_OUT, usual_and_spread
from mmasc.heads.decisions import softmax
from mmasc.windows.units import unit_as_normalizer

# Logits per deviation, and what a unit of it adds to the penalty of weights; chosen on recordings of other seeds than
# those that are reported
STRENGTH = 2.0
_PENALTY = 10.0
_USUAL = 10.0  # windows that a unit of strength counts for in mean and deviation, which few examples do not know
MAYBE = -1.0  # score, in deviations, from which on words may be right of a window that nobody judged
WORDS_LOGIT = -1.5  # where a label holds before its own windows were tested; chosen as the strength
_STEPS = 500  # of the minimiser, at most


@dataclass(frozen=True)
class WordScore:
    """What the words of a label say of unit vectors: how many deviations above the threshold their cosine lies.

    Attributes:
        weights: `[dim]`; the unit vector of the words over the deviation of its cosines.
        bias: So that the score is 0 where the cosine lies `STANDS_OUT` deviations above what is usual.
        mean, deviation: Mean and deviation of usual unit vectors, `[dim]`.
    """

    weights: Float[np.ndarray, " dim"]
    bias: float
    mean: Float[np.ndarray, " dim"]
    deviation: Float[np.ndarray, " dim"]

    def __call__(self, units: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, " item"]:
        """Scores of unit vectors."""
        scores: np.ndarray = units @ self.weights + self.bias
        return scores


def word_score(words: Float[np.ndarray, " dim"], unlabelled: Float[np.ndarray, "item dim"]) -> WordScore:
    """The score of a label's words, from what their cosine usually is.

    Args:
        words: Unit vector of the words.
        unlabelled: Unit vectors of sounds that mostly do not have the label.
    """
    usual, spread = usual_and_spread((unlabelled @ words)[:, None])
    bias = float(-usual[0] / spread[0] - STANDS_OUT)
    return WordScore(words / spread[0], bias, unlabelled.mean(axis=0), unlabelled.std(axis=0))


class FromWords(ClassifierMixin, BaseEstimator):
    """A label against the rest: logistic regression whose weights are drawn towards a score instead of towards 0.

    The logit is `strength` · score + weights · standardised vector + bias; what is minimised is the sum of log losses
    plus half of (1 + 10 · strength) · |weights|² and half of strength · bias². Vectors are standardised by the mean and
    the variance of the examples, to which usual windows add as 10 · strength examples would. So strength 0 is the head
    "logistic", and the larger the strength, the more the ranking is that of the score.

    Args:
        score: What the words say, see `word_score`.
        strength: Logits per deviation of the score, 0 or more.

    Attributes:
        classes_: 0 and 1: not the label, the label.
        coef_, intercept_: Of unit vectors, `[1 dim]` and `[1]`: the logit of the label.
        mean_, deviation_: What unit vectors are standardised by `[dim]`.
        n_features_in_: Numbers in a vector.
    """

    def __init__(self, score: WordScore, strength: float = STRENGTH) -> None:
        self.score = score
        self.strength = strength

    @property
    def penalty(self) -> float:
        """What half of a squared weight costs, against log losses."""
        return 1.0 + _PENALTY * self.strength

    def fit(self, X: Any, y: Any) -> "FromWords":  # noqa: N803
        """Learn from vectors `[item dim]` whether they have the label `[item]`, 0 or 1; one side, or none, is enough.

        Raises:
            ValueError: If labels are others, the strength is negative, or scikit-learn refuses the data.
        """
        if not 0 <= self.strength < np.inf:
            raise ValueError(f"strength must be 0 or more, got {self.strength}")
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=0)  # noqa: N806
        true = np.asarray(y, np.float64)
        if true.shape != (len(X),) or not np.isin(true, (0, 1)).all():
            raise ValueError(f"labels must be 0 or 1, one for each of {len(X)} vectors")
        units = unit_as_normalizer(X)
        self.classes_ = np.array([0, 1])
        self.mean_, self.deviation_ = self._standard(units)
        weights, bias = np.zeros(X.shape[1]), 0.0
        if len(units):
            offsets = self.strength * self.score(units)
            standard = (units - self.mean_) / self.deviation_
            weights, bias = _fitted(standard, true, offsets, (self.penalty, self.strength))
            weights = weights / self.deviation_
            bias -= float(weights @ self.mean_)
        self.coef_ = (self.strength * self.score.weights + weights)[None]
        self.intercept_ = np.array([self.strength * self.score.bias + bias])
        return self

    def _standard(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of examples and usual windows together."""
        others = _USUAL * self.strength
        share = len(units) / (len(units) + others) if len(units) else 0.0
        mean, variance = (units.mean(axis=0), units.var(axis=0)) if len(units) else (self.score.mean, 0.0)
        mean = share * mean + (1 - share) * self.score.mean
        deviation = np.sqrt(share * variance + (1 - share) * self.score.deviation**2)
        return mean, np.where(deviation > 10 * np.finfo(float).eps, deviation, 1.0)

    def decision_function(self, X: Any) -> Float[np.ndarray, " item"]:  # noqa: N803
        """Logits of the label."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_min_samples=0)  # noqa: N806
        logits: np.ndarray = unit_as_normalizer(X) @ self.coef_[0] + self.intercept_[0]
        return logits

    def predict_proba(self, X: Any) -> Float[np.ndarray, "item 2"]:  # noqa: N803
        """Probabilities of "not the label" and of the label."""
        logits = self.decision_function(X)
        return softmax(np.stack([np.zeros(len(logits)), logits], axis=1))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """1 where the label is more probable than not `[item]`."""
        return (self.decision_function(X) > 0).astype(np.int64)


def _fitted(
    X: Float[np.ndarray, "item dim"],  # noqa: N803
    true: Float[np.ndarray, " item"],
    offsets: Float[np.ndarray, " item"],
    penalties: tuple[float, float],
) -> tuple[Float[np.ndarray, " dim"], float]:
    """Weights and bias of the least penalised log loss, given offsets of the logits; convex, so there is one.

    Args:
        X: Standardised vectors.
        true: 0 or 1.
        offsets: What is added to the logits `[item]`.
        penalties: Cost of half a squared weight, and of half the squared bias.
    """
    signs, (penalty, pull) = 2 * true - 1, penalties

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = signs * (offsets + X @ weights + bias)
        slopes = -signs * np.exp(-np.logaddexp(0, margins))
        value = np.logaddexp(0, -margins).sum() + 0.5 * penalty * weights @ weights + 0.5 * pull * bias**2
        return value, np.append(X.T @ slopes + penalty * weights, slopes.sum() + pull * bias)

    options = {"maxiter": _STEPS, "ftol": 1e-13, "gtol": 1e-7}
    found = minimize(loss, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x
    return found[:-1], float(found[-1])
