"""What all readers share: tables read with plain messages, and a look whether the files they name are there."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip
from mmasc.errors import MmascError


def first_table(root: Path, names: Sequence[str], spec: DatasetSpec) -> Path:
    """The first of some files that is there, under a folder.

    Raises:
        MmascError: If none is; the line shows the layout that the kind has.
    """
    for name in names:
        if (root / name).is_file():
            return root / name
    what = f"has no {' or '.join(names)}" if root.is_dir() else "is no folder"
    raise MmascError(f"{root} {what}; {spec.kind} is laid out so: {spec.layout}")


def read_rows(
    path: Path, columns: Sequence[str], delimiter: str = ",", names: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Rows of a table with a header, as text without blanks around it.

    Args:
        path: In UTF-8, with or without a byte order mark.
        columns: That must be there, and filled in every row.
        delimiter: Between columns.
        names: Of the columns, for a table without a header; lines that start with "#" are then remarks.
    Raises:
        MmascError: If the table cannot be read, a column is missing (those that are there are named), a value is
            missing (the row is named), or there are no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = file if names is None else (line for line in file if not line.startswith("#"))
            reader = csv.DictReader(lines, names, delimiter=delimiter, skipinitialspace=True)
            rows = [
                {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)} for row in reader
            ]
            there = [name for name in reader.fieldnames or [] if name]
    except (UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise MmascError(f"{path} is no table in UTF-8 ({error}); save it as one") from error
    except OSError as error:
        raise MmascError(f"{path} cannot be read ({error.strerror}); check the name and its permissions") from error
    for name in columns:
        if name not in there:
            raise MmascError(f"{path} has no column {name!r}; its columns are {', '.join(there) or 'none'}")
    if not rows:
        raise MmascError(f"{path} has no rows; it needs the columns {', '.join(columns)}")
    for number, row in enumerate(rows, start=1 if names else 2):
        for name in columns:
            if not row[name]:
                raise MmascError(f"{path}, row {number}: {name} is empty; fill it in or take the row out")
    return rows


def there(clips: Sequence[Clip], table: Path, missing: str) -> tuple[tuple[Clip, ...], tuple[str, ...]]:
    """The clips whose files are on disk, and remarks about the others.

    Args:
        clips: Of a table, each file once.
        table: That names them.
        missing: "fail" or "skip".
    Raises:
        MmascError: If files are missing and `missing` is "fail", or all are.
        ValueError: If `missing` is something else.
    """
    if missing not in ("fail", "skip"):
        raise ValueError(f"missing must be 'fail' or 'skip', got {missing!r}")
    kept = tuple(clip for clip in clips if os.path.isfile(clip.path))
    if len(kept) == len(clips):
        return kept, ()
    present = {clip.path for clip in kept}
    first = next(clip.path for clip in clips if clip.path not in present)
    told = f"{len(clips) - len(kept)} of the {len(clips)} clips in {table} are not on disk, the first is {first}"
    if missing == "fail" or not kept:
        raise MmascError(f"{told}; put them there" + ("" if not kept else ', or leave them out with missing="skip"'))
    return kept, (f"{told}; they are left out",)


def others(row: dict[str, str], *used: str) -> dict[str, str]:
    """The columns of a row that say something and were not used yet."""
    return {name: value for name, value in row.items() if name not in used and value}
