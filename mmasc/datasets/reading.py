"""What all readers share: tables with the columns they need, one clip for each file, whether the files are there."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip
from mmasc.errors import MmascError
from mmasc.storage.tables import Row, Table, read_table


def first_table(root: Path, names: Sequence[str], spec: DatasetSpec) -> Path:
    """The first of some files that is there, under a folder.

    Raises:
        MmascError: If none is; the line shows the layout that the kind has.
    """
    for name in names:
        if (root / name).is_file():
            return root / name
    what = f"has no {' or '.join(names)}" if root.is_dir() else "is not a folder"
    raise MmascError(f"{root} {what}; {spec.kind} is laid out so: {spec.layout}")


def read_rows(path: Path, columns: Sequence[str], names: Sequence[str] | None = None) -> Table:
    """A table of a data set.

    Args:
        path: See `mmasc.storage.tables.read_table`.
        columns: Columns that must be there, and filled in every row.
        names: Names of the columns, for a table without a header.
    Raises:
        MmascError: If the table cannot be read, a column is missing (those that are there are named), or a value is
            missing (the line is named).
    """
    table = read_table(path, names)
    table.need(*columns)
    return table


def one_each(clips: Sequence[Clip], rows: Sequence[Row], table: Path) -> list[Clip]:
    """Each file once: rows that say the same of a file are one clip.

    Args:
        clips: Clips of a table, in its order.
        rows: Rows that they were made of.
        table: Path of the table, for messages.
    Raises:
        MmascError: If two rows of a file differ in label, fold, part or group; both lines are named.
    """
    kept: dict[str, tuple[Clip, Row]] = {}
    for clip, row in zip(clips, rows, strict=True):
        place = os.path.normpath(clip.path)
        if place not in kept:
            kept[place] = (clip, row)
            continue
        known, first = kept[place]
        for what in ("labels", "fold", "split", "group"):
            one, other = getattr(known, what), getattr(clip, what)
            if one != other:
                shown = [" ".join(value) if isinstance(value, tuple) else value for value in (one, other)]
                raise MmascError(
                    f"{table}: lines {first.line} and {row.line} are two rows for {clip.path} that say different "
                    f"things ({what}: {shown[0]} and {shown[1]}); keep one row for each file"
                )
        alike = {name: value for name, value in known.columns.items() if clip.columns.get(name) == value}
        kept[place] = (replace(known, columns=alike), first)
    return [clip for clip, _ in kept.values()]


def on_disk(clips: Sequence[Clip], table: Path, missing: str) -> tuple[tuple[Clip, ...], tuple[str, ...]]:
    """The clips whose files are on disk, and remarks about the others.

    Args:
        clips: Clips of a table, each file once.
        table: Table that names them.
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


def other_columns(row: Row, *used: str) -> dict[str, str]:
    """The columns of a row that say something and were not used yet."""
    return {name: value for name, value in row.items() if name not in used and value}
