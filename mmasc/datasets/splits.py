"""Random splits that keep groups whole: balanced subsets, a share for validation, folds for data sets without any."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mmasc.errors import MmascError
from mmasc.printing import counted


def draw_balanced(has: Bool[np.ndarray, "clip class"], per_class: int, seed: int) -> Int64[np.ndarray, " kept"]:
    """Positions of clips so that every class has `per_class` of them, ascending.

    With one label per clip it is exactly so many. With several, classes are served from the rarest on, and those that
    come along with them may have more.

    Args:
        has: Which clip has which label; every class in at least `per_class` clips.
        per_class: Clips of a class.
        seed: Which clips.
    """
    order = np.random.default_rng(seed).permutation(len(has))
    kept = np.zeros(len(has), bool)
    for one in np.argsort(has.sum(0), kind="stable"):
        missing = per_class - int(has[kept, one].sum())
        candidates = order[has[order, one] & ~kept[order]]
        kept[candidates[: max(missing, 0)]] = True
    return np.flatnonzero(kept).astype(np.int64)


def draw_groups(
    has: Bool[np.ndarray, "clip class"], groups: Sequence[str], share: float, seed: int
) -> Bool[np.ndarray, " clip"]:
    """Which clips are held back: whole groups, about a share of every class, never all groups of a class.

    Args:
        has: Which clip has which label.
        groups: The group of each clip.
        share: Share of every class, in (0, 1).
        seed: Which groups.
    Raises:
        MmascError: If no class has groups enough to give one away.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    # clips of each group by class
    counts = np.zeros((len(names), has.shape[1]), np.int64)
    np.add.at(counts, member, has.astype(np.int64))
    total = counts.sum(0)
    chosen = np.zeros(len(names), bool)
    for one in np.argsort(total, kind="stable"):
        wanted = share * total[one]
        for group in order[(counts[order, one] > 0) & ~chosen[order]]:
            now = counts[chosen, one].sum()
            after = now + counts[group, one]
            # nearer to the share with the group than without it, and something of all its classes is left to learn
            spared = (total - counts[chosen].sum(0) - counts[group] > 0) | (counts[group] == 0)
            if abs(after - wanted) < abs(now - wanted) and spared.all():
                chosen[group] = True
    if not chosen.any():
        raise MmascError(
            f"{counted(len(names), 'group')} of {counted(len(groups), 'clip')} {'is' if len(names) == 1 else 'are'} "
            f"too few to hold back {share:.0%} of every class; "
            "use a larger share, or a fold for validation"
        )
    return chosen[member]


def first_crossing(sides: Mapping[str, Sequence[str]]) -> tuple[str, str, str] | None:
    """The first group (by name) that lies on two sides, and the names of both sides; None if there is none."""
    names = list(sides)
    found = [
        (group, one, other)
        for position, one in enumerate(names)
        for other in names[position + 1 :]
        for group in set(sides[one]) & set(sides[other])
    ]
    return min(found, default=None)


def make_folds(
    targets: Float32[np.ndarray, "clip class"], groups: Sequence[str], n_folds: int, seed: int, name: str
) -> Int64[np.ndarray, " clip"]:
    """The fold, from 0, of every clip: about as many of every class in each, whole groups only.

    Clips with several labels are stratified by their rarest one.

    Args:
        targets: 1 where a clip has a label.
        groups: The group of each clip.
        n_folds: 2 or more.
        seed: Random seed of the shuffling.
        name: Name of the data set, for messages.
    Raises:
        MmascError: If there are fewer groups, or clips of a class, than folds.
        ValueError: If `n_folds` is below 2.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if n_folds < 2:
        raise ValueError(f"n_folds must be 2 or more, got {n_folds}")
    n_groups = len(set(groups))
    if n_groups < n_folds:
        raise MmascError(
            f"{name}: {counted(n_groups, 'group is', 'groups are')} fewer than {n_folds} folds; ask for fewer folds"
        )
    counts = targets.sum(0)
    rarest = np.where(targets > 0, counts[None], np.inf).argmin(1)
    present = np.bincount(rarest)
    if present[present > 0].min() < n_folds and targets.sum(1).max(initial=0) <= 1:
        raise MmascError(
            f"{name}: a class has {counted(int(present[present > 0].min()), 'clip')}, fewer than {n_folds} folds; "
            "ask for fewer folds"
        )
    folds = np.zeros(len(targets), np.int64)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Where clips have several labels, one of them may be in fewer clips than there are folds
        warnings.filterwarnings("ignore", "The least populated class")
        for number, (_, test) in enumerate(splitter.split(rarest, rarest, np.asarray(groups))):
            folds[test] = number
    if len(np.unique(folds)) < n_folds:
        raise MmascError(f"{name}: the groups are too unequal for {n_folds} folds; ask for fewer folds")
    return folds
