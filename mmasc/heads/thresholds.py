"""Scores of a few labelled sounds → from where on a label holds, and from where on any label does.

`fit_thresholds` gives every label a least score of its own, `fit_minimum_cosine` and `fit_minimum_against` all labels
together the least cosine, below which a sound is none of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.errors import MmascError
from mmasc.heads.calibration import check_codes

FEW = 5  # labelled sounds of a label; with fewer its threshold is drawn towards the shared one
_LEAST_ODDS = 1e-9


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
    true = check_codes(cosines, codes)
    best = np.sort(cosines.max(axis=1)[cosines.argmax(axis=1) == true]).astype(np.float64)
    if not len(best):
        raise MmascError(
            "no labelled sound has its own label as the best; fix the prompts before learning a minimum cosine"
        )
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
    true = check_codes(cosines, codes)
    best = np.sort(cosines.max(axis=1)[cosines.argmax(axis=1) == true])
    if not len(best):
        raise MmascError(
            "no labelled sound has its own label as the best; fix the prompts before learning a minimum cosine"
        )
    return float(best[int(np.floor(lost * len(best) + 1e-9))])


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
