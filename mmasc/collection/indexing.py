"""`collection index`: the indexes of a collection brought up to its windows, and what was measured on them."""

from collections.abc import Sequence
from typing import Any

from mmasc.collection.derived import mistaken_segments
from mmasc.collection.index_upkeep import Building, forget_index, forget_worn
from mmasc.collection.segment_files import drop_segments
from mmasc.collection.snapshot import Snapshot
from mmasc.progress import current


def build_indexes(collection: Snapshot, spaces: Sequence[str], workers: int) -> list[dict[str, Any]]:
    """Build what the indexes of these spaces lack; see `Collection.index`."""
    rows: list[dict[str, Any]] = []
    for name in spaces:
        reader = collection.space(name)
        if not len(reader):
            continue
        with current().phase(f"search index of {name}", unit="segments"):
            index = reader.refresh_index(Building(workers, join=True))
        for one in index.segments:
            held = one.index
            rows.append(_row(name, held.kind, len(held), one.gone, held.nprobe, held.recall))
        if len(index.rest):
            rows.append(_row(name, "none", len(index.rest), 0, 0, 1.0))
    return rows


def _row(space: str, kind: str, windows: int, gone: int, nprobe: int, recall: float) -> dict[str, Any]:
    return {"space": space, "kind": kind, "windows": windows, "gone": gone, "nprobe": nprobe, "recall": recall}


def renew_indexes(collection: Snapshot) -> None:
    """Build segments that are damaged, worn or wrong again in the indexes of all spaces, and missing ones."""
    for name, space in collection.head.spaces.items():
        folder = collection.store.space_folder(space.identity)
        if not space.windows:
            forget_index(folder)
            continue
        with current().phase(f"search index of {name}"):
            forget_worn(collection.space(name))
            # Looked at by a reader of its own: one that has an index goes on with it
            mistaken = mistaken_segments(collection.fresh_space(name))
            drop_segments(folder, [one for one in mistaken if one])
            collection.space(name).refresh_index()
