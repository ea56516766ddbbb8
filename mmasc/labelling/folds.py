"""Recordings for fitting and for testing: official folds, stratified folds with whole groups, few-shot draws."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from mmasc.errors import MmascError
from mmasc.labelling.recordings import LabelledRecordings
from mmasc.printing import counted

_TRIES = 200  # of a few-shot draw under groups, before it is said that there is none


class Fold(NamedTuple):
    """Positions of the recordings that a head is fitted to, and of those that it is tested on."""

    name: str
    train: Int[np.ndarray, " item"]
    test: Int[np.ndarray, " item"]


def make_folds(
    recordings: LabelledRecordings, n_folds: int = 5, seed: int = 0, set_aside: bool = False, few: bool = False
) -> list[Fold]:
    """Official folds where the recordings have them, else stratified ones; groups are never on both sides.

    Args:
        recordings: Recordings with folds, groups, or neither.
        n_folds: Number of stratified folds.
        seed: Random seed of their shuffling.
        set_aside: Whether the only recording of a class is learnt from in all folds (but those that test its group) and
            tested in none, instead of being refused. Where fewer than two classes have more, there are no folds.
        few: Whether a class may have fewer recordings than there are stratified folds: some folds then test none of
            it. There are no more folds than the largest class has recordings.
    Raises:
        MmascError: If a class has fewer recordings than there are folds, a fold would be tested on classes that were
            not learnt, there is one official fold or group only, or a group lies in two official folds.
        ValueError: If `n_folds` is below 2.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds must be 2 or more, got {n_folds}")
    counts = np.bincount(recordings.codes, minlength=len(recordings.classes))
    alone = (counts[recordings.codes] == 1) & set_aside
    if set_aside and (counts >= 2).sum() < 2:
        return []
    if recordings.folds is not None:
        folds = [Fold(name, train, test[~alone[test]]) for name, train, test in _official_folds(recordings)]
        folds = [fold for fold in folds if len(fold.test)]
    else:
        folds = _stratified_folds(recordings, np.flatnonzero(~alone), n_folds, seed, few)
        folds = [_with_alone(fold, np.flatnonzero(alone), recordings.groups) for fold in folds]
    tested = np.unique(recordings.codes[~alone])
    for fold in folds:
        learnt = np.bincount(recordings.codes[fold.train], minlength=len(recordings.classes))
        missing = [recordings.classes[code] for code in tested if not learnt[code]]
        if missing:
            raise MmascError(
                f"fold {fold.name} would be tested without anything learnt of {missing[0]!r}, whose recordings all lie "
                f"in it; leave that class out with {recordings.where_not(missing[0])}, or use other folds or groups"
            )
    return folds


def group_folds(recordings: LabelledRecordings, n_folds: int, seed: int) -> list[Fold]:
    """Folds of whole groups in which classes are spread as well as can be, see `spread_groups`.

    What cannot be tested is not: rows of a class of which nothing was learnt, because all of it lies in the fold.
    """
    present = np.arange(len(recordings.classes)) == recordings.codes[:, None]
    assert recordings.groups is not None
    fold = spread_groups(present, recordings.groups, n_folds, seed)
    made = []
    for number in range(n_folds):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        learnt = np.unique(recordings.codes[train])
        test = test[np.isin(recordings.codes[test], learnt)]
        if len(test) and len(learnt) > 1:
            made.append(Fold(str(number + 1), train, test))
    return made


