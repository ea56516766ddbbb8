"""Read and write label files of every format, one file for all recordings or one for each.

The formats are csv, jsonl and json (every field of a row, exactly), raven (selection tables; every field), audacity
(label tracks: times, label and frequencies of what is present) and m3u (playlists, which are only written).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.label_files.audacity import audacity_text, looks_like_audacity, read_audacity
from mmasc.label_files.objects import json_text, jsonl_text, read_json, read_jsonl
from mmasc.label_files.playlist import m3u_text
from mmasc.label_files.raven import looks_like_raven, raven_text, read_raven
from mmasc.label_files.rows import LabelFile, LabelRow, Problem, recording_named_by
from mmasc.label_files.tabular import csv_text, read_csv
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.table_texts import text_of_file

FORMATS = ("csv", "jsonl", "json", "raven", "audacity", "m3u")
READABLE = tuple(name for name in FORMATS if name != "m3u")
_SUFFIXES = {name: f".{name}" for name in FORMATS} | {"raven": ".raven.txt", "audacity": ".audacity.txt"}
_LABEL_FILES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".m3u": "m3u", ".m3u8": "m3u"}
# What reads a file of one format, given the column that holds the labels
Reader = Callable[[Path, str | None], LabelFile]
_READERS: dict[str, Reader] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "json": read_json,
    "raven": read_raven,
    "audacity": lambda path, _: read_audacity(path),
}


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: Paths, in the order of writing.
        left_out: Rows that the format cannot hold: in audacity and m3u what is not "present".
    """

    files: list[Path]
    left_out: int = 0


def read_rows(path: str | Path, format: str | None = None, label_column: str | None = None) -> LabelFile:
    """The labels of a file, or of all label files below a folder.

    A row without a path of its own belongs to the recording that the label file is named after
    (`rain.wav.audacity.txt` and `rain.txt` → `rain.wav` and `rain`); below a folder with the file's folder before it.

    Args:
        path: A label file, or a folder.
        format: One of `READABLE`; default: by content and ending.
        label_column: The column (key) that holds the label, where its name does not say so; not for audacity.
    Returns:
        Rows, and the lines that could not be used: a bad line stops nothing.
    Raises:
        MmascError: If a file cannot be read or has no labels by its format, or a folder holds no label file.
        ValueError: If the format is none of those that can be read.
    """
    path = Path(path)
    files = read_each(path, format, label_column)
    if not path.is_dir():
        return files[0]
    found = LabelFile([], [], [], str(path))
    for one in files:
        found.rows.extend(one.rows)
        found.problems.extend(replace(problem, source=one.path) for problem in one.problems)
        found.lines.extend(one.lines)
    return replace(found, unjudged=sum(one.unjudged for one in files))


def read_each(path: Path, format: str | Reader | None = None, label_column: str | None = None) -> list[LabelFile]:
    """The same as `read_rows`, by file: one, or those below a folder in the order of their paths.

    Below a folder, a file that cannot be read stops nothing either: it is a problem of its first line. Instead of a
    format, `format` may be what reads a file of another one.
    """
    if isinstance(format, str) and format not in READABLE:
        raise ValueError(f"format must be one of {list(READABLE)}, got {format!r}")

    def read(file: Path) -> LabelFile:
        return (format if callable(format) else _READERS[format or format_of(file)])(file, label_column)

    if not path.is_dir():
        return [read(path)]
    files = label_files_below(path, (*_LABEL_FILES, ".parquet") if callable(format) else _LABEL_FILES)
    if not files:
        raise MmascError(f"{show_path(path)} holds no label file ({', '.join(_LABEL_FILES)})")
    found = []
    for file in files:
        try:
            one = read(file)
        except MmascError as fault:
            one = LabelFile([], [Problem(1, str(fault).removeprefix(show_path(file)).lstrip(": "))], [], str(file))
        own, inside = recording_named_by(file), file.parent.relative_to(path)
        rows = [replace(row, path=str(inside / own)) if row.path == own else row for row in one.rows]
        found.append(replace(one, rows=rows))
    return found


