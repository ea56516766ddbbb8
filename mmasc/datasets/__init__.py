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
_TAU_LAYOUT = (
    "meta.csv (tabs between filename, scene_label, identifier, source_label), evaluation_setup/fold1_train.csv and "
    "fold1_evaluate.csv (.txt in 2018), and audio/scene-city-place-segment-device.wav"
)
_TAU_YEARS = {
    "2018": "2018 (also Mobile)",
    "2019": "2019 (also Mobile)",
    "2020": "2020 Mobile (or 3Class)",
    "2021": "2021 (the files of 2020 Mobile)",
    "2022": "2022 Mobile: segments of one second",
}

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
            "urbansound8k",
            "mmasc.datasets.urbansound8k:read_urbansound8k",
            "metadata/UrbanSound8K.csv (slice_file_name, fsID, fold, classID, class) and audio/fold1 to fold10/*.wav",
            "UrbanSound8K: ten kinds of city sound, ten official folds",
        ),
        *[
            DatasetSpec(f"tau{year}", "mmasc.datasets.tau:read_tau", _TAU_LAYOUT, f"TAU Urban Acoustic Scenes {what}")
            for year, what in _TAU_YEARS.items()
        ],
        DatasetSpec(
            "audioset",
            "mmasc.datasets.audioset:read_audioset",
            "class_labels_indices.csv (index, mid, display_name), *_segments.csv (clip, start, end, labels) and the "
            "clips, named after their ID, anywhere below",
            "what there is of AudioSet: several labels per clip",
        ),
        DatasetSpec(
            "fsdkaggle2019",
            "mmasc.datasets.fsdkaggle2019:read_fsdkaggle2019",
            "train_curated.csv (fname, labels) and train_curated/*.wav, the same for train_noisy, and "
            "test_post_competition.csv with test/*.wav; or FSDKaggle2019.meta/ and FSDKaggle2019.audio_*/",
            "FSDKaggle2019: 80 tags, several a clip; curated and noisy training parts",
        ),
        DatasetSpec(
            "folder",
            "mmasc.datasets.folder_and_csv:read_folder",
            "a folder for each class, with its recordings (CLASS/**/*.wav)",
            "a folder of folders, each named after its class",
        ),
        DatasetSpec(
            "csv",
            "mmasc.datasets.folder_and_csv:read_csv",
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
        **options: Of the reader: missing="skip" leaves out clips whose file does not exist (default "fail"); further
            ones are named in the reader of the kind.
    Returns:
        Clips in the order of the table, with official folds and groups.
    Raises:
        MmascError: If the kind is unknown, tables are missing (the layout expected is shown) or damaged, or files that
            a table names do not exist (the first is named, and how many).
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
