"""What is derived from the tables of a collection compared with them: mapped columns, and segments of the index.

Checksums find files that changed after they were written; this comparison also finds what was written wrongly.
"""

import numpy as np
from jaxtyping import Int

from mmasc.collection.columns import WindowColumns, saved_columns
from mmasc.collection.head import SpaceHead
from mmasc.collection.schema import WINDOW_COLUMNS
from mmasc.collection.segments import Placed
from mmasc.collection.space import SpaceReader
from mmasc.collection.table_reader import TableReader
from mmasc.windows.units import unit_float32

_ROWS_AT_ONCE = 1 << 18
_ASKED = 20
# Of a squared length of one: what the rounding of fp16 leaves
_SLACK = 1e-2


def wrong_columns(store: TableReader, space: SpaceHead, at_once: int = _ROWS_AT_ONCE) -> list[str]:
    """Names of the saved columns of a space that do not hold what its table says.

    Args:
        store: The collection's tables.
        space: The space, at the version that is compared.
        at_once: Windows that are compared together.
    Returns:
        Of "row_ids", "recording", "lane", "start" and "end", those that differ; none where no columns are saved.
    """
    wrong = set[str]()
    for part, columns in saved_columns(store, space):
        first = 0
        for batch in store.batches(space, WINDOW_COLUMNS, at_once, [part]):
            last = first + batch.num_rows
            for name, column in zip(WindowColumns._fields, columns, strict=True):
                told = batch.column("_rowid" if name == "row_ids" else name).to_numpy()
                if name not in wrong and not np.array_equal(column[first:last], told):
                    wrong.add(name)
            first = last
    return [name for name in WindowColumns._fields if name in wrong]


def mistaken_segments(reader: SpaceReader) -> dict[str, int]:
    """Segments of the index that do not find their own windows.

    Args:
        reader: The space.
    Returns:
        By the name of the segment ("" for the index of a small space): how many of up to 20 windows it does not find,
        or finds with another score than their vectors in the table give.
    """
    lost = {one.name: _lost(reader, one) for one in reader.refresh_index().segments}
    return {name: count for name, count in lost.items() if count}


def _lost(reader: SpaceReader, one: Placed) -> int:
    """How many of some of its own windows a segment does not find."""
    rows = np.arange(len(one.index)) if one.places is None else np.flatnonzero(one.places >= 0)
    if not len(rows):
        return 0
    some = np.sort(np.random.default_rng(0).choice(rows, min(len(rows), _ASKED), replace=False))
    vectors = unit_float32(reader.vectors(_positions(one, some)))
    scores, found = one.index.search(vectors, 1)
    wrong = ~(np.abs(scores[:, 0] - (vectors**2).sum(axis=1)) <= _SLACK)
    # The row that is found must be of a window like that, not only the vector next to it
    at = _positions(one, np.maximum(found[:, 0], 0))
    there = np.flatnonzero((found[:, 0] >= 0) & (at >= 0))
    told = (unit_float32(reader.vectors(at[there])) * vectors[there]).sum(axis=1)
    wrong[there] |= ~(np.abs(told - scores[there, 0]) <= _SLACK)
    return int((wrong & np.isfinite(vectors).all(axis=1)).sum())  # what a damaged vector is near to says nothing


def _positions(one: Placed, rows: Int[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
    """Positions in the space of some rows of a segment; -1 of windows that are gone."""
    return rows + one.first if one.places is None else one.places[rows]
