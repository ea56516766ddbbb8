"""Colours of the points of a map: by a column of the recordings, or by annotations. Colour 0 is everything else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from jaxtyping import UInt8

from mmasc.collection.annotation import Annotation
from mmasc.collection.space import SpaceReader
from mmasc.collection.touched_windows import touched_windows

LABEL = "label"  # colour by annotation instead of by a column
_MOST_COLOURS = 20
_BINS = 8  # of numbers, as many in each as can be


def label_colours(
    reader: SpaceReader, annotations: Mapping[int, Sequence[Annotation]]
) -> tuple[UInt8[np.ndarray, " window"], list[str]]:
    """Number of the label of each window, and the names of the colours, "" first; the first 20 labels have one.

    Args:
        reader: The space.
        annotations: By id of their recording.
    """
    codes = np.zeros(len(reader), np.uint8)
    labels = sorted({one.label for some in annotations.values() for one in some if one.verdict == "present"})
    for number, label in enumerate(labels[:_MOST_COLOURS], 1):
        codes[touched_windows(reader, annotations, label)] = number
    return codes, ["", *labels[:_MOST_COLOURS]]


def column_colours(column: pa.ChunkedArray) -> tuple[UInt8[np.ndarray, " row"], list[str]]:
    """Number of the colour of each value of a column, and the names of the colours, "" first.

    The 20 most frequent values have one; many different numbers are in bins.
    """
    if (binned := binned_numbers(column)) is not None:
        return binned[0], ["", *binned[1]]
    values = [None if one is None else str(one) for one in column.to_pylist()]
    counts = Counter(value for value in values if value is not None)
    names = sorted(sorted(counts), key=lambda name: -counts[name])[:_MOST_COLOURS]
    place = {name: number for number, name in enumerate(names, 1)}
    return np.array([0 if one is None else place.get(one, 0) for one in values], np.uint8), ["", *names]


def binned_numbers(column: pa.ChunkedArray) -> tuple[UInt8[np.ndarray, " row"], list[str]] | None:
    """Many different numbers as bins with about as many rows in each; None of few numbers, or of other values."""
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        return None
    numbers = np.array([np.nan if one is None else one for one in column.to_pylist()], np.float64)
    known = numbers[np.isfinite(numbers)]
    if len(np.unique(known)) <= _MOST_COLOURS:
        return None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)))
    places = np.clip(np.searchsorted(edges, numbers, "right"), 1, len(edges) - 1)
    names = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges.tolist())]
    return np.where(np.isfinite(numbers), places, 0).astype(np.uint8), names
