"""A collection made by a rule, without an encoder: recordings in several folders, two lanes, gaps in the table."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from mmasc.collection.head import SpaceHead
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.store import Store

DIM = 4
SPACE = SpaceHead("a" * 32, "standin", DIM, 1.0, 1.0, "mix")


def recordings(numbers: list[int], **own: list) -> pa.Table:
    """Rows of recordings; number n lies in folder n % 3 and lasts 1 + n % 4 seconds."""
    count = len(numbers)
    columns = {
        "id": [1_000 - number for number in numbers],
        "path": [f"f{number % 3}/r{number:02}.wav" for number in numbers],
        "size": [100 + number for number in numbers],
        "mtime_ns": numbers,
        "duration": [1.0 + number % 4 for number in numbers],
        "sample_rate": pa.array([16_000] * count, pa.int32()),
        "channels": pa.array([1] * count, pa.int32()),
        "status": ["ok"] * count,
        "reason": [""] * count,
        **own,
    }
    return pa.table(columns)


def windows(numbers: list[int]) -> pa.Table:
    """Windows of recordings: one a second, of two lanes where the number is divisible by five."""
    rows = [
        (1_000 - number, lane, float(at), at + 1.0)
        for number in numbers
        for lane in range(2 if number % 5 == 0 else 1)
        for at in range(1 + number % 4)
    ]
    ids, lanes, starts, ends = (list(column) for column in zip(*rows, strict=True))
    vectors = np.random.default_rng(numbers[0]).normal(size=(len(rows), DIM))
    return pa.table([ids, pa.array(lanes, pa.int16()), starts, ends, vector_column(vectors)], windows_schema(DIM))


def made(folder: Path, numbers: list[int], gone: tuple[int, ...] = (), step: int = 7, **own: list) -> Store:
    """A collection with these recordings in the space "one", in commits of `step`, of which some were removed again."""
    store = Store.create(folder, folder.parent / "sounds")
    with store.transaction() as change:
        change.add_space("one", SPACE)
    for first in range(0, len(numbers), step):
        some = slice(first, first + step)
        with store.transaction() as change:
            change.append_recordings(recordings(numbers[some], **{name: values[some] for name, values in own.items()}))
            change.append_windows("one", windows(numbers[some]))
    with store.transaction() as change:
        change.remove_recordings([1_000 - number for number in gone])
    return store
