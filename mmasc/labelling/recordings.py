"""Recordings of a collection as a head uses them: a vector, a label, a group and a fold each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.collection.condition_texts import quoted_name, quoted_value, where_option
from mmasc.collection.filters import passing_windows
from mmasc.collection.head import SpaceHead
from mmasc.collection.vectors import check_column, recording_vectors, values_of
from mmasc.encoders.heard import Heard, heard
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.heads.fitted import label_type_of
from mmasc.heads.zeroshot import NONE
from mmasc.printing import counted


@dataclass(frozen=True)
class Selection:
    """What of a collection a head learns from.

    Attributes:
        label: Column with the labels; recordings without one are left out and counted.
        groups: Column of what must stay together (place, source, individual).
        folds_column: Column with official folds.
        space: Default: the oldest.
        where: SQL on columns of recordings and windows; vectors are made of the windows that pass.
        background: Whether recordings without a label are "none of these", instead of being left out.
    """

    label: str
    groups: str | None = None
    folds_column: str | None = None
    space: str | None = None
    where: str | None = None
    background: bool = False


@dataclass(frozen=True)
class LabelledRecordings:
    """What a head learns from, one row per recording, sorted by path.

    Attributes:
        paths: Under the collection's root.
        vectors: Means of windows, float64 `[item dim]`; heads make them unit vectors.
        codes: Numbers of the labels in `classes`, int64 `[item]`.
        classes: Labels as text, in the order of their values.
        groups: The group of each recording `[item]`, as text; None without groups.
        folds: The official fold of each recording `[item]`, as text; None without folds.
        fold_names: The folds in the order of their values.
        unlabelled: Recordings that were left out because they have no label.
        without_vectors: Recordings that were left out because the space has no windows of them.
        space_name, space: Where the vectors come from.
        label_type: What the labels are in the collection, see `HeadStamp`.
        unit: What a row is: "recordings", or "windows" of which several are of one recording.
        background: The class that stands for none of the labels, where there is one.
        label: The column that they stand in; "" where they come from elsewhere.
    """

    paths: list[str]
    vectors: Float[np.ndarray, "item dim"]
    codes: Int[np.ndarray, " item"]
    classes: tuple[str, ...]
    groups: np.ndarray | None
    folds: np.ndarray | None
    fold_names: tuple[str, ...]
    unlabelled: int
    without_vectors: int
    space_name: str
    space: SpaceHead
    label_type: str = "text"
    unit: str = "recordings"
    background: str | None = None
    label: str = ""

    def __len__(self) -> int:
        return len(self.codes)

    def heard(self) -> Heard:
        """What the encoder of the space learned from these recordings, as far as it is known."""
        spec = spec_of(self.space.encoder)
        if self.unit != "recordings" or spec is None or spec.window_seconds != self.space.window_seconds:
            return heard(self.space.encoder, list(dict.fromkeys(self.paths)))
        return heard(self.space.encoder, self.paths, self.vectors)

    def where_not(self, *names: str) -> str:
        """The option that leaves classes out, as it can be pasted."""
        if not self.label:
            return "--where"
        values = [quoted_value(name) if self.label_type == "text" else name for name in names]
        others = f"<> {values[0]}" if len(values) == 1 else f"NOT IN ({', '.join(values)})"
        return where_option(f"{quoted_name(self.label)} {others}")


def labelled_recordings(collection: Collection, selection: Selection) -> LabelledRecordings:
    """The recordings of a collection that have a label, with their vectors.

    Args:
        collection: Opened.
        selection: Which, and what their labels are.
    Raises:
        MmascError: If a column does not exist (the line lists those there are), groups or folds are missing for some
            recordings, no recording is left, or all have one label.
    """
    label, groups, where = selection.label, selection.groups, selection.where
    folds_column = selection.folds_column
    reader = collection.space(selection.space)
    for column in dict.fromkeys([label, *[name for name in (groups, folds_column) if name is not None]]):
        check_column(collection, column)
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    ids, vectors = recording_vectors(reader, allowed)
    rows = [collection.row_of[int(one)] for one in ids]
    paths = collection.recordings.column("path").to_pylist()
    labels = values_of(collection, label)
    if selection.background and any(one is not None for one in labels):
        labels = [NONE if one is None else str(one) for one in labels]
    order = sorted(
        (item for item, row in enumerate(rows) if labels[row] is not None), key=lambda item: paths[rows[item]]
    )
    kept = [rows[item] for item in order]
    if not kept:
        condition = f" among those where {where}" if where else ""
        raise MmascError(
            f"no recording of {collection.store.location} has a label in column {label!r}{condition}; "
            "set some with: mmasc embed PATH --into ... --metadata CSV"
        )
    classes = _sorted_names([labels[row] for row in kept])
    if len(classes) == 1:
        condition = f" among those where {where}" if where else ""
        raise MmascError(
            f"column {label!r} of {collection.store.location} holds one label only{condition}, {classes[0]!r}, so "
            "there is nothing to tell apart; name another column, or add recordings with other labels"
        )
    number = {name: code for code, name in enumerate(classes)}
    folds = None if folds_column is None else _complete(collection, folds_column, kept)
    return LabelledRecordings(
        paths=[paths[row] for row in kept],
        vectors=vectors[order],
        codes=np.array([number[str(labels[row])] for row in kept], np.int64),
        classes=classes,
        groups=None if groups is None else np.array([str(one) for one in _complete(collection, groups, kept)]),
        folds=None if folds is None else np.array([str(one) for one in folds]),
        fold_names=() if folds is None else _sorted_names(folds),
        unlabelled=len(rows) - len(kept),
        without_vectors=len(paths) - (len(ids) if allowed is None else len(np.unique(reader.recording))),
        space_name=reader.name,
        space=reader.space,
        label_type=label_type_of(labels[row] for row in kept),
        background=NONE if selection.background and NONE in classes else None,
        label=selection.label,
    )


def _complete(collection: Collection, column: str, rows: Sequence[int]) -> list[Any]:
    """Values of a column that every recording must have."""
    values = values_of(collection, column)
    missing = [row for row in rows if values[row] is None]
    if missing:
        path = collection.recordings.column("path")[missing[0]].as_py()
        raise MmascError(
            f"column {column!r} is empty for {counted(len(missing), 'labelled recording')} (the first is {path}); "
            "fill it, or "
            f"leave them out with {where_option(f'{quoted_name(column)} IS NOT NULL')}"
        )
    return [values[row] for row in rows]


def _sorted_names(values: Sequence[Any]) -> tuple[str, ...]:
    """Different values as text, in the order of the values: numbers as numbers."""
    return tuple(str(value) for value in sorted(set(values)))
