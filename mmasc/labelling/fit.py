"""Fit a head to the labels of a collection, and say honestly how good it is: folds, interval, few-shot curve.

Every recording is one row (its windows' mean) and is tested once, by a head that has not heard it, nor anything of its
group. The head that is kept is then fitted to all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.registry import HEADS, make_head
from mmasc.labelling.apply import apply_head
from mmasc.labelling.folds import Fold, draw_few, make_folds
from mmasc.labelling.recordings import LabelledRecordings, labelled_recordings
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
from mmasc.version import __version__

__all__ = ["FewShot", "HeadReport", "apply_head", "fit_head"]

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
        head, label, space, encoder, identity: What was fitted to what; identity and encoder of the space.
        recordings, unlabelled, without_vectors: Recordings used, and left out for having no label or no vector.
        classes: Classes in the order of rows and columns below.
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


def fit_head(
    collection: str | Path | Collection,
    label: str,
    head: str = "boosting",
    groups: str | None = None,
    folds_column: str | None = None,
    folds: int = 5,
    space: str | None = None,
    where: str | None = None,
    shots: Sequence[int] = (),
    draws: int = 10,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> HeadReport:
    """Fit a head to a collection's labels, tested by cross-validation.

    Args:
        collection: Folder, or opened.
        label: Column with the labels; recordings without one are left out and counted.
        head: Name in `mmasc.heads.registry.HEADS`.
        groups: Column of what must not lie on both sides of a fold (place, source, individual).
        folds_column: Column with official folds; default: stratified folds.
        folds: Number of stratified folds.
        space: Default: the oldest.
        where: SQL on columns of recordings and windows.
        shots: Numbers of recordings per class for a learning curve.
        draws: Draws for each point of it.
        out: Save the head here.
        seed: Random seed of folds, draws and the interval.
        progress: Called with fits done and fits in all.
    Raises:
        MmascError: If head, column or space does not exist, or the labels do not suffice; every line says the fix.
        ValueError: If `folds` is below 2, or `shots` or `draws` below 1.
    """
    if draws < 1 or folds < 2 or any(n < 1 for n in shots):
        raise ValueError(f"folds must be 2 or more, shots and draws 1 or more, got {folds}, {list(shots)}, {draws}")
    if out is not None and Path(out).is_dir():
        raise MmascError(f"{out} is a folder; give the name of a file for the head")
    make_head(head)  # an unknown name shows before the collection is read
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    recordings = labelled_recordings(opened, label, groups, folds_column, space, where)
    parts = make_folds(recordings, folds, seed, set_aside=True)
    if np.bincount(recordings.codes).max() == 1 and not HEADS[head].learns_from_one:
        able = ", ".join(name for name, spec in HEADS.items() if spec.learns_from_one)
        raise MmascError(
            f"every label in {label!r} has one recording only, from which {head} learns nothing: add recordings, or "
            f"use --head prototypes (others that can: {able})"
        )
    few = {n: [draw_few(recordings, n, seed + draw) for draw in range(draws)] for n in dict.fromkeys(shots)}
    count = _Count(len(parts) + draws * len(few) + 1, progress)
    probabilities = _cross_validate(recordings, parts, head, count)
    curve = [_few_shot(recordings, n, few[n], head, count) for n in few]
    fitted = _fit_all(recordings, head, label)
    count.add()
    if out is not None:
        fitted.save(out)
    interval_over = "recordings" if groups is None else f"groups of {groups}"
    return _report(recordings, parts, probabilities, curve, fitted, interval_over, out, seed)


class _Count:
    """Fits done, told to whoever wants to show them."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.total, self.done, self.progress = total, 0, progress

    def add(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _cross_validate(recordings: LabelledRecordings, parts: list[Fold], head: str, count: _Count) -> np.ndarray:
    """Probabilities `[item class]` of every recording, from the head that has not heard it; NaN where none is."""
    probabilities = np.full((len(recordings), len(recordings.classes)), np.nan)
    for part in parts:
        model = make_head(head).fit(recordings.vectors[part.train], recordings.codes[part.train])
        probabilities[part.test] = 0.0  # of classes that were not learnt here
        probabilities[np.ix_(part.test, model.classes_)] = model.predict_proba(recordings.vectors[part.test])
        count.add()
    return probabilities


def _few_shot(
    recordings: LabelledRecordings, shots: int, draws: list[tuple[np.ndarray, np.ndarray]], head: str, count: _Count
) -> FewShot:
    accuracies = []
    for train, test in draws:
        model = make_head(head).fit(recordings.vectors[train], recordings.codes[train])
        accuracies.append(float((model.predict(recordings.vectors[test]) == recordings.codes[test]).mean()))
        count.add()
    spread = float(np.std(accuracies, ddof=1)) if len(draws) > 1 else 0.0
    tested = float(np.mean([len(test) for _, test in draws]))
    return FewShot(shots, float(np.mean(accuracies)), spread, accuracies, tested)


def _fit_all(recordings: LabelledRecordings, head: str, label: str) -> FittedHead:
    space = recordings.space
    stamp = HeadStamp(
        head=head,
        label=label,
        classes=recordings.classes,
        identity=space.identity,
        encoder=space.encoder,
        space=recordings.space_name,
        dim=space.dim,
        window_seconds=space.window_seconds,
        hop_seconds=space.hop_seconds,
        channels=space.channels,
        recordings=len(recordings),
        mmasc=__version__,
        scikit_learn=sklearn.__version__,
    )
    model = make_head(head).fit(recordings.vectors, recordings.codes)
    return FittedHead(stamp, predictor_of(model, recordings.vectors))


def _report(
    recordings: LabelledRecordings,
    parts: list[Fold],
    probabilities: np.ndarray,
    curve: list[FewShot],
    fitted: FittedHead,
    interval_over: str,
    out: str | Path | None,
    seed: int,
) -> HeadReport:
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
