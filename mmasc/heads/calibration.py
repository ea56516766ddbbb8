"""What makes scores of prompts mean something: cosines and a few labels (or none) in; shifts, scales, thresholds out.

Without labels: a label's prompt can attract every sound, because prompts differ more from each other than sounds do in
their likeness to one prompt (Barberteguy 2023, "Audio Scene Classification": means of labels between 3.4 and 4.7, two
of ten labels with 39 % of the answers). `centring_shifts` and `prior_biases` take that out; `calibrated.py` has the
classifiers that use them. With a few labels: `fit_temperature`, `fit_thresholds`, `fit_minimum_cosine`, and
`reliability_curve` to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.errors import MmascError
from mmasc.metrics.functions import calibration_error

MINIMUM_UNLABELLED = 20  # sounds; the mean of fewer is more their own kinds than the prompts' attraction
TEMPERATURES = (0.01, 10.0)  # 0.01 is CLIP's own end (Radford et al. 2021, section 2.5); 10 is even guessing
FEW = 5  # labelled sounds of a label; with fewer its threshold is drawn towards the shared one
_LEAST_ODDS = 1e-9
_PRIOR_TOLERANCE = 1e-9  # largest difference of a mean probability and its prior
_PRIOR_STEPS = 500


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
    cosines, true = np.asarray(cosines, np.float64), _check_codes(cosines, codes)
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


def fit_thresholds(
    scores: Float[np.ndarray, "item class"],
    true: Bool[np.ndarray, "item class"],
    classes: Sequence[Any] | np.ndarray,
    few: int = 0,
) -> dict[Any, float]:
    """For every label the threshold with the best F1 on a few labelled sounds.

    The rule: a label holds where its score is at least the threshold. Candidates lie in the middle between two
    neighbouring scores of the label, and at the lowest score (everything holds). Of candidates with the same F1 the
    one in the widest gap is taken, of equal gaps the higher. With few labels these are rough: they serve, the F1
    measured on the same labels flatters. A label that is true of n < `few` sounds is drawn towards the threshold that
    all labels would share (best F1 over all decisions): n/`few` of the way from that to its own, in log-odds where
    scores are probabilities.

    Args:
        scores: Probabilities or cosines, as they will be compared.
        true: Which labels each sound has.
        classes: Classes in the order of the columns.
        few: Sounds of a label from which its own threshold counts alone; 0: always.
    Returns:
        Label to threshold, as `ZeroShotClassifier(threshold=...)` takes it.
    Raises:
        MmascError: If a label is true of no sound, or of every one.
        ValueError: If shapes differ.
    """
    if scores.shape != true.shape or scores.shape[1] != len(classes):
        raise ValueError(f"scores, true and classes must agree, got {scores.shape}, {true.shape}, {len(classes)}")
    one_sided = [str(name) for name, column in zip(classes, true.T, strict=True) if column.all() or not column.any()]
    if one_sided:
        raise MmascError(
            f"a threshold needs sounds with the label and sounds without it: {', '.join(map(repr, one_sided))} "
            "lack one of them; label some more"
        )
    scores = np.asarray(scores, np.float64)
    shared = _best_threshold(scores.ravel(), true.ravel())
    probabilities = bool(((scores >= 0) & (scores <= 1)).all())
    found = {}
    for column, name in enumerate(np.asarray(classes).tolist()):
        own, n_true = _best_threshold(scores[:, column], true[:, column]), int(true[:, column].sum())
        found[name] = own if n_true >= few else _between(shared, own, n_true / few, probabilities)
    return found


def fit_minimum_against(
    cosines: Float[np.ndarray, "item class"],
    codes: Int[np.ndarray, " item"],
    background: Float[np.ndarray, "other class"],
    lost: float = 1.0,
) -> float:
    """The least cosine for "none of these" that best keeps apart right answers and sounds that have none of the labels.

    The rule: the minimum with the largest difference of two shares, of right answers that are kept and of background
    that is kept; of equal ones the lowest. It never loses more than `lost` of the right answers.

    Args:
        cosines: Cosines of labelled sounds.
        codes: Column of the true label of each.
        background: Cosines of sounds (or windows) that have none of the labels.
        lost: Largest share of the right answers that may become "none of these", in [0, 1].
    Raises:
        MmascError: If no sound is labelled rightly.
        ValueError: If `lost` is out of range, a code is not a column, or there is no background.
    Source: Youden 1950, "Index for rating diagnostic tests".
    """
    if not 0 <= lost <= 1 or not len(background):
        raise ValueError(f"lost must be in [0, 1] and background not empty, got {lost}, {len(background)} sounds")
    true = _check_codes(cosines, codes)
    best = np.sort(cosines.max(axis=1)[cosines.argmax(axis=1) == true]).astype(np.float64)
    if not len(best):
        raise MmascError("no labelled sound has its own label as the best; fix the prompts before a least cosine")
    others = np.sort(background.max(axis=1)).astype(np.float64)
    highest = best[min(int(np.floor(lost * len(best) + 1e-9)), len(best) - 1)]
    candidates = best[best <= highest]  # between two right answers nothing is gained by a lower one
    kept = 1 - np.searchsorted(best, candidates) / len(best)
    passing = 1 - np.searchsorted(others, candidates) / len(others)
    return float(candidates[int(np.argmax(kept - passing))])


def fit_minimum_cosine(
    cosines: Float[np.ndarray, "item class"], codes: Int[np.ndarray, " item"], lost: float = 0.05
) -> float:
    """The least cosine for "none of these" that loses at most a share of the sounds that are labelled rightly.

    The rule: among sounds whose best label is the true one, the highest minimum below which at most the share `lost`
    of them falls. What it keeps out is another question: ask it with sounds that have none of the labels.

    Args:
        cosines: Cosines of labelled sounds.
        codes: Column of the true label of each.
        lost: Share of the right answers that may become "none of these", in [0, 1).
    Raises:
        MmascError: If no sound is labelled rightly.
        ValueError: If `lost` is out of range or a code is not a column.
    """
    if not 0 <= lost < 1:
        raise ValueError(f"lost must be in [0, 1), got {lost}")
    true = _check_codes(cosines, codes)
    best = np.sort(cosines.max(axis=1)[cosines.argmax(axis=1) == true])
    if not len(best):
        raise MmascError("no labelled sound has its own label as the best; fix the prompts before a least cosine")
    return float(best[int(np.floor(lost * len(best) + 1e-9))])


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


def softmax(logits: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """Probabilities of logits, rows sum to 1."""
    return np.exp(logits - _log_sums(logits)[:, None])


def _log_sums(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


def _between(first: float, second: float, share: float, probabilities: bool) -> float:
    """A number so far on the way from one to another; of probabilities in log-odds."""
    if not probabilities:
        return first + share * (second - first)
    low, high = np.clip([first, second], _LEAST_ODDS, 1 - _LEAST_ODDS)
    odds = (1 - share) * np.log(low / (1 - low)) + share * np.log(high / (1 - high))
    return float(1 / (1 + np.exp(-odds)))


def _best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    levels = np.unique(scores)
    candidates = np.append(levels[0], (levels[:-1] + levels[1:]) / 2)
    gaps = np.append(0.0, np.diff(levels))
    held = scores[None] >= candidates[:, None]
    f1 = 2 * (held & true).sum(axis=1) / (held.sum(axis=1) + true.sum())
    best = f1 >= f1.max() - 1e-12
    return float(candidates[max(np.flatnonzero(best), key=lambda place: (gaps[place], candidates[place]))])


def _check_unlabelled(n_items: int) -> None:
    if n_items < MINIMUM_UNLABELLED:
        raise MmascError(
            f"{n_items} unlabelled sounds are too few to see which prompts attract everything; give "
            f"{MINIMUM_UNLABELLED} or more, of all kinds that the labels name"
        )


def _check_codes(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if not len(codes):
        raise ValueError("a few labelled sounds are needed, got none")
    if codes.min() < 0 or codes.max() >= scores.shape[1]:
        raise ValueError(f"codes are columns 0 to {scores.shape[1] - 1}, got {codes.min()} to {codes.max()}")
    return np.asarray(codes, np.int64)
