"""Metrics: true and predicted labels in, numbers out.

Two kinds of truth. One label per item: labels `[item]`, with the classes in a fixed order. Several labels per item:
booleans `[item class]`, with scores of the same shape. Every metric raises ValueError for no items at all.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

_LEAST_PROBABILITY = float(np.finfo(np.float64).eps)  # so that one certain mistake costs 36, not infinity


class Scores(NamedTuple):
    """Precision, recall and F1, each a number (micro, macro) or `[class]`; 0 where nothing was predicted or true."""

    precision: Any
    recall: Any
    f1: Any


def confusion_matrix(
    true: Sequence[Any] | np.ndarray, predicted: Sequence[Any] | np.ndarray, classes: Sequence[Any] | np.ndarray
) -> Int[np.ndarray, "true predicted"]:
    """How many items of each class (rows) were called what (columns).

    Args:
        true, predicted: Labels `[item]`.
        classes: Classes in the order of rows and columns; all different.
    Raises:
        ValueError: If lengths differ, there are no items, or a label is none of the classes.
    """
    rows, columns = _codes(true, classes), _codes(predicted, classes)
    _check_lengths(len(rows), len(columns))
    return np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2).reshape(len(classes), len(classes))


def accuracy(confusion: Int[np.ndarray, "true predicted"]) -> float:
    """Share of items that were called what they are."""
    return float(np.trace(confusion) / _total(confusion))


def balanced_accuracy(confusion: Int[np.ndarray, "true predicted"]) -> float:
    """Mean over the classes that have items of the share that was found: every class counts alike."""
    _total(confusion)
    present = confusion.sum(axis=1) > 0
    return float(class_scores(confusion).recall[present].mean())


def class_scores(confusion: Int[np.ndarray, "true predicted"]) -> Scores:
    """Precision, recall and F1 of every class `[class]` from a confusion matrix."""
    hits = np.diagonal(confusion)
    return _scores(hits, confusion.sum(axis=0), confusion.sum(axis=1))


def macro_scores(confusion: Int[np.ndarray, "true predicted"]) -> Scores:
    """Means over classes of `class_scores`; classes that are neither true nor predicted anywhere are left out.

    The micro mean needs no function: with one label per item, micro precision, recall and F1 are the accuracy.
    """
    _total(confusion)
    seen = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return Scores(*(float(values[seen].mean()) for values in class_scores(confusion)))


def tag_scores(true: Bool[np.ndarray, "item class"], predicted: Bool[np.ndarray, "item class"]) -> Scores:
    """Precision, recall and F1 of every class `[class]`, where an item can have several labels."""
    _check_items(len(true))
    return _scores((true & predicted).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0))


def micro_tag_scores(true: Bool[np.ndarray, "item class"], predicted: Bool[np.ndarray, "item class"]) -> Scores:
    """Precision, recall and F1 over all pairs of item and class, where an item can have several labels."""
    _check_items(len(true))
    totals = [np.array([pairs.sum()]) for pairs in (true & predicted, predicted, true)]
    return Scores(*(float(value[0]) for value in _scores(*totals)))


def macro_tag_scores(true: Bool[np.ndarray, "item class"], predicted: Bool[np.ndarray, "item class"]) -> Scores:
    """Means over all classes of `tag_scores`."""
    return Scores(*(float(values.mean()) for values in tag_scores(true, predicted)))


def log_loss(
    true: Sequence[Any] | np.ndarray,
    probabilities: Float[np.ndarray, "item class"],
    classes: Sequence[Any] | np.ndarray,
) -> float:
    """Mean of -ln(probability of the true label), in nats; ln(number of classes) is what even guesses cost.

    Args:
        true: Labels `[item]`.
        probabilities: Rows that sum to 1; one below 2.2e-16 counts as 2.2e-16.
        classes: Classes in the order of the columns.
    Raises:
        ValueError: If lengths differ, rows do not sum to 1, or a label is none of the classes.
    """
    rows = _codes(true, classes)
    _check_probabilities(probabilities, len(rows), len(classes))
    of_truth = probabilities[np.arange(len(rows)), rows].astype(np.float64)
    return float(-np.log(np.clip(of_truth, _LEAST_PROBABILITY, 1.0)).mean())


def calibration_error(
    true: Sequence[Any] | np.ndarray,
    probabilities: Float[np.ndarray, "item class"],
    classes: Sequence[Any] | np.ndarray,
    n_bins: int = 15,
) -> float:
    """Expected calibration error: how far the probability of the best label is from how often it is right.

    Items are sorted into `n_bins` equal bins (low, high] by the probability of their best label; the error is the mean
    over items of |mean probability - share right| of their bin.

    Args:
        true: Labels `[item]`.
        probabilities: Rows that sum to 1.
        classes: Classes in the order of the columns.
        n_bins: Between 0 and 1.
    Source: Guo et al. 2017, "On calibration of modern neural networks", equation (3).
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    rows = _codes(true, classes)
    _check_probabilities(probabilities, len(rows), len(classes))
    best = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (best == rows).astype(np.float64)
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, confidence - right, n_bins)
    return float(np.abs(gaps).sum() / len(rows))


def average_precision(true: Bool[np.ndarray, " item"], scores: Float[np.ndarray, " item"]) -> float:
    """Mean over the true items of the precision at their rank; items with equal scores share the last rank of them.

    It is the area under the steps of precision over recall, without interpolation.

    Raises:
        ValueError: If no item is true, or lengths differ.
    """
    _check_lengths(len(true), len(scores))
    if not true.any():
        raise ValueError("average precision needs an item that is true, got none")
    order = np.argsort(-scores, kind="stable")
    hits, ranked = true[order], scores[order]
    last_of_equals = np.searchsorted(-ranked, -ranked, side="right")  # how many items score as high or higher
    precision = np.cumsum(hits)[last_of_equals - 1] / last_of_equals
    return float(precision[hits].mean())


