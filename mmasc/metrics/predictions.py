"""Every metric of a set of answers at once, each with an interval over recordings drawn whole.

A draw gives each item a weight, how many times it was drawn, and every metric here is a function of weights: a
thousand draws are some matrix products. With all weights 1 the values are those of `mmasc.metrics.functions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.metrics.functions import Scores

N_BINS = 15  # of the calibration error
_LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
_NUMBERS_AT_ONCE = 4_000_000  # weights of draws that are worked on together

Weights = Float[np.ndarray, "draw item"]
Values = Float[np.ndarray, " draw"]


@dataclass(frozen=True)
class Predictions:
    """True labels and predicted probabilities of the same items.

    Attributes:
        true: Which item has which label; one per item unless `multi_label`.
        posteriors: Probabilities; rows sum to 1 unless `multi_label`.
        classes: Names of the columns.
        groups: The recording, place or upload of each item: drawn as a whole.
        multi_label: Whether an item can have several labels.
        threshold: Probability from which a label counts as predicted, where there can be several.
    """

    true: Bool[np.ndarray, "item class"]
    posteriors: Float[np.ndarray, "item class"]
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    multi_label: bool = False
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not len(self.true):
            raise ValueError("metrics need one item or more, got none")
        if not len(self.true) == len(self.posteriors) == len(self.groups):
            raise ValueError(
                f"every item needs labels, posteriors and a group, got {len(self.true)}, {len(self.posteriors)} and "
                f"{len(self.groups)}"
            )
        if not np.isfinite(self.posteriors).all():
            raise ValueError("posteriors hold NaN or infinite numbers")
        if not self.multi_label and not (self.true.sum(axis=1) == 1).all():
            raise ValueError("every item must have exactly one label where there are not several")

    def __len__(self) -> int:
        return len(self.true)

    @property
    def predicted(self) -> Bool[np.ndarray, "item class"]:
        """The predicted labels: the best one, or all from the threshold on."""
        if self.multi_label:
            return self.posteriors >= self.threshold
        best = self.posteriors.argmax(axis=1)
        return best[:, None] == np.arange(len(self.classes))[None]

    def part(self, kept: Bool[np.ndarray, " item"]) -> "Predictions":
        """Some of the items."""
        groups = tuple(group for group, keep in zip(self.groups, kept, strict=True) if keep)
        return replace(self, true=self.true[kept], posteriors=self.posteriors[kept], groups=groups)

    def confusion(self) -> Int[np.ndarray, "true predicted"]:
        """How many of each class (rows) were called what (columns), where items have one label."""
        if self.multi_label:
            raise ValueError("a confusion matrix needs one label per item")
        return self.true.T.astype(np.int64) @ self.predicted.astype(np.int64)


@dataclass(frozen=True)
class Metric:
    """A number and the 95 % interval of it; the interval is None where there is one group only."""

    value: float
    interval: tuple[float, float] | None


def measure(answers: Predictions, n_draws: int = 1_000, level: float = 0.95, seed: int = 0) -> dict[str, Metric]:
    """All metrics by name, with percentile intervals over groups drawn with replacement.

    Names: accuracy (with several labels: all labels of an item right), balanced_accuracy, log_loss (nats; with several
    labels binary, mean over pairs), micro_ and macro_ precision, recall and f1, mean_average_precision, lwlrap,
    calibration_error.

    Args:
        answers: Answers of all items.
        n_draws: Draws.
        level: Share of the draws inside.
        seed: Random seed of the draws.
    """
    whole = _metrics(answers, np.ones((1, len(answers))))
    drawn = draw_weights(answers.groups, n_draws, seed)
    if drawn is None:
        return {name: Metric(float(value[0]), None) for name, value in whole.items()}
    size = max(1, _NUMBERS_AT_ONCE // len(answers))
    parts = [_metrics(answers, drawn[start : start + size]) for start in range(0, n_draws, size)]
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, value in whole.items():
        values = np.concatenate([part[name] for part in parts])
        known = values[~np.isnan(values)]
        low, high = np.quantile(known, ends) if len(known) else (np.nan, np.nan)
        found[name] = Metric(float(value[0]), (float(low), float(high)))
    return found


def measure_accuracy(answers: Predictions, n_draws: int = 1_000, level: float = 0.95, seed: int = 0) -> Metric:
    """The accuracy alone, as `measure` has it."""
    right = (answers.true == answers.predicted).all(axis=1).astype(np.float64)
    drawn = draw_weights(answers.groups, n_draws, seed)
    if drawn is None:
        return Metric(float(right.mean()), None)
    low, high = np.quantile(drawn @ right / drawn.sum(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Metric(float(right.mean()), (float(low), float(high)))


def measure_gain(
    answers: Predictions, other: Predictions, n_draws: int = 1_000, level: float = 0.95, seed: int = 0
) -> Metric:
    """How much more often these answers are right than others on the same items.

    The interval is of the difference: both are drawn together, so what is hard for both does not widen it.

    Args:
        answers: Answers of all items.
        other: Predictions for the same items in the same order.
        n_draws: Draws of whole groups.
        level: Share of the draws inside.
        seed: Random seed of the draws.
    Returns:
        Difference of the accuracies, in [-1, 1].
    Raises:
        ValueError: If the items, their labels or their groups are not the same.
    """
    same = answers.classes == other.classes and answers.groups == other.groups
    if not same or not np.array_equal(answers.true, other.true):
        raise ValueError(f"both answers must be of the same items, got {len(answers)} and {len(other)} of them")
    gain = (answers.true == answers.predicted).all(axis=1).astype(np.float64)
    gain -= (other.true == other.predicted).all(axis=1)
    drawn = draw_weights(answers.groups, n_draws, seed)
    if drawn is None:
        return Metric(float(gain.mean()), None)
    low, high = np.quantile(drawn @ gain / drawn.sum(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Metric(float(gain.mean()), (float(low), float(high)))


def class_table(answers: Predictions) -> dict[str, dict[str, float]]:
    """For every class: precision, recall, f1, average_precision (NaN for a class that is never true), items."""
    ones = np.ones((1, len(answers)))
    hits, said, there = _counts(answers, ones)
    scores = _scores(hits, said, there)
    precisions = _average_precisions(answers, ones)
    return {
        name: {
            "precision": float(scores.precision[0, column]),
            "recall": float(scores.recall[0, column]),
            "f1": float(scores.f1[0, column]),
            "average_precision": float(precisions[0, column]),
            "items": int(there[0, column]),
        }
        for column, name in enumerate(answers.classes)
    }


def draw_weights(groups: Sequence[str], n_draws: int, seed: int = 0) -> Weights | None:
    """How many times each item comes in each draw of whole groups; None where there are fewer than two groups."""
    _, of_group = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = int(of_group.max()) + 1
    if n_groups < 2:
        return None
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_draws)
    return counts[:, of_group].astype(np.float64)


def _metrics(answers: Predictions, weights: Weights) -> dict[str, Values]:
    total = weights.sum(axis=1)
    right = (answers.true == answers.predicted).all(axis=1).astype(np.float64)
    hits, said, there = _counts(answers, weights)
    classes = _scores(hits, said, there)
    micro = _scores(hits.sum(1, keepdims=True), said.sum(1, keepdims=True), there.sum(1, keepdims=True))
    # As in mmasc.metrics.functions: with one label per item, classes neither true nor said are left out of means
    counted = np.ones_like(hits) if answers.multi_label else (said + there > 0).astype(np.float64)
    balanced = classes.recall
    if answers.multi_label:
        without = np.maximum(total[:, None] - there, 1.0)  # weights are whole numbers
        balanced = (balanced + (total[:, None] - said - there + hits) / without) / 2
    return {
        "accuracy": weights @ right / total,
        "balanced_accuracy": _mean(balanced, (there > 0).astype(np.float64)),
        "log_loss": weights @ _losses(answers) / total,
        "micro_precision": micro.precision[:, 0],
        "micro_recall": micro.recall[:, 0],
        "micro_f1": micro.f1[:, 0],
        "macro_precision": _mean(classes.precision, counted),
        "macro_recall": _mean(classes.recall, counted),
        "macro_f1": _mean(classes.f1, counted),
        "mean_average_precision": _mean(_average_precisions(answers, weights), (there > 0).astype(np.float64)),
        "lwlrap": _label_ranking(answers, weights),
        "calibration_error": _calibration(answers, weights),
    }


def _counts(answers: Predictions, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of hits, of predicted labels and of true labels, each `[draw class]`."""
    true, said = answers.true, answers.predicted
    return weights @ (true & said).astype(np.float64), weights @ said.astype(float), weights @ true.astype(float)


