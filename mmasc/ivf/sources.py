"""Sounds with pictures on disk: films, or recordings with photographs, read from a folder or a table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmasc.errors import MmascError
from mmasc.ivf.pictures import FILM_EXTENSIONS
from mmasc.storage.tables import read_table

_LAYOUT = "a folder of films, or a CSV table with a column `video`, or columns `audio` and `image` (paths next to it)"


@dataclass(frozen=True)
class Source:
    """A film, or a recording with a photograph.

    Attributes:
        name: Name for people.
        sound: The file with the sound; of a film, the film.
        picture: The photograph; None for a film.
        label: What it is, where the table says so.
        group: Sources of one group are never split; by default each film is its own.
    """

    name: str
    sound: Path
    picture: Path | None = None
    label: str = ""
    group: str = ""


def read_sources(path: str | Path, group_column: str | None = None) -> list[Source]:
    """The sources of a folder of films or of a table.

    Args:
        path: A folder (with films at any depth, or with a table meta.csv or pairs.csv of sources), or a CSV table.
        group_column: Column of a table: rows that share it are never split (uploader, place); default: `group` if
            there.
    Raises:
        MmascError: If there is nothing, or the table lacks the columns; the layout expected is shown.
    """
    path = Path(path)
    if path.is_file():
        return _read_table(path, group_column)
    if not path.is_dir():
        raise MmascError(f"{path} does not exist; pairs are {_LAYOUT}")
    for name in ("pairs.csv", "meta.csv"):
        if (path / name).is_file():
            return _read_table(path / name, group_column)
    films = sorted(file for file in path.rglob("*") if file.suffix.lower() in FILM_EXTENSIONS and file.is_file())
    if not films:
        raise MmascError(f"{path} holds no films ({' '.join(sorted(FILM_EXTENSIONS))}); pairs are {_LAYOUT}")
    names = [str(film.relative_to(path)) for film in films]
    return [Source(name, film, None, "", name) for name, film in zip(names, films, strict=True)]


def split_sources(sources: Sequence[Source], share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Sources to learn from and sources held back; groups stay together.

    Args:
        sources: Sources from `read_sources`.
        share: Share of the groups to hold back, at least one where it is above 0; a single group is learned from.
        seed: Random seed of the choice.
    Returns:
        Numbers of sources in ascending order.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be in [0, 1), got {share}")
    groups = sorted({source.group for source in sources})
    n_held = min(max(1, round(share * len(groups))), len(groups) - 1) if share else 0
    order = np.random.default_rng(seed).permutation(len(groups))
    held = {groups[number] for number in order[:n_held]}
    numbers = range(len(sources))
    return [n for n in numbers if sources[n].group not in held], [n for n in numbers if sources[n].group in held]


def _read_table(path: Path, group_column: str | None) -> list[Source]:
    table = read_table(path)
    columns = table.columns
    if "video" not in columns and not {"audio", "image"} <= set(columns):
        raise MmascError(f"{path} has columns {', '.join(columns) or 'of no name'}; pairs are {_LAYOUT}")
    if group_column is not None and group_column not in columns:
        raise MmascError(f"{path} has no column {group_column!r}; it has {', '.join(columns)}")
    sources = []
    for row in table.rows:
        named = {key: row.get(key, "") for key in ("video", "audio", "image", "label", "id", "group")}
        if not named["video"] and not (named["audio"] and named["image"]):
            raise MmascError(f"{path} line {row.line}: names neither a video nor a sound with a picture")
        sound = _place(path.parent, named["video"] or named["audio"])
        picture = None if named["video"] else _place(path.parent, named["image"])
        name = named["id"] or os.path.relpath(sound, path.parent)
        group = row[group_column] if group_column is not None else named["group"]
        sources.append(Source(name, sound, picture, named["label"], group or name))
    return sources


def _place(folder: Path, name: str) -> Path:
    """Where a name of a table lies; names written on Windows too."""
    as_written = folder / name
    return as_written if os.path.isfile(as_written) else folder / name.replace("\\", "/")
