"""How good a head is on moments that people judged, and how much more answers would improve it.

Everything is measured on recordings that the heads which are tested have not heard. Moments that were annotated because
a head was unsure are harder than others, and those that somebody came across are easier: only answers about moments
drawn at random say how often a head is right where nobody looked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmasc.collection import Collection
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.carrying import PRESENT
from mmasc.labelling.folds import spread_groups
from mmasc.labelling.head_report import LEVEL
from mmasc.labelling.moments import AnnotatedWindows, Moments, annotated_windows
from mmasc.labelling.out_of_fold import Tested, cross_validate, out_of_fold
from mmasc.labelling.review import OVERLAP, is_random
from mmasc.metrics.functions import average_precision, bootstrap_interval, wilson_interval
from mmasc.printing import counted

SHARES = (0.25, 0.5, 1.0)
_DRAWS = 3  # of a share of the labels
_FOLDS = 5
_INTERVAL_DRAWS = 300
_LEAST_RECORDINGS = 4  # with fewer, recordings say nothing of others
_LEAST_ANNOTATIONS = 20


@dataclass(frozen=True)
class Learning:
    """How good a head of these annotations is; numbers are None where they are not known, and `unknown` says why.

    Attributes:
        annotations, windows, recordings: What it learnt from.
        tested: Labels that could be tested: those in two recordings or more.
        mean_average_precision: Mean over these labels, of windows of recordings that were not learnt from.
        interval: 95 % interval of it, over recordings.
        curve: The same by share of the labels that was learnt from.
        more: How many more annotations are asked about.
        gain: The expected gain from them, if each doubling adds as much as the last one.
        gain_interval: 95 % interval of that, over recordings.
        unknown: Why the gain is not known; "" where it is.
        random: Answers about moments drawn at random.
        right: How many of them a head that had not heard their recordings decides as people did.
        right_interval: 95 % interval of that share (Wilson 1927).
    """

    annotations: int
    windows: int
    recordings: int
    tested: int
    mean_average_precision: float | None
    interval: tuple[float, float] | None
    curve: dict[float, float]
    more: int
    gain: float | None
    gain_interval: tuple[float, float] | None
    unknown: str
    random: int
    right: int
    right_interval: tuple[float, float] | None


def learning(
    collection: Collection,
    fitted: FittedHead,
    space: str,
    more: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Learning:
    """Fit heads of this kind again, without the recordings that they are tested on.

    Args:
        collection: Opened.
        fitted: What kind of head, and which labels.
        space: Name of the space.
        more: How many more annotations are asked about.
        seed: Random seed of folds, draws and intervals.
        progress: Called with fits done and fits in all.
    Raises:
        MmascError: If the collection has no annotations, or they carry none of the labels.
    """
    present = {one.label for one in collection.annotations.all(verdict="present") if one.identity is None}
    labels = [name for name in fitted.stamp.classes if name in present] or None
    windows = annotated_windows(collection, Moments(labels, space=space, words=fitted.stamp.words is not None))
    fold = spread_groups(windows.truth == PRESENT, windows.groups, _FOLDS, seed)
    done, total = 0, len(np.unique(fold)) * len(windows.classes) * (1 + _DRAWS * (len(SHARES) - 1))

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    tested = cross_validate(windows, fold, fitted.stamp.head, count)
    columns = np.flatnonzero(~np.isnan(tested.scores).all(axis=0))
    generator = np.random.default_rng(seed)
    by_share = {
        share: [out_of_fold(windows, fold, fitted.stamp.head, count, share, generator) for _ in range(_DRAWS)]
        for share in SHARES[:-1]
    } | {1.0: [tested.scores]}
    usable = windows.annotations >= _LEAST_ANNOTATIONS and len(columns)
    curve = {share: _mean_ap(windows, runs, columns) for share, runs in by_share.items()} if usable else {}
    gain, interval, unknown = _gain(windows, by_share, columns, more, seed)
    random, right = _random_part(collection, windows, tested)
    whole = _mean_ap(windows, [tested.scores], columns) if len(columns) else math.nan
    return Learning(
        annotations=windows.annotations,
        windows=len(windows),
        recordings=len(np.unique(windows.recordings)),
        tested=len(columns),
        mean_average_precision=None if math.isnan(whole) else whole,
        interval=_over_recordings(windows, lambda rows: _mean_ap(windows, [tested.scores], columns, rows), seed)
        if len(columns)
        else None,
        curve=curve,
        more=more,
        gain=gain,
        gain_interval=interval,
        unknown=unknown,
        random=random,
        right=right,
        right_interval=wilson_interval(right, random) if random else None,
    )


def _gain(
    windows: AnnotatedWindows,
    by_share: dict[float, list[np.ndarray]],
    columns: np.ndarray,
    more: int,
    seed: int,
) -> tuple[float | None, tuple[float, float] | None, str]:
    """What more annotations add, its interval, and why it is not known.

    The average precision is taken to grow by the same amount with each doubling, and at most one doubling is looked
    ahead: farther nothing is known.
    """
    recordings, annotations = len(np.unique(windows.recordings)), windows.annotations
    if not len(columns):
        return None, None, "no label lies in two recordings"
    if recordings < _LEAST_RECORDINGS:
        return None, None, f"{counted(recordings, 'recording is', 'recordings are')} too few to tell"
    if annotations < max(_LEAST_ANNOTATIONS, more):
        return None, None, f"{counted(annotations, 'annotation is', 'annotations are')} too few to tell"
    doublings = math.log2((annotations + more) / annotations)

    def value(rows: np.ndarray) -> float:
        whole, half = (_mean_ap(windows, by_share[share], columns, rows) for share in (1.0, 0.5))
        return (whole - half) * doublings

    return value(np.arange(len(windows))), _over_recordings(windows, value, seed), ""


def _mean_ap(
    windows: AnnotatedWindows, runs: list[np.ndarray], columns: np.ndarray, rows: np.ndarray | None = None
) -> float:
    """Mean average precision over labels that are there and not everywhere, and over runs; NaN where there are none."""
    found = []
    for scores in runs:
        for column in columns:
            chosen = np.arange(len(scores)) if rows is None else rows
            known = chosen[~np.isnan(scores[chosen, column]) & (windows.truth[chosen, column] >= 0)]
            true = windows.truth[known, column] == PRESENT
            if true.any():
                found.append(average_precision(true, scores[known, column]))
    return float(np.mean(found)) if found else math.nan


def _over_recordings(
    windows: AnnotatedWindows, value: Callable[[np.ndarray], float], seed: int
) -> tuple[float, float] | None:
    """95 % interval over recordings; None where there are too few."""
    if len(np.unique(windows.groups)) < _LEAST_RECORDINGS:
        return None
    low, high = bootstrap_interval(
        lambda rows: 0.0 if math.isnan(found := value(rows)) else found,
        len(windows),
        windows.groups,
        LEVEL,
        _INTERVAL_DRAWS,
        seed,
    )
    return low, high


def _random_part(collection: Collection, windows: AnnotatedWindows, tested: Tested) -> tuple[int, int]:
    """Answers about moments drawn at random, and how many of them are decided rightly by heads of the other folds."""
    answered = right = 0
    place = {name: column for column, name in enumerate(windows.classes)}
    said = tested.scores >= np.where(np.isnan(tested.thresholds), np.inf, tested.thresholds)
    for one in collection.annotations.all():
        if not is_random(one) or one.verdict == "unsure" or one.label not in place:
            continue
        common = np.minimum(windows.ends, one.end) - np.maximum(windows.starts, one.start)
        least = OVERLAP * np.minimum(windows.ends - windows.starts, one.end - one.start)
        rows = np.flatnonzero((windows.recordings == one.recording) & (common >= least - 1e-9) & (common > 0))
        rows = rows[~np.isnan(tested.scores[rows, place[one.label]])]
        if len(rows):
            row = rows[common[rows].argmax()]
            answered += 1
            right += bool(said[row, place[one.label]] == (one.verdict == "present"))
    return answered, right