def _scores(hits: np.ndarray, said: np.ndarray, there: np.ndarray) -> Scores:
    """Precision, recall and F1; 0 divided by 0 is 0, as usual."""

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

    return Scores(share(hits, said), share(hits, there), share(2 * hits, said + there))


def _mean(values: Float[np.ndarray, "draw class"], counted: Float[np.ndarray, "draw class"]) -> Values:
    """Mean over the classes that count in a draw; NaN where none does."""
    number = counted.sum(axis=1)
    total = (np.where(counted > 0, values, 0.0)).sum(axis=1)
    return np.divide(total, number, out=np.full(len(values), np.nan), where=number > 0)


def _losses(answers: Predictions) -> Float[np.ndarray, " item"]:
    given = np.clip(answers.posteriors.astype(np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    if answers.multi_label:
        return -np.where(answers.true, np.log(given), np.log1p(-given)).mean(axis=1)
    return -np.log(np.clip(answers.posteriors[answers.true].astype(np.float64), _LEAST_PROBABILITY, 1.0))


def _average_precisions(answers: Predictions, weights: Weights) -> Float[np.ndarray, "draw class"]:
    """Area under precision over recall by class; NaN where a draw has no true item of it."""
    found = np.full((len(weights), len(answers.classes)), np.nan)
    for column in range(len(answers.classes)):
        order = np.argsort(-answers.posteriors[:, column], kind="stable")
        ranked, hit = -answers.posteriors[order, column], answers.true[order, column]
        last_of_equals = np.searchsorted(ranked, ranked, side="right") - 1
        drawn = weights[:, order]
        own = drawn * hit
        above = np.cumsum(drawn, axis=1)[:, last_of_equals]
        precision = np.cumsum(own, axis=1)[:, last_of_equals] / np.maximum(above, 1.0)
        number = own.sum(axis=1)
        np.divide((own * precision).sum(axis=1), number, out=found[:, column], where=number > 0)
    return found


def _label_ranking(answers: Predictions, weights: Weights) -> Values:
    """Precision at every true label among the labels of its item, the mean over all true labels."""
    precision = np.zeros(len(answers))
    for item, (labels, row) in enumerate(zip(answers.true, answers.posteriors, strict=True)):
        above = row[None] >= row[labels][:, None]
        precision[item] = ((above & labels[None]).sum(axis=1) / above.sum(axis=1)).sum()
    number = weights @ answers.true.sum(axis=1).astype(np.float64)
    return np.divide(weights @ precision, number, out=np.full(len(weights), np.nan), where=number > 0)


def _calibration(answers: Predictions, weights: Weights) -> Values:
    """Expected calibration error: of the best label, or over all pairs of item and label where there are several."""
    if answers.multi_label:
        given, right = answers.posteriors.astype(np.float64), answers.true.astype(np.float64)
    else:
        given = answers.posteriors.max(axis=1, keepdims=True).astype(np.float64)
        right = (answers.true & answers.predicted).any(axis=1, keepdims=True).astype(np.float64)
    bins = np.clip(np.ceil(given * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    gaps = np.stack([((given - right) * (bins == number)).sum(axis=1) for number in range(N_BINS)], axis=1)
    return np.abs(weights @ gaps).sum(axis=1) / (weights.sum(axis=1) * given.shape[1])


def by_column(answers: Predictions, values: Sequence[str]) -> dict[str, dict[str, object]]:
    """Accuracy with its interval, log loss and number of items for every value of a column, "" left out.

    Args:
        answers: Answers of all items.
        values: Values of each item.
    """
    column = np.asarray(values)
    table: dict[str, dict[str, object]] = {}
    for value in sorted(set(values) - {""}):
        part = answers.part(column == value)
        found = measure_accuracy(part)
        table[value] = {
            "accuracy": found.value,
            "interval": found.interval,
            "log_loss": float(_losses(part).mean()),
            "items": len(part),
        }
    return table
