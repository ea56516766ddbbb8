"""Answers of heads about windows of other recordings than they were fitted to, with all labels or a share of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.background import logits_of
from mmasc.heads.from_words import WORDS_LOGIT, FromWords
from mmasc.heads.registry import make_head
from mmasc.heads.thresholds import fit_thresholds
from mmasc.labelling.carrying import PRESENT, UNKNOWN
from mmasc.labelling.moments import AnnotatedWindows
from mmasc.progress import one_by_one

_UNTESTED_THRESHOLD = 0.5  # where a label is as probable as not
_SHARED_WINDOWS = 100  # what the common threshold counts against a label's own
WORDS_HEAD = "logistic"  # which can begin with words
_LOGITS = np.linspace(-8, 8, 161)


@dataclass(frozen=True)
class Tested:
    """Predictions of heads for windows that they were not fitted to.

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


def unfitted_head(windows: AnnotatedWindows, column: int, head: str) -> Any:
    """The head of one label before it has learnt: one that begins with the label's words, where these are known."""
    score = windows.words.scores.get(windows.classes[column]) if head == WORDS_HEAD else None
    return make_head(head) if score is None else FromWords(score)


def cross_validate(windows: AnnotatedWindows, fold: np.ndarray, head: str, count: Callable[[], Any]) -> Tested:
    """Test every window once, with heads and thresholds of the other folds.

    Args:
        windows: What is learnt from.
        fold: The fold of each window.
        head: Name of the head.
        count: Called after each fit.
    """
    scores = out_of_fold(windows, fold, head, count)
    begun = np.array([isinstance(unfitted_head(windows, one, head), FromWords) for one in range(len(windows.classes))])
    tested = ~np.isnan(scores)
    scores[(windows.truth == UNKNOWN)] = np.nan
    there = (windows.truth == PRESENT) & ~np.isnan(scores)
    scores[:, ~there.any(axis=0)] = np.nan  # what is there was never tested: all of it lies in one recording
    thresholds = np.full(scores.shape, np.nan)
    for number in np.unique(fold):
        here = fold == number
        thresholds[here] = _thresholds(windows, scores, ~here, begun)
    thresholds[np.isnan(scores)] = np.nan
    kept = _thresholds(windows, scores, np.ones(len(scores), bool), begun)
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
            model = unfitted_head(windows, column, head)
            if len(np.unique(codes[train])) == 2 or isinstance(model, FromWords):
                model.fit(windows.vectors[rows[train]], codes[train])
                scores[here, column] = model.predict_proba(windows.vectors[here])[:, 1]
            count()
    return scores


def _drawn(train: np.ndarray, codes: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    parts = []
    for code in (0, 1):
        own = train[codes[train] == code]
        parts.append(generator.permutation(own)[: int(np.ceil(share * len(own)))])
    return np.sort(np.concatenate(parts))


def _thresholds(
    windows: AnnotatedWindows, scores: Float[np.ndarray, "window class"], rows: np.ndarray, begun: np.ndarray
) -> Float[np.ndarray, " class"]:
    """A threshold for each label: the best of its own windows, drawn towards the one that is best for all together.

    The best threshold of a few windows is mostly chance: a label with n windows counts n against `_SHARED_WINDOWS` of
    the common threshold, both as logits. Labels that were not tested get the common one. For labels that began with
    their words (`begun`) the threshold of words stands in the place of the common one: it is known beforehand.
    """
    true = (windows.truth == PRESENT) & rows[:, None]
    known = ~np.isnan(scores) & rows[:, None]
    columns = [column for column in range(scores.shape[1]) if _has_both(true[known[:, column], column])]
    of_words = 1 / (1 + np.exp(-WORDS_LOGIT))
    if not columns:
        return np.where(begun, of_words, _UNTESTED_THRESHOLD)
    logits = logits_of(np.nan_to_num(scores))
    common = _common_threshold([(logits[known[:, one], one], true[known[:, one], one]) for one in columns])
    shared = _SHARED_WINDOWS if len(columns) > 1 else 0
    found = np.where(begun, WORDS_LOGIT, common)
    for column in columns:
        before, weight = (WORDS_LOGIT, _SHARED_WINDOWS) if begun[column] else (common, shared)
        side = known[:, column]
        own = fit_thresholds(scores[side, column][:, None], true[side, column][:, None], ["label"])["label"]
        count = int(true[side, column].sum())
        found[column] = (count * logits_of(np.array([own]))[0] + weight * before) / (count + weight)
    return 1 / (1 + np.exp(-found))


def _has_both(true: np.ndarray) -> bool:
    return bool(true.any() and not true.all())


def _common_threshold(labels: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The logit at which the mean of the labels' F1 is best; of several that are, the middle one.

    Args:
        labels: Logits of windows, and whether they carry the label, for every label.
    """
    total = np.zeros(len(_LOGITS))
    for logits, true in labels:
        said = len(logits) - np.searchsorted(np.sort(logits), _LOGITS)
        hits = true.sum() - np.searchsorted(np.sort(logits[true]), _LOGITS)
        total += 2 * hits / (said + true.sum())
    best = np.flatnonzero(total >= total.max() - 1e-12)
    return float(_LOGITS[best[len(best) // 2]])