def mean_average_precision(true: Bool[np.ndarray, "item class"], scores: Float[np.ndarray, "item class"]) -> float:
    """Mean over classes of `average_precision`; classes that are never true are left out."""
    present = np.flatnonzero(true.any(axis=0))
    if not len(present):
        raise ValueError("mean average precision needs a class that is true somewhere, got none")
    return float(np.mean([average_precision(true[:, column], scores[:, column]) for column in present]))


def label_ranking(
    true: Bool[np.ndarray, "item class"], scores: Float[np.ndarray, "item class"]
) -> tuple[Float[np.ndarray, " class"], Float[np.ndarray, " class"]]:
    """Label-weighted label-ranking average precision, class by class.

    For every true label of an item, the precision among the labels that score as high or higher in that item; a
    class's value is the mean over the items that have it.

    Returns:
        Values `[class]` (0 for a class that is never true) and weights `[class]`, its share of all true labels; the
        one number is their product's sum, `lwlrap`.
    Raises:
        ValueError: If no item has a label.
    Source: the DCASE 2019 task 2 rules (Fonseca et al. 2019, "Audio tagging with noisy labels and minimal
        supervision", section 4).
    """
    if not true.any():
        raise ValueError("label-ranking precision needs an item with a label, got none")
    totals = np.zeros(true.shape[1])
    for labels, row in zip(true, scores, strict=True):
        for column in np.flatnonzero(labels):
            above = row >= row[column]
            totals[column] += (labels & above).sum() / above.sum()
    counts = true.sum(axis=0)
    return totals / np.maximum(counts, 1), counts / counts.sum()


def lwlrap(true: Bool[np.ndarray, "item class"], scores: Float[np.ndarray, "item class"]) -> float:
    """Label-weighted label-ranking average precision: every true label counts alike; see `label_ranking`."""
    values, weights = label_ranking(true, scores)
    return float(values @ weights)


def bootstrap_interval(
    metric: Callable[[Int[np.ndarray, " item"]], float],
    n_items: int,
    groups: Sequence[Any] | np.ndarray | None = None,
    level: float = 0.95,
    n_draws: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a metric over recordings drawn with replacement, or over whole groups of them.

    Recordings of one place or one day are alike; drawing whole groups shows how far another choice of places would
    have moved the number. The interval knows nothing of other trainings: heads are not fitted again.

    Args:
        metric: Function from positions of items (some of them several times) to the number.
        n_items: Items there are.
        groups: The group of each item `[item]`; default: every item by itself.
        level: Share of the draws inside, in (0, 1).
        n_draws: Draws.
        seed: The same seed gives the same interval.
    Returns:
        Low and high end.
    Raises:
        ValueError: If there are fewer than two items or groups, or an argument is out of range.
    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", section 13.3.
    """
    if not 0 < level < 1 or n_draws < 1:
        raise ValueError(f"level must be in (0, 1) and n_draws at least 1, got {level} and {n_draws}")
    members: list[np.ndarray] | None = None
    if groups is not None:
        _check_lengths(n_items, len(groups))
        _, of_group = np.unique(np.asarray(groups), return_inverse=True)
        members = [np.flatnonzero(of_group == group) for group in range(int(of_group.max(initial=-1)) + 1)]
    n_units = n_items if members is None else len(members)
    if n_units < 2:
        raise ValueError(f"an interval needs two or more {'items' if members is None else 'groups'}, got {n_units}")
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(n_draws):
        drawn = generator.integers(0, n_units, n_units)
        values.append(metric(drawn if members is None else np.concatenate([members[unit] for unit in drawn])))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    share, widened = hits / n, z * z / n
    middle = (share + widened / 2) / (1 + widened)
    half = z * math.sqrt(share * (1 - share) / n + widened / (4 * n)) / (1 + widened)
    return max(0.0, middle - half), min(1.0, middle + half)


def _scores(hits: np.ndarray, said: np.ndarray, there: np.ndarray) -> Scores:
    """0 divided by 0 is 0 here, as is usual."""
    precision = hits / np.maximum(said, 1)
    recall = hits / np.maximum(there, 1)
    return Scores(precision, recall, 2 * hits / np.maximum(said + there, 1))


def _codes(labels: Sequence[Any] | np.ndarray, classes: Sequence[Any] | np.ndarray) -> np.ndarray:
    place = {str(name): number for number, name in enumerate(classes)}
    if len(place) != len(classes):
        raise ValueError(f"classes must be all different, got {list(classes)}")
    unknown = sorted({str(label) for label in labels} - place.keys())
    if unknown:
        raise ValueError(f"labels must be among the classes {list(place)}, got {', '.join(unknown)}")
    _check_items(len(labels))
    return np.array([place[str(label)] for label in labels], np.int64)


def _total(confusion: np.ndarray) -> int:
    total = int(confusion.sum())
    _check_items(total)
    return total


def _check_items(n_items: int) -> None:
    if not n_items:
        raise ValueError("a metric needs one item or more, got none")


def _check_lengths(first: int, second: int) -> None:
    if first != second:
        raise ValueError(f"every item needs one value of each, got {first} and {second}")


def _check_probabilities(probabilities: np.ndarray, n_items: int, n_classes: int) -> None:
    if probabilities.shape != (n_items, n_classes):
        raise ValueError(
            f"probabilities must be [item class] = {[n_items, n_classes]}, got {list(probabilities.shape)}"
        )
    if not np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-4) or (probabilities < 0).any():
        raise ValueError("probabilities must be 0 or more and sum to 1 in every row")
