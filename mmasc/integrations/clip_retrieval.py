"""A space in the folder layout of clip-retrieval and autofaiss: img_emb/*.npy, text_emb/*.npy and metadata/*.parquet.

Vectors of sounds stand where theirs of pictures do; they are of unit length, as both compare by inner products. Rows of
all three belong together: where texts are asked for, they are the captions of the windows, with their vectors.

Source of the layout: clip-retrieval 2.45, its NumPy writer.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.collection import Collection
from mmasc.collection.frames import window_order, windows_described
from mmasc.storage.files import replacing
from mmasc.windows.units import unit_float32

ROWS_A_FILE = 1_000_000


def export_clip_retrieval(
    collection: Collection, to: Path, space: str | None = None, rows_a_file: int = ROWS_A_FILE
) -> list[Path]:
    """Write a space.

    Args:
        collection: Opened.
        to: Folder to write into; made where it is not.
        space: Name of the space; default: the oldest.
        rows_a_file: Windows in a file, at most.
    Returns:
        The files, vectors before metadata of each part.
    """
    written: list[Path] = []
    reader = collection.space(space)
    order = window_order(collection, reader, np.arange(len(reader)))
    parts = range(0, max(len(order), 1), rows_a_file)
    digits = len(str(len(parts)))
    for number, first in enumerate(parts):
        some, name = order[first : first + rows_a_file], f"{number:0{digits}}"
        table = windows_described(collection, reader, some).drop(["id", "status", "reason"])
        table = table.rename_columns(["image_path" if one == "path" else one for one in table.column_names])
        written += [to / "img_emb" / f"img_emb_{name}.npy", to / "metadata" / f"metadata_{name}.parquet"]
        _write(written[-2:], unit_float32(reader.vectors(some)), table)
    return written


def _write(files: Sequence[Path], vectors: np.ndarray, table: pa.Table) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(files[0]) as matrix, replacing(files[1]) as metadata:
        with open(matrix, "wb") as opened:
            np.save(opened, vectors, allow_pickle=False)
        pq.write_table(table, metadata)
