"""ESC-10 and ESC-50 (Piczak 2015): five-second clips in official folds, one recording never in two of them.

Two layouts are read: that of ESC-50, where ESC-10 is the part marked `esc10`, and a plain one with a `meta.csv` next to
`audio/` whose file names begin with fold and upload.
"""

import os
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import first_table, on_disk, one_each, other_columns, read_rows
from mmasc.errors import MmascError
from mmasc.storage.tables import Row


def read_esc(path: str | os.PathLike[str], spec: DatasetSpec, missing: str = "fail") -> Dataset:
    """ESC-10 or ESC-50: classes in the order of targets, the upload (`src_file`) as group.

    Args:
        path: The folder that holds `meta/esc50.csv` or `meta.csv`.
        spec: "esc10" takes only the rows marked so where the table has such a column.
        missing: "fail" or "skip".
    """
    root = Path(path)
    names = ("meta/esc50.csv", "meta.csv", "esc50.csv") if spec.kind == "esc10" else ("meta/esc50.csv", "esc50.csv")
    table = first_table(root, names, spec)
    found = read_rows(table, ("filename", "fold", "target", "category"))
    rows = found.rows
    if spec.kind == "esc10" and "esc10" in rows[0]:
        rows = [row for row in rows if row["esc10"].lower() == "true"]
        if not rows:
            raise MmascError(f"{table} marks no row with esc10 = True; read it as esc50")
    clips = [
        Clip(
            path=root / "audio" / row["filename"],
            labels=(row["category"],),
            fold=row["fold"],
            group=row.get("src_file") or _upload(row["filename"], table),
            columns=other_columns(row, "filename", "fold", "target", "category", "src_file", "esc10"),
        )
        for row in rows
    ]
    kept, remarks = on_disk(one_each(clips, rows, table), table, missing)
    return Dataset(spec.kind, root, kept, _classes(rows, table), remarks=(*found.remarks, *remarks))


def _upload(filename: str, table: Path) -> str:
    """The number of the upload in a name such as 1-100032-A-0.wav: fold, upload, take, kind."""
    parts = filename.split("-")
    if len(parts) < 4:
        raise MmascError(f"{table}: {filename} does not say its recording; names are fold-recording-take-kind")
    return parts[1]


def _classes(rows: list[Row], table: Path) -> tuple[str, ...]:
    """Categories in the order of their targets."""
    targets: dict[str, str] = {}
    for row in rows:
        if not row["target"].isdecimal() or targets.setdefault(row["category"], row["target"]) != row["target"]:
            raise MmascError(f"{table}: {row['filename']} has target {row['target']!r}; a category has one number")
    if len(set(targets.values())) < len(targets):
        raise MmascError(f"{table}: two categories have the same target; fix the table")
    return tuple(sorted(targets, key=lambda name: int(targets[name])))
