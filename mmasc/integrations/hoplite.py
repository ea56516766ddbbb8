"""Spaces to and from perch-hoplite (the extra `hoplite`): a folder with SQLite tables and a USearch index of float32.

Windows are hoplite's offsets (start, end); recordings keep their paths under the root as file names. What made the
vectors stands in hoplite's metadata under "mmasc".
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
    loader, config = _package()
    reader, at = collection.space(space), {}
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise MmascError(f"{show_path(to)} holds other things; name a new or empty folder for a hoplite database")
    settings = loader.get_default_usearch_config(reader.space.dim)
    settings.dtype = "float32"  # their default, float16, would round the vectors
    opened = loader.SQLiteUSearchDB.create(db_path=str(to), usearch_cfg=settings)
    about = {"identity": reader.space.identity, "encoder": reader.space.encoder, "root": collection.head.root}
    opened.insert_metadata("mmasc", config.ConfigDict(about))
    deployment = opened.insert_deployment(name=reader.name, project="mmasc")
    paths = collection.recordings.column("path").to_pylist()
    for recording in reader.recordings.tolist():
        name = paths[collection.row_of[recording]]
        at[recording] = opened.insert_recording(filename=name, deployment_id=deployment)
    for first in range(0, len(reader), _AT_ONCE):
        some = np.arange(first, min(first + _AT_ONCE, len(reader)))
        moments = zip(*(one[some].tolist() for one in (reader.recording, reader.start, reader.end)), strict=True)
        windows = [{"recording_id": at[one], "offsets": [start, end]} for one, start, end in moments]
        opened.insert_windows_batch(windows, reader.vectors(some), handle_duplicates="allow")
    opened.commit()
    return sorted(to.iterdir())


def import_hoplite(
    collection: Collection, folder: Path, space: str, identity: str, durations: Any = None
) -> VectorsReport:
    """Add all windows of a hoplite database as vectors of one's own, see `Collection.add_vectors`."""
    loader, _ = _package()
    if not (folder / "hoplite.sqlite").is_file():
        raise MmascError(f"{show_path(folder)} holds no hoplite database (hoplite.sqlite); name the folder of one")
    opened = loader.SQLiteUSearchDB.create(db_path=str(folder), readonly=True)
    windows, names = list(opened.get_all_windows()), {one.id: one.filename for one in opened.get_all_recordings()}
    vectors = opened.get_embeddings_batch([one.id for one in windows])
    starts, ends = np.array([one.offsets[:2] for one in windows], np.float64).T
    recordings = [names[one.recording_id] for one in windows]
    return collection.add_vectors(vectors, recordings, starts, ends, space, identity, durations)


def _package() -> tuple[Any, Any]:
    try:
        from ml_collections import config_dict
        from perch_hoplite.db import sqlite_usearch_impl
    except ImportError as error:
        raise MmascError(f"{error.name} is not installed; pip install 'mmasc[hoplite]'") from error
    return sqlite_usearch_impl, config_dict
