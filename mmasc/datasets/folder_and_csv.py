"""Data sets of users: a folder for each class, or any CSV table with a column of paths."""

import os
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import on_disk, one_each, other_columns, read_rows
from mmasc.errors import MmascError
from mmasc.storage.matching import FileMatcher, match_rows
from mmasc.storage.tables import Row
from mmasc.storage.texts import listed

_PATH_COLUMNS = ("path", "filename", "file", "file_name", "fname", "filepath", "audio")
_LABEL_COLUMNS = ("label", "labels", "category", "class", "scene", "scene_label")
_FOLD_COLUMNS = ("fold",)


def read_folder(path: str | os.PathLike[str], spec: DatasetSpec, n_folds: int = 5, seed: int = 0) -> Dataset:
    """A folder of folders, each named after its class, with recordings at any depth in it.

    Args:
        path: The folder of folders; hidden ones and those without recordings are passed over.
        spec: Specification from the registry.
        n_folds: Folds that are made of it, stratified by class.
        seed: Random seed of those folds.
    """
    from mmasc.audio import find_audio

    root = Path(path)
    if not root.is_dir():
        raise MmascError(f"{root} is not a folder; {spec.kind} is laid out so: {spec.layout}")
    clips = []
    for file in find_audio(root):
        place = file.relative_to(root).parts
        if len(place) < 2:
            raise MmascError(f"{file} is not in a class folder; {spec.kind} is laid out so: {spec.layout}")
        clips.append(Clip(file, (place[0],)))
    classes = tuple(sorted({clip.labels[0] for clip in clips}))
    dataset = Dataset(spec.kind, root, tuple(clips), classes)
    return dataset.with_folds(n_folds, seed) if n_folds else dataset


def read_csv(
    path: str | os.PathLike[str],
    spec: DatasetSpec,
    path_column: str | None = None,
    label_column: str | None = None,
    fold_column: str | None = None,
    group_column: str | None = None,
    label_separator: str | None = None,
    n_folds: int = 5,
    seed: int = 0,
    missing: str = "fail",
) -> Dataset:
    """Any CSV table with a column of paths and one of labels; all other columns are kept.

    Args:
        path: The table; paths in it are relative to its folder (or to `audio/` in it).
        spec: Specification from the registry.
        path_column: Default: the first of path, filename, file, file_name, fname, filepath, audio that is there.
        label_column: Default: the first of label, labels, category, class, scene, scene_label.
        fold_column: Official folds, any names. Default: "fold" where there is such a column.
        group_column: What must stay together: recording, place, uploader ...
        label_separator: Between several labels of a clip; makes the data set multi-label.
        n_folds: Folds that are made, stratified by class, where the table has none; 0 makes none.
        seed: Random seed of those folds.
        missing: "fail" or "skip".
    """
    table = Path(path)
    if not table.is_file():
        raise MmascError(f"{table} does not exist; {spec.kind} is laid out so: {spec.layout}")
    found = read_rows(table, ())
    columns = list(found.columns)
    path_column = path_column or _choose(table, columns, _PATH_COLUMNS, "paths", "path_column")
    label_column = label_column or _choose(table, columns, _LABEL_COLUMNS, "labels", "label_column")
    fold_column = fold_column or next((name for name in _FOLD_COLUMNS if name in columns), None)
    used = [name for name in (path_column, label_column, fold_column, group_column) if name is not None]
    found.need(*used)
    rows = found.rows
    sounds, unclear = _sounds(table, rows, path_column)
    if unclear and missing == "fail":
        raise MmascError(unclear[0])
    clips = [
        Clip(
            path=sound,
            labels=_labels(row[label_column], label_separator),
            fold=row[fold_column] if fold_column else "",
            group=row[group_column] if group_column else "",
            columns=other_columns(row, path_column, label_column, *([fold_column] if fold_column else [])),
        )
        for row, sound in zip(rows, sounds, strict=True)
    ]
    for row, clip in zip(rows, clips, strict=True):
        if not clip.labels:
            raise MmascError(f"{table}, line {row.line}: {label_column} names no label; fill it in or take the row out")
    kept, left_out = on_disk(one_each(clips, rows, table), table, missing)
    remarks = (*found.remarks, *unclear, *left_out)
    classes = tuple(sorted({label for clip in kept for label in clip.labels}))
    dataset = Dataset(spec.kind, table, kept, classes, label_separator is not None, remarks)
    return dataset if fold_column or not n_folds else dataset.with_folds(n_folds, seed)


def _choose(table: Path, columns: list[str], known: tuple[str, ...], what: str, option: str) -> str:
    for name in known:
        if name in columns:
            return name
    flag = "--" + option.replace("_", "-")
    raise MmascError(f"{table}: say which column holds the {what} with {flag}; its columns are {listed(columns)}")


def _labels(text: str, separator: str | None) -> tuple[str, ...]:
    if separator is None:
        return (text,)
    return tuple(dict.fromkeys(part.strip() for part in text.split(separator) if part.strip()))


def _sounds(table: Path, rows: list[Row], column: str) -> tuple[list[Path], list[str]]:
    """The file of each row (the path it would have where there is none), and a line about names that are not clear.

    Names that are not paths from here (written on another system, or with other folders in front) are looked for among
    all sounds below the table's folder.
    """
    from mmasc.audio import find_audio

    folder = table.parent
    sounds = [_sound(folder, row[column]) for row in rows]
    if all(map(os.path.isfile, sounds)):
        return sounds, []
    try:
        files = {os.path.abspath(file): file for file in find_audio(folder)}
    except MmascError:
        return sounds, []  # no sound at all below the folder: `there` says which are missing
    lost = [row for row, sound in zip(rows, sounds, strict=True) if not os.path.isfile(sound)]
    matched = match_rows(lost, column, FileMatcher(files, [os.path.abspath(folder), os.path.abspath(folder / "audio")]))
    file_of = {row.line: files[file] for file, found in matched.rows.items() for row in found}
    places = [file_of.get(row.line, sound) for row, sound in zip(rows, sounds, strict=True)]
    return places, matched.remarks(table, column)


def _sound(folder: Path, name: str) -> Path:
    inside = folder / "audio" / name
    return inside if not os.path.isfile(folder / name) and os.path.isfile(inside) else folder / name