def draw_few(
    recordings: LabelledRecordings, n_per_class: int, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """A few-shot draw: exactly `n_per_class` recordings of every class to learn from, the rest to test on.

    Groups come in a random order until every class has enough; what is left of these groups is neither learnt nor
    tested. Without groups, draws with one seed grow: those of more shots hold those of fewer.

    Raises:
        MmascError: If a class has too few recordings, or the groups leave nothing to test on.
        ValueError: If `n_per_class` is below 1.
    """
    if n_per_class < 1:
        raise ValueError(f"shots must be 1 or more, got {n_per_class}")
    codes, n_classes = recordings.codes, len(recordings.classes)
    counts = np.bincount(codes, minlength=n_classes)
    if counts.min() <= n_per_class:
        scarce = recordings.classes[int(counts.argmin())]
        most = counts.min() - 1
        fewer = f"use at most {counted(most, 'shot')}, or " if most else ""
        raise MmascError(
            f"{counted(n_per_class, 'shot')} a class would leave no recording of {scarce!r} to test on, it has "
            f"{counts.min()}; {fewer}leave that class out with {recordings.where_not(scarce)}"
        )
    generator = np.random.default_rng([seed, 0])
    groups = np.arange(len(codes)) if recordings.groups is None else _numbered(recordings.groups)
    for _ in range(_TRIES):
        order = generator.permutation(len(codes))
        pool, taken = _take_groups(codes, groups, order, n_per_class, n_classes)
        test = np.flatnonzero(~np.isin(groups, taken))
        if len(np.unique(codes[test])) == n_classes:
            chosen = [pool[codes[pool] == code][:n_per_class] for code in range(n_classes)]
            return np.sort(np.concatenate(chosen)), test
    raise MmascError(
        f"{n_per_class} shots per class touch so many groups that none of them is left to test every class on; "
        "use fewer shots, or finer groups"
    )


def spread_groups(
    present: Bool[np.ndarray, "window class"], groups: np.ndarray, n_folds: int, seed: int
) -> Int[np.ndarray, " window"]:
    """The fold of each window: groups are kept whole, and those with a label lie in as many folds as can be.

    Labels in the fewest groups are dealt out first, each group to the fold with the fewest groups of this label, then
    to the one with the fewest windows.

    Args:
        present: Which labels are there.
        groups: The group of each window.
        n_folds: Folds; there may be fewer groups.
        seed: Random seed of the order of groups.
    Source: after Sechidis et al. 2011, "On the stratification of multi-label data", on groups.
    """
    names, of_group = np.unique(groups, return_inverse=True)
    has = np.zeros((len(names), present.shape[1]), bool)
    np.logical_or.at(has, of_group, present)
    sizes = np.bincount(of_group)
    turn = np.random.default_rng(seed).permutation(len(names))
    fold = np.full(len(names), -1)
    for label in [*np.argsort(has.sum(axis=0), kind="stable"), None]:
        for group in turn:
            if fold[group] >= 0 or not (label is None or has[group, label]):
                continue
            own = [0 if label is None else int((fold[has[:, label]] == one).sum()) for one in range(n_folds)]
            filled = [int(sizes[fold == one].sum()) for one in range(n_folds)]
            fold[group] = min(range(n_folds), key=lambda one: (own[one], filled[one], one))
    return fold[of_group]


def _take_groups(
    codes: np.ndarray, groups: np.ndarray, order: np.ndarray, n_per_class: int, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Recordings of the groups that are taken, in the order drawn, and the groups."""
    have, taken, pool = np.zeros(n_classes, np.int64), set(), []
    for item in order:
        if groups[item] in taken or have[codes[item]] >= n_per_class:
            continue
        taken.add(groups[item])
        members = order[groups[order] == groups[item]]
        have += np.bincount(codes[members], minlength=n_classes)
        pool.append(members)
    return np.concatenate(pool), np.array(sorted(taken))


def _official_folds(recordings: LabelledRecordings) -> list[Fold]:
    assert recordings.folds is not None
    if len(recordings.fold_names) < 2:
        raise MmascError(f"there is one official fold only, {recordings.fold_names[0]!r}; leave --folds-column out")
    if recordings.groups is not None:
        for group in np.unique(recordings.groups):
            inside = np.unique(recordings.folds[recordings.groups == group])
            if len(inside) > 1:
                raise MmascError(
                    f"group {str(group)!r} lies in the official folds {', '.join(inside)}; leave out --groups or "
                    "--folds-column"
                )
    here = recordings.folds
    return [Fold(name, np.flatnonzero(here != name), np.flatnonzero(here == name)) for name in recordings.fold_names]


def _with_alone(fold: Fold, alone: np.ndarray, groups: np.ndarray | None) -> Fold:
    if groups is not None:
        alone = alone[~np.isin(groups[alone], groups[fold.test])]
    return fold._replace(train=np.sort(np.concatenate([fold.train, alone])))


def _stratified_folds(
    recordings: LabelledRecordings, items: np.ndarray, n_folds: int, seed: int, few: bool
) -> list[Fold]:
    """Stratified folds of some of the recordings."""
    codes = recordings.codes[items]
    present, counts = np.unique(codes, return_counts=True)
    if few:
        n_folds = max(2, min(n_folds, int(counts.max())))
    elif counts.min() < n_folds:
        scarce = recordings.classes[int(present[counts.argmin()])]
        fewer = f"use --folds {counts.min()}, " if counts.min() > 1 else ""
        raise MmascError(
            f"class {scarce!r} has {counted(int(counts.min()), 'recording')}, fewer than {n_folds} folds; "
            f"{fewer}add recordings, or "
            f"leave that class out with {recordings.where_not(scarce)}"
        )
    if recordings.groups is None:
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        parts = splitter.split(codes, codes)
    else:
        groups = recordings.groups[items]
        n_groups = len(np.unique(groups))
        if n_groups < n_folds:
            fewer = f"use --folds {n_groups}, or finer groups" if n_groups > 1 else "leave out --groups"
            raise MmascError(f"{counted(n_groups, 'group is', 'groups are')} fewer than {n_folds} folds; {fewer}")
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        parts = splitter.split(codes, codes, groups)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # `few` allows it
        folds = [Fold(str(number), items[train], items[test]) for number, (train, test) in enumerate(parts, 1)]
    if any(not len(fold.test) for fold in folds):
        raise MmascError(f"the groups are too unequal for {n_folds} folds, one would be empty; use fewer --folds")
    return folds


def _numbered(groups: Sequence[str] | np.ndarray) -> np.ndarray:
    return np.unique(np.asarray(groups), return_inverse=True)[1]
