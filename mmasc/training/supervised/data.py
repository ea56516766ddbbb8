"""From a data set on disk to what one fold's run learns from, validates on and tests on."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mmasc.datasets import read_dataset
from mmasc.datasets.dataset import Dataset
from mmasc.datasets.splits import draw_groups
from mmasc.errors import MmascError
from mmasc.training.supervised.config import SupervisedConfig

# Of the draw of seen clips: the same for all seeds of a run
_SEEN_SEED = 0


def _no_clips() -> Int64[np.ndarray, " none"]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Sides:
    """Positions of clips on the three sides of a fold; no recording or place is on two.

    Attributes:
        train, validation, test: Positions in the data set.
        seen: Clips of recordings and places that are learned from, themselves not learned from but tested apart.
    """

    train: Int64[np.ndarray, " train"]
    validation: Int64[np.ndarray, " validation"]
    test: Int64[np.ndarray, " test"]
    seen: Int64[np.ndarray, " seen"] = field(default_factory=_no_clips)


@dataclass(frozen=True)
class DataChoice:
    """Which data a run is made with: what decides its clips and its folds.

    Attributes:
        kind: As `read_dataset` takes it.
        path: Where it lies.
        options: Options of the reader.
        make_folds: So many folds for data without any (drawn by seed 0, so that all seeds share them).
        hold_out: "COLUMN=VALUE,VALUE": what is tested and never learned from.
        per_class: Balanced pruning to so many clips per class (by seed 0); 0 keeps all.
    """

    kind: str
    path: str | Path
    options: Mapping[str, Any] = field(default_factory=dict)
    make_folds: int = 0
    hold_out: str = ""
    per_class: int = 0

    @classmethod
    def among(cls, kind: str, path: str | Path, options: Mapping[str, Any]) -> "DataChoice":
        """The choice that options of `train_network` make; others among them are passed over."""
        known = {name: options[name] for name in ("make_folds", "hold_out", "per_class") if name in options}
        return cls(kind, path, options.get("dataset_options") or {}, **known)

    def read(self) -> Dataset:
        """The data set: as read, pruned, with folds made where asked, without what is held out.

        Raises:
            MmascError: If it is not fit.
        """
        table = read_dataset(self.kind, self.path, **self.options)
        if self.per_class:
            table = table.pruned(self.per_class)
        if self.make_folds:
            table = table.with_folds(self.make_folds)
        if self.hold_out:
            column, _, values = self.hold_out.partition("=")
            if not column or not values:
                raise MmascError(f"clips to hold out are given as COLUMN=VALUE,VALUE, got {self.hold_out!r}")
            table = table.holding_out(column, [value.strip() for value in values.split(",")])
        return table

    def test_folds(self, asked: Sequence[str] = ()) -> list[str]:
        """Names of the folds that are asked for; of all folds of the data where none is.

        Raises:
            MmascError: If none is asked for and the data have none.
        """
        if asked:
            return [str(fold) for fold in asked]
        table = self.read()
        if not table.folds:
            raise MmascError(f"{table.root} has no folds to test on; make some with --make-folds 5")
        return table.folds


def data_of(config: SupervisedConfig, data: str | Path | None = None) -> Dataset:
    """The data set that a run's configuration names, from where it was or from another place.

    Raises:
        MmascError: If it does not exist, or holds other clips than the run was made with.
    """
    table = DataChoice(
        kind=config.dataset,
        path=config.data if data is None else data,
        options=config.dataset_options,
        make_folds=config.make_folds,
        hold_out=config.hold_out,
        per_class=config.per_class,
    ).read()
    if digest_of(table) != config.data_digest:
        raise MmascError(
            f"{table.root} holds other clips, labels or folds than the run was made with; name its own data"
        )
    return table


def sides_of(table: Dataset, fold: str, validation: str, seed: int) -> Sides:
    """Sides of a fold; with an empty one everything is learned from and nothing tested.

    Args:
        table: The data set.
        fold: Fold to be tested.
        validation: "" for none, a fold, or a share as text ("0.2").
        seed: Random seed of the draw of a share.
    Raises:
        MmascError: If a fold does not exist, a share is out of range, or too little is left.
    """
    how = validation_of(table, validation)
    if fold:
        train, held, test = table.split(fold, how, seed)
    else:
        train, held, test = _without_test(table, how, seed)
    if not table.multi_label:
        labelled = np.array([len(clip.labels) == 1 for clip in table.clips], bool)
        train, held, test = (side[labelled[side]] for side in (train, held, test))
    else:
        train = train[table.targets()[train].sum(1) > 0]
    present = sorted({label for clip in train.tolist() for label in table.clips[clip].labels})
    if len(present) < 2:
        known = f"is {present[0]!r}" if present else "has a label"
        raise MmascError(
            f"{table.root}: every clip to learn from {known}"
            + (f" when fold {fold!r} is tested" if fold else "")
            + "; "
            "two classes are needed"
        )
    return Sides(train, held, test)


def checked_sides(table: Dataset, config: SupervisedConfig) -> Sides:
    """Sides of a run's fold; clips whose labels nobody checked are learned from alone.

    Raises:
        MmascError: As `sides_of`; if the configuration names noisy labels, or a column of what is seen, that are not
            there, or so many clips cannot be held back as seen.
    """
    sides = sides_of(table, config.fold, config.validation, config.seed)
    noisy = noisy_clips(table, config.noisy)
    if config.noisy:
        sides = Sides(sides.train, sides.validation[~noisy[sides.validation]], sides.test[~noisy[sides.test]])
    of_clip = _values_of(table, config.seen_by)
    if not config.seen_share:
        return sides
    held = _held_back([("" if noisy[clip] else of_clip[clip]) for clip in sides.train], config.seen_share)
    what = f"{config.seen_by or 'group'}"
    if not held.any():
        raise MmascError(
            f"{table.root}: no {what} has two clips to learn from and share enough to hold one back; take a larger "
            "--seen-share, or say --seen-by COLUMN"
        )
    targets = table.targets()[sides.train] > 0
    lost = np.flatnonzero(targets.any(0) & ~targets[~held].any(0))
    if len(lost):
        raise MmascError(
            f"{table.root}: with {config.seen_share:g} of every {what} held back as seen no clip of "
            f"{table.classes[lost[0]]!r} is left to learn from; take a smaller --seen-share"
        )
    return replace(sides, train=sides.train[~held], seen=sides.train[held])


def seen_before(table: Dataset, sides: Sides, by: str = "") -> Bool[np.ndarray, " clip"]:
    """Whether a clip's value (its city ...) is among those of the clips that are learned from.

    Args:
        table: The data set.
        sides: Sides of a fold.
        by: Column; empty for groups. Clips that have no value in it are never seen before.
    Raises:
        MmascError: If the column does not exist.
    """
    values = np.asarray(_values_of(table, by), dtype=str)
    return np.isin(values, values[sides.train]) & (values != "")


def _values_of(table: Dataset, by: str) -> list[str]:
    return table.column(by) if by else table.groups


def _held_back(values: Sequence[str], share: float) -> Bool[np.ndarray, " clip"]:
    """Which clips are held back: of every value with n clips, n > 1, the nearest to its share, n - 1 at most.

    Args:
        values: Values of the clips; clips without ("") are not held back.
        share: Share of the clips of a value.
    """
    generator = np.random.default_rng(_SEEN_SEED)
    held = np.zeros(len(values), bool)
    named = np.asarray(values, dtype=str)
    for value in sorted(set(values) - {""}):
        own = generator.permutation(np.flatnonzero(named == value))
        held[own[: min(len(own) - 1, math.floor(share * len(own) + 0.5))]] = True
    return held


def noisy_clips(table: Dataset, rule: str) -> Bool[np.ndarray, " clip"]:
    """Which clips have labels that nobody checked.

    Args:
        table: The data set.
        rule: "COLUMN=VALUE,VALUE" ("split=noisy" of FSDKaggle2019); empty for none.
    Raises:
        MmascError: If the column does not exist, or no clip (or every clip) is noisy.
    """
    if not rule:
        return np.zeros(len(table), bool)
    column, _, values = rule.partition("=")
    if not column or not values:
        raise MmascError(f"noisy labels are given as COLUMN=VALUE,VALUE, got {rule!r}")
    found = np.isin(table.column(column), [value.strip() for value in values.split(",")])
    if found.all() or not found.any():
        present = sorted(set(table.column(column)))
        raise MmascError(
            f"{table.root}: {'every' if found.all() else 'no'} clip has {rule}; its values are {', '.join(present[:8])}"
        )
    return found


def validation_of(table: Dataset, validation: str) -> str | float | None:
    """What `Dataset.split` takes: a fold's name where there is such a fold, else a share."""
    if not validation:
        return None
    if validation in table.folds:
        return validation
    try:
        share = float(validation)
    except ValueError as error:
        raise MmascError(
            f"validation must be a fold ({', '.join(table.folds) or 'present are none'}) or a share in (0, 1), got "
            f"{validation!r}"
        ) from error
    if not 0 < share < 1:
        raise MmascError(
            f"validation must be a fold ({', '.join(table.folds) or 'present are none'}) or a share in (0, 1), got "
            f"{validation!r}"
        )
    return share


