"""Rows and vectors of a collection, whatever order they were added in."""

from pathlib import Path

import numpy as np

from mmasc.collection import Collection


def rows_of(folder: Path) -> tuple[list[tuple], np.ndarray]:
    """Path, lane and start of all windows in their order, with their vectors, of a collection without faults."""
    collection = Collection(folder)
    assert [one.message for one in collection.check() if one.level == "error"] == []
    reader, table = collection.space(), collection.recordings
    path_of = dict(zip(table.column("id").to_pylist(), table.column("path").to_pylist(), strict=True))
    paths = [path_of[one] for one in reader.recording.tolist()]
    keys = list(zip(paths, reader.lane.tolist(), reader.start.tolist(), reader.end.tolist(), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    assert len(set(keys)) == len(keys)
    return [keys[item] for item in order], reader.vectors(np.array(order))


def same_rows(one: Path, other: Path) -> None:
    found, wanted = rows_of(one), rows_of(other)
    assert found[0] == wanted[0]
    assert found[1].tobytes() == wanted[1].tobytes()
