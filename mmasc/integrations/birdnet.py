"""Results of BirdNET as labels: tables of BirdNET-Analyzer (CSV, Raven, Audacity, Kaleidoscope) and of the package
birdnet (CSV, parquet).

A label is the common name (another column with `label_column`); confidences are scores, "nocall" is not a label.
Source of the columns: the headers that BirdNET-Analyzer 2.4 and birdnet 1.3 write.
"""

from dataclasses import replace
from pathlib import Path

from mmasc.integrations.result_tables import read_results
from mmasc.label_files.audacity import read_audacity
from mmasc.label_files.formats import format_of
from mmasc.label_files.raven import read_raven
from mmasc.label_files.rows import LabelFile, LabelRow, number, recording_named_by

_BY = "BirdNET"
_NOTHING = "nocall"
_COLUMNS = {
    "start": ("Start (s)", "OFFSET", "start_time"),
    "end": ("End (s)", "end_time"),
    "duration": ("DURATION",),
    "label": ("Common name", "common_name", "species_name"),
    "score": ("Confidence", "confidence"),
    "path": ("File", "INDIR/FOLDER/IN FILE", "input"),
}


def read_birdnet(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of one table of results, in any of these formats.

    Raises:
        MmascError: If the file cannot be read, or is none of them.
    """
    kind = "csv" if path.suffix.lower() == ".parquet" else format_of(path)
    if kind == "raven":
        found = read_raven(path, label_column)
    elif kind == "audacity":
        found = read_audacity(path)
    else:
        found = read_results(path, _COLUMNS, label_column)
    # Package and label tracks write "Scientific name_Common name" and "Scientific name, Common name"
    sign = {"audacity": ", "}.get(kind, "_" if label_column is None else "")
    rows = [_row(row, path, kind, sign) for row in found.rows]
    kept = [place for place, row in enumerate(rows) if row.label.lower() != _NOTHING]
    return replace(found, rows=[rows[place] for place in kept], lines=[found.lines[place] for place in kept])


def _row(row: LabelRow, path: Path, kind: str, sign: str) -> LabelRow:
    if kind == "audacity":  # its fourth value, elsewhere the recording, is the confidence
        row = replace(row, path=recording_named_by(path), score=number(row.path, "score"))
    scientific, _, common = row.label.rpartition(sign) if sign else ("", "", row.label)
    return replace(row, label=common, note=scientific or row.note, by=row.by or _BY)
