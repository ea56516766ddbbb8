"""Labels as a Parquet table: every field of a row is a column; tables are only written."""

from collections.abc import Iterable
from dataclasses import asdict
from io import BytesIO
from typing import Any

from mmasc.label_files.rows import LabelRow


def parquet_bytes(rows: Iterable[LabelRow]) -> bytes:
    """The file's content. Parquet holds UTF-8 alone: of other file names, what cannot be read becomes U+FFFD."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = [asdict(row) for row in rows]
    columns = {name: [_readable(row[name]) for row in kept] for name in LabelRow.__dataclass_fields__}
    target = BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def _readable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
