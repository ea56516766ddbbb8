"""Results of Perch as labels: the CSV that perch-hoplite's `write_inference_csv` writes, its logits as scores.

Source of the columns: perch-hoplite 1.0 (idx, project, filename, window_start, window_end, label, logits).
"""

from dataclasses import replace
from pathlib import Path

from mmasc.integrations.result_tables import read_results
from mmasc.label_files.rows import LabelFile

_BY = "Perch"
_COLUMNS = {
    "start": ("window_start",),
    "end": ("window_end",),
    "label": ("label",),
    "score": ("logits",),
    "path": ("filename",),
}


def read_perch(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of one table of results.

    Raises:
        MmascError: If the file cannot be read, or lacks a column.
    """
    found = read_results(path, _COLUMNS, label_column)
    return replace(found, rows=[replace(row, by=row.by or _BY) for row in found.rows])
