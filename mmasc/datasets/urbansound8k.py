"""UrbanSound8K (Salamon et al. 2014): slices of up to four seconds in ten official folds, never reshuffled."""

import os
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import first_table, on_disk, one_each, other_columns, read_rows
from mmasc.errors import MmascError

_COLUMNS = ("slice_file_name", "fsID", "fold", "classID", "class")


def read_urbansound8k(path: str | os.PathLike[str], spec: DatasetSpec, missing: str = "fail") -> Dataset:
    """UrbanSound8K: classes in the order of classID, the recording that a slice was cut from (fsID) as group.

    Args:
        path: The folder that holds `metadata/` and `audio/`.
        spec: Specification from the registry.
        missing: "fail" or "skip".
    Raises:
        MmascError: Also if a recording lies in two folds: the table was changed then.
    """
    root = Path(path)
    table = first_table(root, ("metadata/UrbanSound8K.csv", "UrbanSound8K.csv"), spec)
    found = read_rows(table, _COLUMNS)
    rows = found.rows
    fold_of: dict[str, str] = {}
    number_of: dict[str, int] = {}
    for row in rows:
        if fold_of.setdefault(row["fsID"], row["fold"]) != row["fold"]:
            raise MmascError(
                f"{table}: recording {row['fsID']} lies in folds {fold_of[row['fsID']]} and {row['fold']}; the "
                "official folds keep it in one: take the table as it was published"
            )
        if not row["classID"].isdecimal() or number_of.setdefault(row["class"], int(row["classID"])) != int(
            row["classID"]
        ):
            raise MmascError(
                f"{table}: {row['slice_file_name']} has classID {row['classID']!r}; a class has one number"
            )
    clips = [
        Clip(
            path=root / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            labels=(row["class"],),
            fold=row["fold"],
            group=row["fsID"],
            columns=other_columns(row, "slice_file_name", "fsID", "fold", "classID", "class"),
        )
        for row in rows
    ]
    kept, remarks = on_disk(one_each(clips, rows, table), table, missing)
    classes = tuple(sorted(number_of, key=lambda name: number_of[name]))
    return Dataset(spec.kind, root, kept, classes, remarks=(*found.remarks, *remarks))
