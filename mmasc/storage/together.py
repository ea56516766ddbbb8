"""Arrays and tables that belong together: all are written completely before any of them gets its name."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.errors import MmascError
from mmasc.storage.files import make_folders, replacing


def write_together(files: Mapping[Path, Any]) -> list[Path]:
    """Write tables of Arrow as parquet and all else as .npy; folders are made where they are missing.

    Args:
        files: What each file holds.
    Returns:
        The files, in the order in which they were given.
    Raises:
        ValueError: If an array holds objects; then no file of these was written.
    """
    with ExitStack() as stack:
        for file, content in files.items():
            make_folders(file.parent)
            beside = stack.enter_context(replacing(file))
            if isinstance(content, pa.Table):
                pq.write_table(content, beside)
            else:
                with open(beside, "wb") as opened:
                    np.save(opened, content, allow_pickle=False)
    return list(files)


def require_no_others(folder: Path, parts: Mapping[str, Collection[str]]) -> None:
    """Refuse a folder with parts of another export, which would be read as parts of this one.

    Args:
        folder: May be missing.
        parts: What is written now: `folder/KIND/KIND_NAME.*` for each name of each kind.
    Raises:
        MmascError: If another file is named like a part.
    """
    for kind, names in parts.items():
        own = {f"{kind}_{name}" for name in names}
        others = sorted(path.name for path in (folder / kind).glob(f"{kind}_*") if path.stem not in own)
        if others:
            raise MmascError(
                f"{folder / kind}: has parts of another export ({others[0]}): remove them, or name a new folder"
            )
