"""FSDKaggle2019 (Fonseca et al. 2019): 80 tags, several per clip; a curated and a noisy training part, a test part."""

import os
from dataclasses import dataclass
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import first_table, on_disk, one_each, other_columns, read_rows
from mmasc.errors import MmascError


@dataclass(frozen=True)
class _Part:
    """A part with the names that its table and its folder have, in the release and in the competition."""

    name: str
    tables: tuple[str, ...]
    folders: tuple[str, ...]


_META = "FSDKaggle2019.meta"
_PARTS = (
    _Part(
        "curated",
        ("train_curated.csv", f"{_META}/train_curated_post_competition.csv", f"{_META}/train_curated.csv"),
        ("train_curated", "FSDKaggle2019.audio_train_curated"),
    ),
    _Part(
        "noisy",
        ("train_noisy.csv", f"{_META}/train_noisy_post_competition.csv", f"{_META}/train_noisy.csv"),
        ("train_noisy", "FSDKaggle2019.audio_train_noisy"),
    ),
    _Part(
        "test",
        ("test_post_competition.csv", f"{_META}/test_post_competition.csv"),
        ("test", "FSDKaggle2019.audio_test"),
    ),
)


def read_fsdkaggle2019(
    path: str | os.PathLike[str],
    spec: DatasetSpec,
    train: str = "both",
    missing: str = "fail",
) -> Dataset:
    """The parts that are there: `split` is "curated", "noisy" or "test", and the test part is the fold "test".

    Args:
        path: The folder of the release (FSDKaggle2019.meta, FSDKaggle2019.audio_*) or of the competition
            (train_curated.csv, train_curated ...).
        spec: Specification from the registry.
        train: Which training part to take: "curated", "noisy" or "both".
        missing: "fail" or "skip".
    Raises:
        ValueError: If `train` is something else.
    """
    if train not in ("curated", "noisy", "both"):
        raise ValueError(f"train must be 'curated', 'noisy' or 'both', got {train!r}")
    root = Path(path)
    clips: list[Clip] = []
    said: list[str] = []
    for part in _PARTS:
        wanted = part.name == "test" or train in (part.name, "both")
        tables = [name for name in part.tables if (root / name).is_file()]
        if wanted and (tables or part.name == train or (part.name == "curated" and train == "both")):
            more, remarks = _read_part(root, part, first_table(root, part.tables, spec), spec)
            clips += more
            said += remarks
    kept, left_out = on_disk(clips, root, missing)
    classes = tuple(sorted({label for clip in clips for label in clip.labels}))
    return Dataset(spec.kind, root, kept, classes, True, (*said, *left_out))


def _read_part(root: Path, part: _Part, table: Path, spec: DatasetSpec) -> tuple[list[Clip], list[str]]:
    folder = next((root / name for name in part.folders if (root / name).is_dir()), None)
    if folder is None:
        raise MmascError(f"{root} has no {' or '.join(part.folders)}; {spec.kind} is laid out so: {spec.layout}")
    found = read_rows(table, ("fname", "labels"))
    clips = [
        Clip(
            path=folder / row["fname"],
            labels=tuple(dict.fromkeys(label.strip() for label in row["labels"].split(",") if label.strip())),
            fold="test" if part.name == "test" else "",
            split=part.name,
            columns=other_columns(row, "fname", "labels"),
        )
        for row in found.rows
    ]
    return one_each(clips, found.rows, table), found.remarks