def format_of(path: str | Path) -> str:
    """The format of a label file, by its content, then by its ending.

    Raises:
        MmascError: If it is a playlist, or cannot be read.
    """
    path = Path(path)
    format = _BY_SUFFIX.get(path.suffix.lower())
    if format == "m3u":
        raise MmascError(
            f"{show_path(path)} is a playlist, which holds no labels; give a csv, jsonl, raven or audacity"
        )
    if format is not None:
        return format
    text = text_of_file(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if looks_like_raven(first):
        return "raven"
    if looks_like_audacity(first) or not first:
        return "audacity"
    if first.lstrip().startswith(("[", "{")):
        return "jsonl" if first.strip().startswith("{") and first.strip().endswith("}") else "json"
    return "csv"


def write_rows(
    rows: Iterable[LabelRow], format: str, target: str | Path, each: bool = False, root: str | None = None
) -> Written:
    """Write labels.

    Args:
        rows: In any order; with `each` a file's rows keep it.
        format: One of `FORMATS`.
        target: The file; with `each` a folder, whose subfolders mirror those of the recordings.
        each: Whether every recording gets a file of its own: `sub/rain.wav` → `sub/rain.wav.csv`.
        root: The folder that the target's subfolders begin in, for absolute paths; default: what they share.
    Raises:
        MmascError: If a row does not fit the format.
        ValueError: If the format is none, or a playlist is wanted for each recording.
    """
    if format not in FORMATS or (each and format == "m3u"):
        raise ValueError(f"format must be one of {list(FORMATS)} (m3u: one file only), got {format!r}, each={each}")
    rows, target = list(rows), Path(target)
    kept = [row for row in rows if format not in ("audacity", "m3u") or row.verdict == "present"]
    texts = {target: rows_text(kept, format, paths=True)} if not each else {}
    if each:
        by_path: dict[str, list[LabelRow]] = {}
        for row in kept:
            by_path.setdefault(row.path, []).append(row)
        places = label_places(list(by_path), format, root)
        texts = {target / places[path]: rows_text(own, format) for path, own in by_path.items()}
    for file, text in texts.items():
        make_folders(file.parent)
        write_atomically(file, text.encode("utf-8", "surrogateescape"))
    return Written(list(texts), len(rows) - len(kept))


def rows_text(rows: Iterable[LabelRow], format: str, decimals: int | None = None, paths: bool = False) -> str:
    """The text of a label file.

    Args:
        rows: In order.
        format: One of `FORMATS`.
        decimals: Decimals of seconds in raven and audacity; default: as many as read back exactly, at least six.
        paths: Whether lines of audacity name the recording.
    """
    if format == "audacity":
        return audacity_text(rows, decimals, paths)
    if format == "raven":
        return raven_text(rows, decimals)
    return {"csv": csv_text, "jsonl": jsonl_text, "json": json_text, "m3u": m3u_text}[format](rows)


def label_places(paths: Sequence[str], format: str, root: str | None = None) -> dict[str, Path]:
    """Recording → path of its label file below a folder; subfolders mirror those of the recordings.

    Absolute paths lose `root` in front, if all lie below it, otherwise the folders that they share.
    """
    suffix = _SUFFIXES[format]
    if any(os.path.isabs(path) or ".." in Path(path).parts for path in paths):
        whole = {path: os.path.abspath(path) for path in paths}
        common = os.path.commonpath([os.path.dirname(path) for path in whole.values()])
        if root is not None and Path(common).is_relative_to(root):
            common = root
        inside = {path: os.path.relpath(long, common) for path, long in whole.items()}
    else:
        inside = {path: os.path.normpath(path) for path in paths}
    return {path: Path(f"{short}{suffix}") for path, short in inside.items()}


def label_files_below(folder: str | Path, endings: Sequence[str] = _LABEL_FILES) -> list[Path]:
    """Files below a folder whose ending may be a label file's, in the order of their paths."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in endings and path.is_file())