def digest_of(table: Dataset) -> str:
    """Of names, labels, folds and parts of all clips, and what is held out: another table is another run."""
    lines = [
        "\t".join([_name(clip.path, table.root), *clip.labels, clip.fold, clip.split, clip.group])
        for clip in table.clips
    ]
    lines += [f"{column}={','.join(values)}" for column, values in sorted(table.held_out.items())]
    return hashlib.sha256("\n".join([*table.classes, *lines]).encode()).hexdigest()[:32]


def targets_for(table: Dataset, classes: Sequence[str]) -> Float32[np.ndarray, "clip class"]:
    """Labels of all clips in the order of other classes.

    Raises:
        MmascError: If labels are not among them (they are named).
    """
    unknown = [name for name in table.classes if name not in classes]
    if unknown:
        raise MmascError(f"{table.root} has labels that the network does not know: {', '.join(unknown[:5])}")
    targets = np.zeros((len(table), len(classes)), np.float32)
    targets[:, [list(classes).index(name) for name in table.classes]] = table.targets()
    return targets


def _without_test(
    table: Dataset, how: str | float | None, seed: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " validation"], Int64[np.ndarray, " test"]]:
    everything = np.arange(len(table), dtype=np.int64)
    if how is None:
        return everything, everything[:0], everything[:0]
    if isinstance(how, str):
        # As a fold that is tested, so that leaks between sides are refused the same way
        train, _, held = table.split(how)
        return train, held, everything[:0]
    held_back = draw_groups(table.targets() > 0, table.groups, how, seed)
    return everything[~held_back], everything[held_back], everything[:0]


def _name(path: Path, root: Path) -> str:
    folder = root if root.is_dir() else root.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
