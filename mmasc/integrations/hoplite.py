"""Spaces to and from perch-hoplite (the extra `hoplite`): a folder with SQLite tables and a USearch index.

hoplite keeps float16: three to four digits of each number. Recordings keep their paths under the root as file names.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection import Collection
from mmasc.collection.vector_intake import VectorsReport
from mmasc.errors import MmascError, show_path

_AT_ONCE = 10_000


def export_hoplite(collection: Collection, to: Path, space: str | None = None) -> list[Path]:
    """Write a space as a hoplite database; `to` is a new or empty folder."""
    package, config = _package()
    reader, paths = collection.space(space), collection.recordings.column("path").to_pylist()
    if to.exists() and any(to.iterdir() if to.is_dir() else [to]):
        raise MmascError(f"{show_path(to)} holds other things; name a new or empty folder for a hoplite database")
    opened = package.SQLiteUSearchDB.create(str(to), package.get_default_usearch_config(reader.space.dim))
    opened.insert_metadata("mmasc", config.ConfigDict({"encoder": reader.space.encoder}))
    place = opened.insert_deployment(name=reader.name, project="mmasc")
    names = {one: paths[collection.row_of[one]] for one in reader.recordings.tolist()}
    at = {one: opened.insert_recording(filename=name, deployment_id=place) for one, name in names.items()}
    for first in range(0, len(reader), _AT_ONCE):
        some = np.arange(first, min(first + _AT_ONCE, len(reader)))
        moments = zip(reader.recording[some].tolist(), reader.start[some], reader.end[some], strict=True)
        windows = [{"recording_id": at[one], "offsets": [float(a), float(b)]} for one, a, b in moments]
        opened.insert_windows_batch(windows, reader.vectors(some), handle_duplicates="allow")
    opened.commit()
    opened.db.close()  # what SQLite wrote ahead goes into its file
    return sorted(to.iterdir())


def import_hoplite(
    collection: Collection, folder: Path, space: str, identity: str | None, durations: Any = None, replace: bool = False
) -> VectorsReport:
    """Add all windows of a hoplite database as vectors of one's own, see `Collection.add_vectors`.

    Raises:
        MmascError: If the folder holds no database or an empty one, and as `Collection.add_vectors` does.
    """
    require_hoplite(folder)
    package, _ = _package()
    opened = package.SQLiteUSearchDB.create(db_path=str(folder), readonly=True)
    windows, names = opened.get_all_windows(), {one.id: one.filename for one in opened.get_all_recordings()}
    if not windows:
        raise MmascError(f"{show_path(folder)} holds no windows; name the folder of another database")
    paths = [names[one.recording_id] for one in windows]
    vectors = opened.get_embeddings_batch([one.id for one in windows])
    starts, ends = np.array([one.offsets[:2] for one in windows], np.float64).T
    return collection.add_vectors(vectors, paths, starts, ends, space, identity, durations, replace)


def require_hoplite(folder: Path) -> None:
    """Raises:
    MmascError: If a folder holds no hoplite database.
    """
    if not (folder / "hoplite.sqlite").is_file():
        raise MmascError(f"{show_path(folder)} holds no hoplite database (hoplite.sqlite); name the folder of one")


def _package() -> tuple[Any, Any]:
    try:
        from ml_collections import config_dict
        from perch_hoplite.db import sqlite_usearch_impl
    except ImportError as error:
        raise MmascError(f"{error.name} is not installed; pip install 'mmasc[hoplite]'") from error
    return sqlite_usearch_impl, config_dict
