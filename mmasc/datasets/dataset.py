"""One table for every data set: clips with labels, official folds, and groups that are never split.

What comes in are the rows of a reader; what goes out are positions of clips for training, validation and test.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mmasc.datasets.splits import draw_balanced, draw_groups, first_crossing, make_folds
from mmasc.errors import MmascError
from mmasc.storage.texts import listed


@dataclass(frozen=True)
class Clip:
    """A recording of a data set.

    Attributes:
        path: Path of the sound.
        labels: What it is; several where the data set is multi-label, none where nobody said.
        fold: The official fold in which it is tested; "" for what is only learnt from.
        split: The official part ("train", "test", "curated" ...); "" where the data set names none for it.
        group: What must never stand on both sides of a split: the recording, place or upload; "" for none.
        columns: Everything else that is known about it, by name: city, device, place, source ...
    """

    path: Path
    labels: tuple[str, ...]
    fold: str = ""
    split: str = ""
    group: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Clips in the order of their table.

    Attributes:
        name: The kind that it was read as.
        root: The folder (or table) that it was read from.
        clips: Clips in order; positions in this tuple are what `split` gives.
        classes: All labels, in the order of targets.
        multi_label: Whether a clip can have several labels.
        remarks: What a reader left out, one line each.
        held_out: Column → values whose clips are never learnt from; see `holding_out`.
    """

    name: str
    root: Path
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    multi_label: bool = False
    remarks: tuple[str, ...] = ()
    held_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def folds(self) -> list[str]:
        """Names of the folds that can be tested on, numbers in the order of numbers."""
        return sorted({clip.fold for clip in self.clips} - {""}, key=_as_number)

    @property
    def paths(self) -> list[Path]:
        """Paths of all clips."""
        return [clip.path for clip in self.clips]

    @property
    def groups(self) -> list[str]:
        """The group of every clip; the path of those that have none, which are then by themselves."""
        return [clip.group or str(clip.path) for clip in self.clips]

    def column(self, name: str) -> list[str]:
        """A column of every clip: one of `columns`, or fold, split, group, label; "" where a clip has none.

        Raises:
            MmascError: If no clip has it; the line lists those there are.
        """
        if name in ("fold", "split", "group"):
            return [str(getattr(clip, name)) for clip in self.clips]
        if name == "label":
            return [",".join(clip.labels) for clip in self.clips]
        known = sorted({key for clip in self.clips for key in clip.columns})
        if name not in known:
            raise MmascError(f"{self.root} has no column {name!r}; its columns are {listed(known) or 'none'}")
        return [clip.columns.get(name, "") for clip in self.clips]

    def targets(self) -> Float32[np.ndarray, "clip class"]:
        """1 where a clip has a label, else 0."""
        number = {name: code for code, name in enumerate(self.classes)}
        targets = np.zeros((len(self.clips), len(self.classes)), np.float32)
        for row, clip in zip(targets, self.clips, strict=True):
            row[[number[label] for label in clip.labels]] = 1
        return targets

    def split(
        self, test_fold: str, validation: str | float | None = None, seed: int = 0
    ) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " validation"], Int64[np.ndarray, " test"]]:
        """Positions of clips to learn from, to choose by, and to test on.

        Where the data set names official parts, clips outside all of them are left out. No group is on two sides.

        Args:
            test_fold: One of `folds`.
            validation: None for no validation; another fold; or a share of what is learnt from, in (0, 1), drawn by
                whole groups, from every class alike.
            seed: Random seed of that draw.
        Raises:
            MmascError: If a fold does not exist (those that do are listed), validation is the test fold, a group lies
                on two sides, or nothing is left to learn from.
            ValueError: If a share is outside (0, 1).
        """
        folds = np.array([clip.fold for clip in self.clips])
        self._check_fold(test_fold)
        usable = np.array([not self._is_held_out(clip) for clip in self.clips], bool)
        if any(clip.split for clip in self.clips):
            usable &= np.array([bool(clip.split) for clip in self.clips])
        test = np.flatnonzero(folds == test_fold)
        rest = np.flatnonzero((folds != test_fold) & usable)
        if validation is None:
            train, held = rest, rest[:0]
        elif isinstance(validation, str):
            self._check_fold(validation)
            if validation == test_fold:
                raise MmascError(f"fold {test_fold!r} is tested: validation must be another fold or a share")
            train, held = rest[folds[rest] != validation], rest[folds[rest] == validation]
        else:
            train, held = self._without_share(rest, validation, seed)
        self._check_sides(test_fold, {"training": train, "validation": held, "test": test})
        return train, held, test

    def pruned(self, per_class: int | None = None, seed: int = 0) -> "Dataset":
        """Balanced pruning: as many clips of every class, drawn by a seed, in their order.

        Args:
            per_class: So many; default: as many as the smallest class has. Where clips have several labels, a class
                can end with more: clips are drawn until every class, rarest first, has enough.
            seed: Which ones.
        Raises:
            MmascError: If a class has fewer clips.
            ValueError: If `per_class` is below 1.
        """
        targets = self.targets() > 0
        counts = targets.sum(0)
        wanted = int(counts.min()) if per_class is None else per_class
        if wanted < 1:
            raise ValueError(f"per_class must be 1 or more, got {wanted}")
        if counts.min() < wanted:
            scarce = self.classes[int(counts.argmin())]
            raise MmascError(f"{self.root}: {scarce!r} has {counts.min()} clips, fewer than the {wanted} per class")
        return self.subset(draw_balanced(targets, wanted, seed).tolist())

    def holding_out(self, column: str, values: Collection[str]) -> "Dataset":
        """The same data set, learnt from without the clips that have one of these values: unseen cities, devices ...

        They are still tested, in the fold that they lie in.

        Raises:
            MmascError: If the column or a value does not exist; those there are are listed.
        """
        present = sorted(set(self.column(column)) - {""})
        strange = sorted(set(values) - set(present))
        if strange:
            raise MmascError(f"{self.root}: no clip has {column} {strange[0]!r}; there are: {', '.join(present)}")
        return replace(self, held_out={**self.held_out, column: tuple(sorted(values))})

    def unseen(self, column: str, train: Int64[np.ndarray, " train"]) -> Bool[np.ndarray, " clip"]:
        """Whether a clip's value in a column (its city ...) occurs in none of the clips that are learnt from."""
        values = np.array(self.column(column))
        return ~np.isin(values, values[train])

    def with_folds(self, n_folds: int = 5, seed: int = 0) -> "Dataset":
        """Folds for a data set that has none: stratified by class, whole groups only.

        Raises:
            MmascError: If it has official folds, or too few clips or groups.
        """
        if self.folds:
            raise MmascError(f"{self.root} has folds of its own: {', '.join(self.folds)}; use them")
        folds = make_folds(self.targets(), self.groups, n_folds, seed, str(self.root))
        clips = tuple(replace(clip, fold=str(fold + 1)) for clip, fold in zip(self.clips, folds, strict=True))
        return replace(self, clips=clips)

    def subset(self, positions: Sequence[int]) -> "Dataset":
        """Some of the clips, classes as they were."""
        return replace(self, clips=tuple(self.clips[position] for position in positions))

    def _is_held_out(self, clip: Clip) -> bool:
        return any(clip.columns.get(column) in values for column, values in self.held_out.items())

    def _check_fold(self, fold: str) -> None:
        if fold not in self.folds:
            there = f"there are: {', '.join(self.folds)}" if self.folds else "it has none; make some with with_folds"
            raise MmascError(f"{self.root} has no fold {fold!r}; {there}")

    def _check_sides(self, test_fold: str, sides: Mapping[str, Int64[np.ndarray, " clip"]]) -> None:
        if not len(sides["training"]):
            raise MmascError(f"{self.root}: nothing is left to learn from when fold {test_fold!r} is tested")
        groups = self.groups
        crossing = first_crossing({name: [groups[clip] for clip in side] for name, side in sides.items()})
        if crossing is not None:
            group, one, other = crossing
            raise MmascError(
                f"{self.root}: {group!r} lies in {one} and in {other} when fold {test_fold!r} is tested; "
                "give folds that keep it together"
            )

    def _without_share(
        self, rest: Int64[np.ndarray, " clip"], share: float, seed: int
    ) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " validation"]]:
        if not 0 < share < 1:
            raise ValueError(f"the share for validation must be in (0, 1), got {share}")
        names = self.groups
        held = draw_groups(self.targets()[rest] > 0, [names[clip] for clip in rest], share, seed)
        return rest[~held], rest[held]

    def label_counts(self) -> dict[str, int]:
        """How many clips have each label, in the order of classes."""
        counts = Counter(label for clip in self.clips for label in clip.labels)
        return {name: counts[name] for name in self.classes}


def _as_number(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
