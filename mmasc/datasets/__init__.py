"""Labelled data sets on disk → one table of clips with folds and groups; and waveforms decoded once.

`read_dataset(kind, path)` reads a layout by name. Listing the kinds loads nothing.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from mmasc.errors import MmascError

if TYPE_CHECKING:
    from mmasc.datasets.dataset import Dataset


@dataclass(frozen=True)
class DatasetSpec:
    """A kind of data set as the registry knows it.

    Attributes:
        kind: What `read_dataset` takes.
        target: "module:function" of its reader, imported when something is read.
        layout: The files it expects, in one line; shown when they are missing.
        description: One line for people.
    """

    kind: str
    target: str
    layout: str
    description: str

    def read(self, path: str | os.PathLike[str], **options: Any) -> "Dataset":
        """What lies at a path, read as this kind; see `read_dataset`."""
        module, _, function = self.target.partition(":")
        reader = getattr(import_module(module), function)
        known = list(signature(reader).parameters)[2:]
        for name in options:
            if name not in known:
                raise MmascError(f"{self.kind} has no option {name!r}; it has: {', '.join(known)}")
        return reader(path, self, **options)


_ESC_LAYOUT = "meta/esc50.csv (filename, fold, target, category, esc10, src_file, take) and audio/*.wav"

DATASETS: dict[str, DatasetSpec] = {
    spec.kind: spec
    for spec in [
        DatasetSpec(
            "esc10",
            "mmasc.datasets.esc:read_esc",
            f"{_ESC_LAYOUT}, or meta.csv (filename, fold, target, category) and audio/*.ogg",
            "ESC-10: ten kinds of environmental sound, the part of ESC-50 that is marked esc10",
        ),
        DatasetSpec("esc50", "mmasc.datasets.esc:read_esc", _ESC_LAYOUT, "ESC-50: fifty kinds of environmental sound"),
        DatasetSpec(
            "folder",
            "mmasc.datasets.plain:read_folder",
            "a folder for each class, with its recordings (CLASS/**/*.wav)",
            "a folder of folders, each named after its class",
        ),
        DatasetSpec(
            "csv",
            "mmasc.datasets.plain:read_csv",
            "a CSV table with a column of paths (relative to its folder) and a column of labels",
            "any CSV table with a column of paths",
        ),
    ]
}


def read_dataset(kind: str, path: str | os.PathLike[str], **options: Any) -> "Dataset":
    """A data set on disk as one table.

    Args:
        kind: A name of `DATASETS`.
        path: Its folder (the table itself for "csv").
        **options: Of the reader: missing="skip" leaves out clips whose file is not there (default "fail"); further
            ones are named in the reader of the kind.
    Returns:
        Clips in the order of the table, with official folds and groups.
    Raises:
        MmascError: If the kind is unknown, tables are missing (the layout expected is shown) or damaged, or files that
            a table names are not there (the first is named, and how many).
    """
    if kind not in DATASETS:
        raise MmascError(f"unknown kind of data set {kind!r}; there are: {', '.join(DATASETS)}")
    return DATASETS[kind].read(path, **options)


_LATE = {"Clip": "mmasc.datasets.dataset", "Dataset": "mmasc.datasets.dataset", "WaveformCache": "mmasc.datasets.cache"}
__all__ = ["DATASETS", "Clip", "Dataset", "DatasetSpec", "WaveformCache", "read_dataset"]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
