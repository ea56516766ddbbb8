"""Columns of the two kinds of tables, their types, and vectors as a column."""

from typing import Any

import numpy as np
import pyarrow as pa

from mmasc.collection.stamps import STAMP_FIELDS

RECORDING_FIELDS = [
    pa.field("id", pa.int64()),
    pa.field("path", pa.string()),
    pa.field("size", pa.int64()),
    pa.field("mtime_ns", pa.int64()),
    pa.field("duration", pa.float64()),
    pa.field("sample_rate", pa.int32()),
    pa.field("channels", pa.int32()),
    pa.field("status", pa.string()),
    pa.field("reason", pa.string()),
    *STAMP_FIELDS,
]
RECORDING_COLUMNS = tuple(item.name for item in RECORDING_FIELDS)
WINDOW_COLUMNS = ("recording", "lane", "start", "end")


def windows_schema(dim: int) -> pa.Schema:
    """Schema of a space's windows: seconds as float64, the vector as `dim` float32."""
    return pa.schema(
        [
            pa.field("recording", pa.int64()),
            pa.field("lane", pa.int16()),
            pa.field("start", pa.float64()),
            pa.field("end", pa.float64()),
            pa.field("vector", vector_type(dim)),
        ]
    )


def vector_type(dim: int) -> pa.DataType:
    """Type of the column of vectors."""
    return pa.list_(pa.float32(), dim)


def as_matrix(column: Any, dim: int) -> np.ndarray:
    """A fixed-size list column as float32 `[item dim]`."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32, copy=False)


def vector_column(vectors: np.ndarray) -> pa.Array:
    """float32 `[item dim]` as a fixed-size list column."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
