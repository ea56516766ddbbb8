"""Spaces to and from perch-hoplite (the extra `hoplite`): a folder with SQLite tables and a USearch index, in float16,
which keeps three to four digits of each number. Recordings keep their paths under the root as file names.
"""

from pathlib import Path
from typing import Any

from mmasc.collection import Collection
from mmasc.collection.frames import windows_in_order
from mmasc.collection.vector_intake import VectorsReport
from mmasc.errors import MmascError, show_path
from mmasc.integrations.packages import from_extra
from mmasc.storage.files import require_empty


def export_hoplite(collection: Collection, to: Path, space: str | None = None) -> list[Path]:
    """Write a space as a hoplite database; `to` is a new or empty folder."""
    with from_extra("hoplite", "databases of perch-hoplite"):
        from ml_collections.config_dict import ConfigDict
        from perch_hoplite.db import sqlite_usearch_impl as package
    require_empty(to, "a hoplite database")
    reader, paths = collection.space(space), collection.recordings.column("path").to_pylist()
    ids = reader.recordings.tolist()
    opened = package.SQLiteUSearchDB.create(str(to), package.get_default_usearch_config(reader.space.dim))
    opened.insert_metadata("mmasc", ConfigDict({"encoder": reader.space.encoder}))
    place = opened.insert_deployment(name=reader.name, project="mmasc")
    at = {one: opened.insert_recording(paths[collection.row_of[one]], deployment_id=place) for one in ids}
    for some in windows_in_order(collection, reader, at_once=10_000):
        moments = zip(reader.recording[some].tolist(), reader.start[some], reader.end[some], strict=True)
        windows = [{"recording_id": at[one], "offsets": [float(a), float(b)]} for one, a, b in moments]
        opened.insert_windows_batch(windows, reader.vectors(some), handle_duplicates="allow")
    opened.commit()
    opened.db.close()  # what SQLite wrote ahead goes into its file
    return sorted(to.iterdir())


def import_hoplite(
    collection: Collection, folder: Path, space: str, identity: str | None, durations: Any = None, replace: bool = False
) -> VectorsReport:
    """Add all windows of a hoplite database as vectors; arguments and errors are those of `Collection.add_vectors`.

    Raises:
        MmascError: Also if the folder holds no database, or an empty one.
    """
    require_hoplite(folder)
    with from_extra("hoplite", "databases of perch-hoplite"):
        from perch_hoplite.db.sqlite_usearch_impl import SQLiteUSearchDB
    opened = SQLiteUSearchDB.create(db_path=str(folder), readonly=True)
    windows, names = opened.get_all_windows(), {one.id: one.filename for one in opened.get_all_recordings()}
    if not windows:
        raise MmascError(f"{show_path(folder)} holds no windows; name the folder of another database")
    starts, ends = (list(side) for side in zip(*(one.offsets[:2] for one in windows), strict=True))
    paths, vectors = [names[one.recording_id] for one in windows], opened.get_embeddings_batch([w.id for w in windows])
    return collection.add_vectors(vectors, paths, starts, ends, space, identity, durations, replace)


def require_hoplite(folder: Path) -> None:
    """Refuse a folder that holds no hoplite database, as `MmascError`."""
    if not (folder / "hoplite.sqlite").is_file():
        raise MmascError(f"{show_path(folder)} holds no hoplite database (hoplite.sqlite); name the folder of one")
