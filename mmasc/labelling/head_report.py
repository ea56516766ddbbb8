"""How good a fitted head is: what its folds and its few-shot curve measured, in one record."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.datasets.known import clips_digest
from mmasc.encoders.heard import Heard
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.folds import Fold
from mmasc.labelling.recordings import LabelledRecordings
from mmasc.metrics.functions import (
    accuracy,
    balanced_accuracy,
    bootstrap_interval,
    calibration_error,
    class_scores,
    confusion_matrix,
    log_loss,
    macro_scores,
)

LEVEL = 0.95  # of intervals


@dataclass(frozen=True)
class FewShot:
    """One point of a learning curve.

    Attributes:
        shots: Labelled recordings of every class that were learnt from.
        accuracy: Mean over the draws.
        standard_deviation: Over the draws (n - 1); 0 for a single one.
        accuracies: Accuracies of each draw.
        tested: Recordings tested on, mean over the draws.
    """

    shots: int
    accuracy: float
    standard_deviation: float
    accuracies: list[float]
    tested: float


@dataclass(frozen=True)
class HeadReport:
    """A fitted head and how good it is on recordings that it has not heard.

    Attributes:
        head, label, space, encoder, identity: The head, its label column, and the space with its encoder and identity.
        recordings, unlabelled, without_vectors: Recordings used, and left out for having no label or no vector.
        classes: Labels as text, in the order of rows and columns below; `fitted.classes_` has them in their own type.
        tested: Recordings that were tested.
        not_tested: Labels with a single recording, or all labels where fewer than two have more: learnt from, never
            tested. Where nothing is tested, the numbers below are None and `folds` is empty.
        accuracy: Share of all tested recordings that were right, each tested once.
        interval: 95 % bootstrap interval of it, low and high.
        interval_over: What was drawn for it: "recordings" or "groups of COLUMN".
        fold_names, fold_sizes, folds: Names, recordings and accuracies of the folds.
        balanced_accuracy, log_loss, macro_f1, calibration_error: See `mmasc.metrics.functions`.
        largest_class: Accuracy of always saying the most frequent label.
        confusion: How many of each class (rows) were called what (columns).
        per_class: Label → precision, recall, f1 (None for labels that are not tested), recordings.
        shots: The learning curve, if asked for.
        out: Where the head was saved, if it was.
        fitted: The head, fitted to all recordings.
        heard: What the encoder of the space learned from these recordings before: no fold takes that out.
        tested_on: Digest of the tested recordings and their folds, see `mmasc.datasets.known.clips_digest`.
        unit: What was learnt from: "recordings", or "windows" that carry annotations, which are then counted wherever
            recordings are above.
        left_out: Windows that were left out, by reason.
    """

    head: str
    label: str
    space: str
    encoder: str
    identity: str
    recordings: int
    unlabelled: int
    without_vectors: int
    classes: list[str]
    tested: int
    not_tested: list[str]
    accuracy: float | None
    interval: tuple[float, float] | None
    interval_over: str
    fold_names: list[str]
    fold_sizes: list[int]
    folds: list[float]
    balanced_accuracy: float | None
    log_loss: float | None
    macro_f1: float | None
    calibration_error: float | None
    largest_class: float
    confusion: list[list[int]]
    per_class: dict[str, dict[str, float | None]]
    shots: list[FewShot]
    out: str | None
    fitted: FittedHead = field(repr=False)
    heard: Heard
    tested_on: str
    unit: str = "recordings"
    left_out: dict[str, int] = field(default_factory=dict)


def head_report(
    recordings: LabelledRecordings,
    parts: list[Fold],
    probabilities: np.ndarray,
    curve: list[FewShot],
    fitted: FittedHead,
    interval_over: str,
    out: str | Path | None,
    seed: int,
) -> HeadReport:
    """The report of a head from its predictions for the recordings of every fold, which it was not fitted to."""
    classes = list(recordings.classes)
    counts = np.bincount(recordings.codes, minlength=len(classes))
    items = np.sort(np.concatenate([part.test for part in parts])) if parts else np.zeros(0, np.int64)
    tested = np.isin(np.arange(len(classes)), recordings.codes[items])
    right = np.zeros(len(recordings), bool)
    right[items] = probabilities[items].argmax(axis=1) == recordings.codes[items]
    numbers = _numbers(recordings, items, probabilities[items], right[items], seed)
    confusion, scores = numbers.pop("confusion"), numbers.pop("scores")
    return HeadReport(
        head=fitted.stamp.head,
        label=fitted.stamp.label,
        space=fitted.stamp.space,
        encoder=fitted.stamp.encoder,
        identity=fitted.stamp.identity,
        recordings=len(recordings),
        unlabelled=recordings.unlabelled,
        without_vectors=recordings.without_vectors,
        classes=classes,
        tested=len(items),
        not_tested=[name for name, there in zip(classes, tested, strict=True) if not there],
        interval_over=interval_over,
        fold_names=[part.name for part in parts],
        fold_sizes=[len(part.test) for part in parts],
        folds=[float(right[part.test].mean()) for part in parts],
        largest_class=_largest(recordings.codes[items] if parts else recordings.codes),
        confusion=confusion.tolist(),
        per_class={
            name: {
                "precision": float(scores.precision[row]) if tested[row] else None,
                "recall": float(scores.recall[row]) if tested[row] else None,
                "f1": float(scores.f1[row]) if tested[row] else None,
                "recordings": int(counts[row]),
            }
            for row, name in enumerate(classes)
        },
        shots=curve,
        out=None if out is None else str(out),
        fitted=fitted,
        heard=recordings.heard(),
        tested_on=clips_digest((recordings.paths[item], part.name) for part in parts for item in part.test),
        **numbers,
    )


def _numbers(
    recordings: LabelledRecordings, items: np.ndarray, probabilities: np.ndarray, right: np.ndarray, seed: int
) -> dict[str, Any]:
    """What the tested recordings say: None where none was tested."""
    classes = list(recordings.classes)
    if not len(items):
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        measures = ("accuracy", "interval", "balanced_accuracy", "log_loss", "macro_f1", "calibration_error")
        return dict.fromkeys(measures) | {"confusion": confusion, "scores": class_scores(confusion)}
    names = np.array(classes)
    true = names[recordings.codes[items]]
    confusion = confusion_matrix(true, names[probabilities.argmax(axis=1)], classes)
    groups = None if recordings.groups is None else recordings.groups[items]
    return {
        "confusion": confusion,
        "scores": class_scores(confusion),
        "accuracy": accuracy(confusion),
        "interval": bootstrap_interval(lambda drawn: float(right[drawn].mean()), len(right), groups, LEVEL, seed=seed),
        "balanced_accuracy": balanced_accuracy(confusion),
        "log_loss": log_loss(true, probabilities, classes),
        "macro_f1": macro_scores(confusion).f1,
        "calibration_error": calibration_error(true, probabilities, classes),
    }


def _largest(codes: np.ndarray) -> float:
    counts = np.bincount(codes)
    return float(counts.max() / counts.sum())
