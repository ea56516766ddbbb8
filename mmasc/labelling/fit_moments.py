"""Fit a head of several labels to annotated windows: one head for each label against the rest, a threshold for each.

Every window is tested once, by heads that heard nothing of its recording. The threshold that a window is tested with is
the best of the other folds' windows; the one that is kept is the best of all of them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mmasc.collection import Collection
from mmasc.collection.vectors import recording_vectors
from mmasc.encoders.heard import Heard, heard
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.familiarity import Familiarity, fit_familiarity
from mmasc.heads.fitted import FORMAT, FittedHead
from mmasc.heads.one_against_rest import OneAgainstRest
from mmasc.heads.registry import HEADS, make_head
from mmasc.labelling.carrying import ABSENT, PRESENT
from mmasc.labelling.fit import stamp_of
from mmasc.labelling.folds import spread_groups
from mmasc.labelling.moment_report import MomentReport, moment_report
from mmasc.labelling.moments import ANNOTATIONS, AnnotatedWindows, Moments, annotated_windows
from mmasc.labelling.out_of_fold import WORDS_HEAD, Tested, cross_validate, known_rows, unfitted_head
from mmasc.progress import one_by_one


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
        head: Name in `mmasc.heads.registry.HEADS`; "logistic" begins with the labels' words, see `Moments.words` and
            `mmasc.heads.from_words`; "prototypes" learns from a single example.
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
    if head != WORDS_HEAD:
        asked = replace(asked, words=False)
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    windows = annotated_windows(opened, asked)
    fitted, tested = fit_windows(windows, head, folds, seed, progress)
    if out is not None:
        fitted.save(out)
    over = "recordings" if asked.groups is None else f"groups of {asked.groups}"
    learned = _heard(opened, windows)
    return moment_report(windows, (tested.scores, tested.thresholds), fitted, (over, tested.folds, seed), learned, out)


def fit_windows(
    windows: AnnotatedWindows,
    head: str = "logistic",
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FittedHead, Tested]:
    """Fit a head to annotated windows, and predict each window with heads that were not fitted to its recording.

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

    tested = cross_validate(windows, fold, head, count)
    members = []
    for column in one_by_one("fitting label", range(len(windows.classes))):
        rows, codes = known_rows(windows, column)
        model = unfitted_head(windows, column, head).fit(windows.vectors[rows], codes)
        members.append(predictor_of(model, windows.vectors[rows]))
        count()
    stamp = replace(
        stamp_of(head, ANNOTATIONS, windows.classes, windows.space_name, windows.space, len(windows)),
        thresholds=tuple(tested.kept.tolist()),
        words=tuple(windows.words.scores) or None if head == WORDS_HEAD else None,
        format=FORMAT,
    )
    return FittedHead(stamp, OneAgainstRest(members), familiarity=_familiarity(windows, fold)), tested


def _familiarity(windows: AnnotatedWindows, fold: Int[np.ndarray, " window"]) -> Familiarity | None:
    """What tells moments that are unlike all labels, and unlike windows without any, which are a class of their own."""
    present = windows.truth == PRESENT
    codes = np.where(present.any(axis=1), present.argmax(axis=1), len(windows.classes))
    numbers = np.unique(fold)
    left_out = ((np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in numbers if len(numbers) > 1)
    return fit_familiarity(windows.vectors, codes, left_out)


def _heard(collection: Collection, windows: AnnotatedWindows) -> Heard:
    """What the encoder learned from the recordings of these windows, known by name, and by sound in its own window."""
    reader = collection.space(windows.space_name)
    ids, vectors = recording_vectors(reader, np.isin(reader.recording, windows.recordings))
    paths = collection.recordings.column("path").to_pylist()
    names = [paths[collection.row_of[int(one)]] for one in ids]
    spec = spec_of(windows.space.encoder)
    own = spec is not None and spec.window_seconds == windows.space.window_seconds
    return heard(windows.space.encoder, names, vectors if own else None)


def _check_sides(windows: AnnotatedWindows, head: str) -> None:
    """Refuse labels of which nothing, or everything, is known to be there.

    Raises:
        MmascError: If there is one; the line says what is missing.
    """
    begun = windows.words.scores if head == WORDS_HEAD else {}
    for column, label in enumerate(windows.classes):
        if label in begun:
            continue  # its words are enough
        there = int((windows.truth[:, column] == PRESENT).sum())
        if not there:
            raise MmascError(f"no window carries {label!r}: shorter annotations are carried with a lower --overlap")
        if not (windows.truth[:, column] == ABSENT).any():
            raise MmascError(
                f"nothing is known to be without {label!r}; annotate other sounds, or where it is absent "
                "(--verdict absent), or take windows without annotations as background (--background)"
            )
        if there == 1 and not HEADS[head].learns_from_one:
            able = ", ".join(name for name, spec in HEADS.items() if spec.learns_from_one)
            raise MmascError(
                f"one window alone carries {label!r}, from which {head} learns nothing: annotate more, or use "
                f"--head prototypes (others that can: {able})"
            )
