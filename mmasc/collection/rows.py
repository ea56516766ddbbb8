"""Rows of the tables of recordings and of windows."""

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mmasc.collection.metadata import own_columns
from mmasc.collection.schema import RECORDING_FIELDS, vector_column, windows_schema
from mmasc.collection.stamps import CLOCK_NOTE, Stamp


def new_recording_id() -> int:
    """A name for a recording that no other collection will ever give: 63 random bits."""
    return secrets.randbits(63)


def recordings_table(
    rows: list[dict], own: list[dict], schema: pa.Schema, types: Mapping[str, pa.DataType] | None = None
) -> pa.Table:
    """Rows of the table of recordings, with own columns next to the known ones; types as in `own_columns`."""
    table = pa.Table.from_pylist(rows, pa.schema(RECORDING_FIELDS))
    for name, array in own_columns(own, schema, types).items():
        table = table.append_column(name, array)
    return table


def windows_table(ids: list[int], files: list, dim: int) -> pa.Table:
    """Windows of embedded files (`FileVectors`) as rows of a space."""
    lengths = [len(file.vectors) for file in files]
    return pa.table(
        {
            "recording": pa.array(np.repeat(np.array(ids, np.int64), lengths)),
            "lane": pa.array(np.concatenate([file.lanes for file in files]).astype(np.int16)),
            "start": pa.array(np.concatenate([file.starts for file in files])),
            "end": pa.array(np.concatenate([file.ends for file in files])),
            "vector": vector_column(np.concatenate([file.vectors for file in files])),
        },
        schema=windows_schema(dim),
    )


def recording_row(number: int, stored: str, stamp: Stamp, file: Any, clock: Mapping[str, Any]) -> dict[str, Any]:
    """A new recording, as the columns that mmasc uses itself; `clock` may hold the note of its clock."""
    note = {CLOCK_NOTE: clock[CLOCK_NOTE]} if CLOCK_NOTE in clock else {}
    return {"id": number, "path": stored, **stamp.columns, **facts(file), **note}


def facts(file: Any) -> dict[str, Any]:
    """The facts that decoding found about a file (`FileVectors`), as columns of its recording."""
    return {
        "duration": file.duration,
        "sample_rate": file.sample_rate,
        "channels": file.channels,
        "status": file.status.state,
        "reason": file.status.reason,
    }


def recordings_part(rows: list[dict]) -> pa.Table:
    """Rows with some of the columns of recordings."""
    fields = [item for item in RECORDING_FIELDS if rows and item.name in rows[0]]
    return pa.Table.from_pylist(rows, pa.schema(fields))
