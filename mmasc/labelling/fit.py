"""Fit a head to the labels of a collection, and say honestly how good it is: folds, interval, few-shot curve.

Every recording is one row (its windows' mean) and is tested once, by a head that has not heard it, nor anything of its
group. The head that is kept is then fitted to all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import sklearn

from mmasc.collection import Collection
from mmasc.collection.head import SpaceHead
from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.familiarity import fit_familiarity
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.registry import HEADS, make_head
from mmasc.labelling.apply import apply_head
from mmasc.labelling.folds import Fold, draw_few, group_folds, make_folds
from mmasc.labelling.head_report import FewShot, HeadReport, head_report
from mmasc.labelling.moments import ANNOTATIONS, Moments, annotated_windows
from mmasc.labelling.one_label_rows import one_label_each
from mmasc.labelling.recordings import LabelledRecordings, Selection, labelled_recordings
from mmasc.progress import current, one_by_one
from mmasc.version import __version__

_FOLDS = 5

__all__ = ["FewShot", "HeadReport", "apply_head", "fit_head"]


def fit_head(
    collection: str | Path | Collection,
    label: str | Moments,
    head: str = "boosting",
    groups: str | None = None,
    folds_column: str | None = None,
    folds: int | None = None,
    space: str | None = None,
    where: str | None = None,
    shots: Sequence[int] = (),
    draws: int = 10,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    background: bool = False,
) -> HeadReport:
    """Fit a head to a collection's labels, tested by cross-validation.

    Args:
        collection: Folder, or opened.
        label: Column with the labels; recordings without one are left out and counted. Or `Moments`: windows are
            learnt from, those that carry one annotated label; `groups`, `space` and `where` stand there then. Several
            labels at once: `fit_moments`.
        head: Name in `mmasc.heads.registry.HEADS`.
        groups: Column of what must not lie on both sides of a fold (place, source, individual).
        folds_column: Column with official folds; default: stratified folds.
        folds: Number of stratified folds, of which every label has so many recordings; default: 5, some of which then
            test none of a label that has fewer.
        space: Default: the oldest.
        where: SQL on columns of recordings and windows.
        shots: Numbers of recordings per class for a learning curve.
        draws: Draws for each point of it.
        out: Save the head here.
        seed: Random seed of folds, draws and the interval.
        progress: Called with fits done and fits in all.
        background: Recordings without a label are "none of these" instead of being left out: a class that the head
            learns, and that does not count as a label where it is applied.
    Raises:
        MmascError: If head, column or space does not exist, or the labels do not suffice; every line says the fix.
        ValueError: If `folds` is below 2, or `shots` or `draws` below 1.
    """
    if draws < 1 or (folds is not None and folds < 2) or any(n < 1 for n in shots):
        raise ValueError(f"folds must be 2 or more, shots and draws 1 or more, got {folds}, {list(shots)}, {draws}")
    if out is not None and Path(out).is_dir():
        raise MmascError(f"{out} is a folder; give the name of a file for the head")
    make_head(head)  # an unknown name shows before the collection is read
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    if isinstance(label, Moments):
        if (groups, folds_column, space, where, background) != (None, None, None, None, False):
            raise ValueError(
                "groups, folds_column, space, where and background of annotated moments are those of Moments"
            )
        windows = annotated_windows(opened, replace(label, words=False))
        recordings, several = one_label_each(windows, label.background is not None)
        left_out = windows.left_out | ({"of no label, or of several": several} if several else {})
        parts, groups, label = group_folds(recordings, folds or _FOLDS, seed), label.groups, ANNOTATIONS
    else:
        recordings = labelled_recordings(opened, Selection(label, groups, folds_column, space, where, background))
        parts, left_out = make_folds(recordings, folds or _FOLDS, seed, set_aside=True, few=folds is None), {}
    if np.bincount(recordings.codes).max() == 1 and not HEADS[head].learns_from_one:
        able = ", ".join(name for name, spec in HEADS.items() if spec.learns_from_one)
        raise MmascError(
            f"every label in {label!r} has one {recordings.unit[:-1]} only, from which {head} learns nothing: add "
            f"{recordings.unit}, or use --head prototypes (others that can: {able})"
        )
    few = {n: [draw_few(recordings, n, seed + draw) for draw in range(draws)] for n in dict.fromkeys(shots)}
    count = _Count(len(parts) + draws * len(few) + 1, progress)
    probabilities = _cross_validate(recordings, parts, head, count)
    curve = [_few_shot(recordings, n, few[n], head, count) for n in few]
    with current().phase("fitting to all"):
        fitted = _fit_all(recordings, head, label, parts)
    count.add()
    if out is not None:
        fitted.save(out)
    interval_over = "recordings" if groups is None else f"groups of {groups}"
    report = head_report(recordings, parts, probabilities, curve, fitted, interval_over, out, seed)
    return replace(report, unit=recordings.unit, left_out=left_out)


class _Count:
    """Counts the fits that are done and reports them as progress."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.total, self.done, self.progress = total, 0, progress

    def add(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _cross_validate(recordings: LabelledRecordings, parts: list[Fold], head: str, count: _Count) -> np.ndarray:
    """Probabilities `[item class]` of every recording, from the head that has not heard it; NaN where none is."""
    probabilities = np.full((len(recordings), len(recordings.classes)), np.nan)
    for part in one_by_one("fold", parts):
        model = make_head(head).fit(recordings.vectors[part.train], recordings.codes[part.train])
        probabilities[part.test] = 0.0  # of classes that were not learnt here
        probabilities[np.ix_(part.test, model.classes_)] = model.predict_proba(recordings.vectors[part.test])
        count.add()
    return probabilities


def _few_shot(
    recordings: LabelledRecordings, shots: int, draws: list[tuple[np.ndarray, np.ndarray]], head: str, count: _Count
) -> FewShot:
    accuracies = []
    for train, test in one_by_one(f"{shots} a class, draw", draws):
        model = make_head(head).fit(recordings.vectors[train], recordings.codes[train])
        accuracies.append(float((model.predict(recordings.vectors[test]) == recordings.codes[test]).mean()))
        count.add()
    spread = float(np.std(accuracies, ddof=1)) if len(draws) > 1 else 0.0
    tested = float(np.mean([len(test) for _, test in draws]))
    return FewShot(shots, float(np.mean(accuracies)), spread, accuracies, tested)


def _fit_all(recordings: LabelledRecordings, head: str, label: str, parts: list[Fold]) -> FittedHead:
    stamp = replace(
        stamp_of(head, label, recordings.classes, recordings.space_name, recordings.space, len(recordings)),
        label_type=recordings.label_type,
        background=recordings.background,
    )
    model = make_head(head).fit(recordings.vectors, recordings.codes)
    left_out = ((part.train, part.test) for part in parts)
    familiarity = fit_familiarity(recordings.vectors, recordings.codes, left_out)
    return FittedHead(stamp, predictor_of(model, recordings.vectors), familiarity=familiarity)


def stamp_of(
    head: str, label: str, classes: tuple[str, ...], space_name: str, space: SpaceHead, learnt_from: int
) -> HeadStamp:
    """The stamp of a head of this mmasc that was fitted to so many vectors of a space."""
    return HeadStamp(
        head=head,
        label=label,
        classes=classes,
        identity=space.identity,
        encoder=space.encoder,
        space=space_name,
        dim=space.dim,
        window_seconds=space.window_seconds,
        hop_seconds=space.hop_seconds,
        channels=space.channels,
        recordings=learnt_from,
        mmasc=__version__,
        scikit_learn=sklearn.__version__,
    )
