"""Parquet files that somebody else may have written or damaged: read, or refused in one line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.errors import MmascError, show_path


def read_parquet(path: Path) -> pa.Table:
    """The whole table of a file.

    Raises:
        MmascError: If it cannot be read; the line names it.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:120]
        raise MmascError(f"{show_path(path)} cannot be read as parquet ({reason}); write it again") from error
