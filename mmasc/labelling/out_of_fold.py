"""What heads say of windows of recordings that they have not heard, with all labels or with a share of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.registry import make_head
from mmasc.heads.thresholds import fit_thresholds
from mmasc.labelling.carrying import PRESENT, UNKNOWN
from mmasc.labelling.moments import AnnotatedWindows
from mmasc.progress import one_by_one

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


def known_rows(windows: AnnotatedWindows, column: int) -> tuple[Int[np.ndarray, " item"], Int[np.ndarray, " item"]]:
    """Windows of which a label is known, and whether it is there (1) or not (0)."""
    rows = np.flatnonzero(windows.truth[:, column] != UNKNOWN)
    return rows, (windows.truth[rows, column] == PRESENT).astype(np.int64)


def cross_validate(windows: AnnotatedWindows, fold: np.ndarray, head: str, count: Callable[[], Any]) -> Tested:
    """Test every window once, with heads and thresholds of the other folds.

    Args:
        windows: What is learnt from.
        fold: The fold of each window.
        head: Name of the head.
        count: Called after each fit.
    """
    scores = out_of_fold(windows, fold, head, count)
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


def out_of_fold(
    windows: AnnotatedWindows,
    fold: np.ndarray,
    head: str,
    count: Callable[[], Any],
    share: float = 1.0,
    generator: np.random.Generator | None = None,
) -> Float[np.ndarray, "window class"]:
    """Probabilities by heads that learnt from the other folds; NaN where they lacked examples of either side.

    Args:
        windows: What is learnt from.
        fold: The fold of each window.
        head: Name of the head.
        count: Called after each fit.
        share: Share of the windows with, and of those without each label that is learnt from, at least one of each.
        generator: Draws them; needed where `share` is below 1.
    """
    scores = np.full(windows.truth.shape, np.nan)
    for number in one_by_one("fold", np.unique(fold).tolist()):
        here = fold == number
        for column in one_by_one("label", range(len(windows.classes))):
            rows, codes = known_rows(windows, column)
            train = np.flatnonzero(~here[rows])
            if generator is not None and share < 1:
                train = _drawn(train, codes, share, generator)
            if len(np.unique(codes[train])) == 2:
                model = make_head(head).fit(windows.vectors[rows[train]], codes[train])
                scores[here, column] = model.predict_proba(windows.vectors[here])[:, 1]
            count()
    return scores


def _drawn(train: np.ndarray, codes: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    parts = []
    for code in (0, 1):
        own = train[codes[train] == code]
        parts.append(generator.permutation(own)[: int(np.ceil(share * len(own)))])
    return np.sort(np.concatenate(parts))


def _threshold(windows: AnnotatedWindows, scores: np.ndarray, column: int, rows: np.ndarray) -> float:
    """The threshold with the best F1 over these windows; 0.5 where all of them carry the label, or none."""
    true = windows.truth[rows, column] == PRESENT
    if true.all() or not true.any():
        return _UNTESTED_THRESHOLD
    return float(np.clip(fit_thresholds(scores[rows, column][:, None], true[:, None], ["label"])["label"], 0, 1))
