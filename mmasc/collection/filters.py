"""`--where`: a condition in SQL on columns of recordings and windows → which windows pass."""

import re

import lance
import numpy as np
import pyarrow as pa

from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError

_WINDOW_COLUMNS = ("start", "end", "lane")
# Strings are passed over; what is left are names, plain or quoted
_NAMES = re.compile(r"""'(?:[^']|'')*'|"([^"]+)"|`([^`]+)`|([^\W\d]\w*)""")


def passing_windows(where: str, recordings: pa.Table, reader: SpaceReader) -> np.ndarray:
    """Which windows pass a condition.

    Args:
        where: SQL as after WHERE, on columns of the recordings (path, duration, ..., your own) and of the windows
            (start, end in seconds, lane). Strings in single quotes.
        recordings: The table of recordings, with `id`.
        reader: The space.
    Returns:
        bool `[window]`.
    Raises:
        MmascError: If the condition cannot be read; the line lists the columns.
    """
    named = {name for match in _NAMES.finditer(where) for name in match.groups() if name}
    of_windows = [name for name in _WINDOW_COLUMNS if name in named]
    of_recordings = [name for name in recordings.column_names if name in named]
    if not of_windows:
        table = recordings.select(["id", *[name for name in of_recordings if name != "id"]])
        passed = _filter(where, table, "id", recordings)
        return np.isin(reader.recording, passed)
    row_of = {int(one): row for row, one in enumerate(recordings.column("id").to_numpy())}
    rows = np.array([row_of[int(one)] for one in np.unique(reader.recording)], np.int64)
    _, inverse = np.unique(reader.recording, return_inverse=True)
    columns = {name: recordings.column(name).take(pa.array(rows[inverse])) for name in of_recordings}
    columns |= {name: pa.array(getattr(reader, name)) for name in of_windows}
    table = pa.table({**columns, "_position": pa.array(np.arange(len(reader)))})
    allowed = np.zeros(len(reader), bool)
    allowed[_filter(where, table, "_position", recordings)] = True
    return allowed


def passing_recordings(where: str, recordings: pa.Table) -> np.ndarray:
    """Ids of the recordings that pass a condition on their own columns."""
    return _filter(where, recordings, "id", recordings)


def _filter(where: str, table: pa.Table, column: str, recordings: pa.Table) -> np.ndarray:
    if not len(table):
        return np.zeros(0, np.int64)
    try:
        dataset = lance.write_dataset(table, "memory://mmasc-filter", mode="create")
        return dataset.to_table(columns=[column], filter=where).column(column).to_numpy()
    except (ValueError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].split(", /")[0].removeprefix("Invalid user input: ")
        names = [name for name in recordings.column_names if name != "id"] + list(_WINDOW_COLUMNS)
        raise MmascError(
            f"cannot read the condition {where!r}: {reason.rstrip('.')}; columns: {', '.join(names)}"
        ) from error
