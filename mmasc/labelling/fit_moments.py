"""Fit a head of several labels to annotated windows: one head for each label against the rest, a threshold for each.

Every window is tested once, by heads that heard nothing of its recording. The threshold that a window is tested with is
the best of the other folds' windows; the one that is kept is the best of all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.calibration import fit_thresholds
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FORMAT, FittedHead
from mmasc.heads.one_against_rest import OneAgainstRest
from mmasc.heads.registry import HEADS, make_head
from mmasc.labelling.fit import stamp_of
from mmasc.labelling.folds import spread_groups
from mmasc.labelling.moment_report import MomentReport, moment_report
from mmasc.labelling.moments import ABSENT, ANNOTATIONS, PRESENT, UNKNOWN, AnnotatedWindows, Moments, annotated_windows

_UNTESTED_THRESHOLD = 0.5  # where a label is as probable as not


@dataclass(frozen=True)
class Tested:
    """What heads said of windows that they had not heard.

    Attributes:
        scores: Probabilities `[window class]`; NaN where a label was not tested.
        thresholds: The threshold that each is compared with `[window class]`.
        kept: The threshold of each label that the head keeps `[class]`.
        folds: Folds that were tested.
    """

    scores: Float[np.ndarray, "window class"]
    thresholds: Float[np.ndarray, "window class"]
    kept: Float[np.ndarray, " class"]
    folds: int


def fit_moments(
    collection: str | Path | Collection,
    moments: Moments | None = None,
    head: str = "logistic",
    folds: int = 5,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> MomentReport:
    """Fit a head of several labels to a collection's annotations, tested by cross-validation over recordings.

    Args:
        collection: Folder, or opened.
        moments: Which windows and labels; default: all.
        head: Name in `mmasc.heads.registry.HEADS`; "prototypes" learns from a single example.
        folds: Number of folds; groups (recordings) are kept whole.
        out: Save the head here.
        seed: Random seed of folds and intervals.
        progress: Called with fits done and fits in all.
    Raises:
        MmascError: If head, space, column or label does not exist, or the annotations do not suffice; every line says
            the fix.
        ValueError: If `folds` is below 2.
    """
    if folds < 2:
        raise ValueError(f"folds must be 2 or more, got {folds}")
    if out is not None and Path(out).is_dir():
        raise MmascError(f"{out} is a folder; give the name of a file for the head")
    make_head(head)  # an unknown name shows before the collection is read
    asked = moments or Moments()
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    windows = annotated_windows(opened, asked)
    fitted, tested = fit_windows(windows, head, folds, seed, progress)
    if out is not None:
        fitted.save(out)
    over = "recordings" if asked.groups is None else f"groups of {asked.groups}"
    return moment_report(windows, (tested.scores, tested.thresholds), fitted, (over, tested.folds, seed), out)


def fit_windows(
    windows: AnnotatedWindows,
    head: str = "logistic",
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FittedHead, Tested]:
    """Fit a head to annotated windows, and say of each what heads said that had not heard its recording.

    Args:
        windows, head, folds, seed, progress: See `fit_moments`.
    Raises:
        MmascError: If the head does not exist, or the windows do not suffice.
    """
    _check_sides(windows, head)
    fold = spread_groups(windows.truth == PRESENT, windows.groups, folds, seed)
    done, total = 0, (len(np.unique(fold)) + 1) * len(windows.classes)

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    tested = _cross_validate(windows, fold, head, count)
    members = []
    for column in range(len(windows.classes)):
        rows, codes = _known(windows, column)
        model = make_head(head).fit(windows.vectors[rows], codes)
        members.append(predictor_of(model, windows.vectors[rows]))
        count()
    stamp = replace(
        stamp_of(head, ANNOTATIONS, windows.classes, windows.space_name, windows.space, len(windows)),
        thresholds=tuple(tested.kept.tolist()),
        format=FORMAT,
    )
    return FittedHead(stamp, OneAgainstRest(members)), tested


def _known(windows: AnnotatedWindows, column: int) -> tuple[Int[np.ndarray, " item"], Int[np.ndarray, " item"]]:
    """Windows of which a label is known, and whether it is there (1) or not (0)."""
    rows = np.flatnonzero(windows.truth[:, column] != UNKNOWN)
    return rows, (windows.truth[rows, column] == PRESENT).astype(np.int64)


def _check_sides(windows: AnnotatedWindows, head: str) -> None:
    """Refuse labels of which nothing, or everything, is known to be there.

    Raises:
        MmascError: If there is one; the line says what is missing.
    """
    for column, label in enumerate(windows.classes):
        there = int((windows.truth[:, column] == PRESENT).sum())
        if not there:
            raise MmascError(f"no window carries {label!r}: shorter annotations are carried with a lower --overlap")
        if not (windows.truth[:, column] == ABSENT).any():
            raise MmascError(
                f"nothing is known to be without {label!r}; annotate other sounds, or where it is absent "
                "(--verdict absent), or take windows without annotations as background"
            )
        if there == 1 and not HEADS[head].learns_from_one:
            able = ", ".join(name for name, spec in HEADS.items() if spec.learns_from_one)
            raise MmascError(
                f"one window alone carries {label!r}, from which {head} learns nothing: annotate more, or use "
                f"--head prototypes (others that can: {able})"
            )


def _cross_validate(windows: AnnotatedWindows, fold: np.ndarray, head: str, count: Callable[[], Any]) -> Tested:
    scores = np.full(windows.truth.shape, np.nan)
    for number in np.unique(fold):
        here = fold == number
        for column in range(len(windows.classes)):
            rows, codes = _known(windows, column)
            train = ~here[rows]
            if len(np.unique(codes[train])) == 2:
                model = make_head(head).fit(windows.vectors[rows[train]], codes[train])
                scores[here, column] = model.predict_proba(windows.vectors[here])[:, 1]
            count()
    tested = ~np.isnan(scores)
    scores[(windows.truth == UNKNOWN)] = np.nan
    thresholds = np.full(scores.shape, np.nan)
    kept = np.full(len(windows.classes), _UNTESTED_THRESHOLD)
    for column in range(len(windows.classes)):
        known = ~np.isnan(scores[:, column])
        if not (windows.truth[known, column] == PRESENT).any():
            scores[:, column] = np.nan  # what is there was never tested: all of it lies in one recording
            continue
        kept[column] = _threshold(windows, scores, column, known)
        for number in np.unique(fold[known]):
            thresholds[fold == number, column] = _threshold(windows, scores, column, known & (fold != number))
    return Tested(scores, thresholds, kept, len(np.unique(fold[tested.any(axis=1)])))


def _threshold(windows: AnnotatedWindows, scores: np.ndarray, column: int, rows: np.ndarray) -> float:
    """The threshold with the best F1 over these windows; 0.5 where all of them carry the label, or none."""
    true = windows.truth[rows, column] == PRESENT
    if true.all() or not true.any():
        return _UNTESTED_THRESHOLD
    return float(np.clip(fit_thresholds(scores[rows, column][:, None], true[:, None], ["label"])["label"], 0, 1))
