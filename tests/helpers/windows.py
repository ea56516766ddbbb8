"""A collection of windows made without sounds: one recording, windows of several commits."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from mmasc.collection.head import SpaceHead
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.store import Store

DIM = 4
IDENTITY = "0123456789abcdef" * 2


def rows(first: int, count: int) -> pa.Table:
    vectors = np.random.default_rng(first).normal(size=(count, DIM)).astype(np.float32)
    starts = np.arange(first, first + count, dtype=np.float64)
    columns = [np.full(count, 7), np.zeros(count, np.int16), starts, starts + 1.0, vector_column(vectors)]
    return pa.table(columns, schema=windows_schema(DIM))


def made(folder: Path, commits: int = 3) -> Store:
    """A collection of one recording whose windows came in several commits, ten each."""
    store = Store.create(folder, folder.parent)
    with store.transaction() as change:
        change.add_space("one", SpaceHead(IDENTITY, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_recordings(
            pa.table(
                {
                    "id": [7],
                    "path": ["a.wav"],
                    "size": [-1],
                    "mtime_ns": [0],
                    "duration": [10.0 * commits],
                    "status": ["ok"],
                    "reason": [""],
                }
            )
        )
    for number in range(commits):
        with store.transaction() as change:
            change.append_windows("one", rows(10 * number, 10))
    return store


def starts(store: Store) -> list[float]:
    return sorted(store.windows(store.head().spaces["one"]).column("start").to_pylist())


def windows_table(store: Store) -> Path:
    return store.tables.windows(IDENTITY)
