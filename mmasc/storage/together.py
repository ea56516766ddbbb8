"""Arrays and tables that belong together: all are whole before one of them takes its name."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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
