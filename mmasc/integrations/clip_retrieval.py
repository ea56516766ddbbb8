"""A space in the folder layout of clip-retrieval and autofaiss: img_emb/*.npy, text_emb/*.npy and metadata/*.parquet.

Vectors of sounds stand where theirs of pictures do; they are of unit length, as both compare by inner products. Rows of
all three belong together. Source of the layout: clip-retrieval 2.45, its NumPy writer.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection import Collection
from mmasc.collection.frames import window_order, windows_described, with_column
from mmasc.collection.touched_windows import vectors_of_texts, window_texts
from mmasc.storage.together import require_no_others, write_together
from mmasc.windows.units import unit_float32

ROWS_A_FILE = 1_000_000
_COLUMNS = ("caption", "text", "label")  # of your own: the first that is there holds the texts of recordings


def export_clip_retrieval(
    collection: Collection, to: Path, space: str | None = None, rows_a_file: int = ROWS_A_FILE
) -> list[Path]:
    """Write a space; with texts (`caption`) where labels of moments or a column caption, text or label say some.

    The text of a window is the labels that are present in it, else its recording's text, else nothing: then its text
    vector is zero, which no inner product finds. Text vectors are written where the encoder of the space reads words.

    Args:
        collection: Opened.
        to: Folder to write into; made where it is not.
        space: Name of the space; default: the oldest.
        rows_a_file: Windows in a file, at most.
    Returns:
        The files, vectors before metadata of each part.
    Raises:
        MmascError: If the folder has parts of another export, of more windows or with texts.
    """
    written: list[Path] = []
    reader = collection.space(space)
    order = window_order(collection, reader, np.arange(len(reader)))
    texts = window_texts(collection, reader, _COLUMNS)
    known = vectors_of_texts(collection, reader, texts)
    parts = range(0, max(len(order), 1), rows_a_file)
    names = [f"{number:0{len(str(len(parts)))}}" for number in range(len(parts))]
    require_no_others(to, {"img_emb": names, "text_emb": names if known else [], "metadata": names})
    for name, first in zip(names, parts, strict=True):
        some = order[first : first + rows_a_file]
        table = windows_described(collection, reader, some).drop(["id", "status", "reason"])
        table = table.rename_columns(["image_path" if one == "path" else one for one in table.column_names])
        files: dict[Path, Any] = {to / "img_emb" / f"img_emb_{name}.npy": unit_float32(reader.vectors(some))}
        if any(texts):
            said = [texts[position] for position in some]
            table = with_column(table, "caption", said)
            if known:
                files[to / "text_emb" / f"text_emb_{name}.npy"] = np.stack([known[one] for one in said])
        written += write_together(files | {to / "metadata" / f"metadata_{name}.parquet": table})
    return written
