"""How good a head of several labels is on windows of recordings that it was not fitted to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from mmasc.encoders.heard import Heard
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.carrying import PRESENT
from mmasc.labelling.head_report import LEVEL
from mmasc.labelling.moments import AnnotatedWindows
from mmasc.metrics.functions import average_precision, bootstrap_interval


@dataclass(frozen=True)
class MomentReport:
    """A head of several labels and how good it is; numbers are None where nothing could be tested.

    Attributes:
        head, space, encoder, identity: The head, and the space with its encoder and identity.
        annotations: Annotations that were read.
        windows, recordings: Windows that were learnt from, and how many recordings they are of.
        background: Windows among them that carry no label.
        left_out: Windows that were left out, by reason.
        classes: Labels, in the order of the head's scores.
        not_tested: Labels whose windows all lie in one recording (or group): learnt from, never tested.
        folds: Folds that were tested.
        macro_f1: Mean of the tested labels' F1, each at its threshold.
        interval: 95 % bootstrap interval of it, low and high.
        interval_over: What was drawn for intervals: "recordings" or "groups of COLUMN".
        mean_average_precision: Mean of the tested labels' average precision.
        per_label: Label → threshold (that the head keeps), precision, recall, f1 (at thresholds of the other folds),
            f1_low and f1_high (95 % interval), average_precision, and windows, absent and recordings: windows with and
            without the label, and recordings that have it.
        heard: What the encoder of the space learned from these recordings before: no fold takes that out.
        words: Labels whose words the head began with.
        remarks: Why it began without words, where it did, a sentence each.
        out: Where the head was saved, if it was.
        fitted: The head, fitted to all windows.
    """

    head: str
    space: str
    encoder: str
    identity: str
    annotations: int
    windows: int
    recordings: int
    background: int
    left_out: dict[str, int]
    classes: list[str]
    not_tested: list[str]
    folds: int
    macro_f1: float | None
    interval: tuple[float, float] | None
    interval_over: str
    mean_average_precision: float | None
    per_label: dict[str, dict[str, float | int | None]]
    heard: Heard
    words: list[str]
    remarks: list[str]
    out: str | None
    fitted: FittedHead = field(repr=False)


def moment_report(
    windows: AnnotatedWindows,
    tested: tuple[np.ndarray, np.ndarray],
    fitted: FittedHead,
    how: tuple[str, int, int],
    learned: Heard,
    out: str | Path | None,
) -> MomentReport:
    """The report of a head.

    Args:
        windows: What it was fitted to.
        tested: Scores and thresholds `[window class]` of windows that it had not heard; NaN where there are none.
        fitted: The head.
        how: What intervals are over, the number of folds, and the random seed.
        learned: What the encoder learned from the recordings before.
        out: Where it was saved.
    """
    scores, thresholds = tested
    over, folds, seed = how
    true, known = windows.truth == PRESENT, ~np.isnan(scores)
    said = known & (scores >= np.where(known, thresholds, 0.0))
    assert fitted.stamp.thresholds is not None
    per_label, columns = {}, np.flatnonzero(known.any(axis=0))
    for column, label in enumerate(windows.classes):
        numbers = _label_numbers(true[:, column], said[:, column], known[:, column], windows.groups, seed)
        if numbers["f1"] is not None:
            rows = known[:, column]
            numbers["average_precision"] = average_precision(true[rows, column], scores[rows, column])
        per_label[label] = {
            "threshold": fitted.stamp.thresholds[column],
            **numbers,
            "windows": int(true[:, column].sum()),
            "absent": int((windows.truth[:, column] == 0).sum()),
            "recordings": len(np.unique(windows.recordings[true[:, column]])),
        }
    tested_labels = [windows.classes[column] for column in columns]
    macro, interval = None, None
    if tested_labels:
        counts = _counts(true[:, columns] & known[:, columns], said[:, columns])
        macro = float(_f1(counts).mean())
        interval = _interval(lambda drawn: float(_f1(drawn).mean()), counts, windows.groups, seed)
    precisions = [per_label[label]["average_precision"] for label in tested_labels]
    return MomentReport(
        head=fitted.stamp.head,
        space=fitted.stamp.space,
        encoder=fitted.stamp.encoder,
        identity=fitted.stamp.identity,
        annotations=windows.annotations,
        windows=len(windows),
        recordings=len(np.unique(windows.recordings)),
        background=int((~true.any(axis=1) & ~windows.others).sum()),
        left_out=windows.left_out,
        classes=list(windows.classes),
        not_tested=[label for label in windows.classes if label not in tested_labels],
        folds=folds,
        macro_f1=macro,
        interval=interval,
        interval_over=over,
        mean_average_precision=float(np.mean(precisions)) if precisions else None,
        per_label=per_label,
        heard=learned,
        words=list(fitted.stamp.words or ()),
        remarks=list(windows.words.remarks),
        out=None if out is None else str(out),
        fitted=fitted,
    )


def _label_numbers(
    true: Bool[np.ndarray, " window"],
    said: Bool[np.ndarray, " window"],
    known: Bool[np.ndarray, " window"],
    groups: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Precision, recall and F1 of one label over the windows that were tested, with an interval."""
    names = ("precision", "recall", "f1", "f1_low", "f1_high", "average_precision")
    if not known.any():
        return dict.fromkeys(names)
    counts = _counts((true & known)[:, None], said[:, None])
    hits, claims, there = counts.sum(axis=0)[:, 0]
    low, high = _interval(lambda drawn: float(_f1(drawn)[0]), counts, groups, seed) or (None, None)
    values = (hits / claims if claims else 0.0, hits / there, float(_f1(counts)[0]), low, high, None)
    return dict(zip(names, values, strict=True))


def _counts(
    true: Bool[np.ndarray, "window class"], said: Bool[np.ndarray, "window class"]
) -> Int[np.ndarray, "window 3 class"]:
    """For every window: whether it is a hit, predicted, and true."""
    return np.stack([true & said, said, true], axis=1).astype(np.int64)


def _f1(counts: Int[np.ndarray, "item 3 class"]) -> np.ndarray:
    """F1 of each class; 0 where nothing is predicted and nothing is true."""
    hits, said, there = counts.sum(axis=0)
    return np.where(said + there > 0, 2 * hits / np.maximum(said + there, 1), 0.0)


def _interval(metric: Any, counts: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float] | None:
    """95 % interval over groups; None where there are fewer than two."""
    names, of_group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.zeros((len(names), *counts.shape[1:]), np.int64)
    np.add.at(sums, of_group, counts)
    return bootstrap_interval(lambda drawn: metric(sums[drawn]), len(names), None, LEVEL, seed=seed)
