"""TAU Urban Acoustic Scenes 2018 to 2022 (Mesaros et al.): one official fold, split by place; cities and devices kept.

File names say everything: scene-city-place-segment-device, from 2022 on scene-city-place-segment-part-device.
"""

import os
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import first_table, on_disk, one_each, read_rows
from mmasc.errors import MmascError
from mmasc.storage.tables import Row, first_values

_FOLD = "1"


def read_tau(path: str | os.PathLike[str], spec: DatasetSpec, missing: str = "fail") -> Dataset:
    """The development set: fold "1" is tested on, its training part is learnt from, clips in neither are left out.

    Groups are places (city-place); `columns` hold city, place, device, segment and the folder that a file lies in.

    Args:
        path: The folder that holds `meta.csv` and `evaluation_setup/`.
        spec: Specification from the registry.
        missing: "fail" or "skip".
    """
    root = Path(path)
    table = first_table(root, ("meta.csv",), spec)
    found = read_rows(table, ("filename", "scene_label"))
    rows = found.rows
    train = {row["filename"] for row in _setup(root, "train", spec)}
    test = {row["filename"] for row in _setup(root, "evaluate", spec)}
    both = sorted(train & test)
    if both:
        raise MmascError(f"{root / 'evaluation_setup'}: {both[0]} is both learnt from and tested on; fix the lists")
    known = {row["filename"] for row in rows}
    for name in sorted((train | test) - known):
        raise MmascError(
            f"{root / 'evaluation_setup'} names {name}, which is not in {table}; take the lists of this set"
        )
    clips = []
    for row in rows:
        name = row["filename"]
        part = "train" if name in train else "test" if name in test else ""
        columns = name_columns(name, table)
        clips.append(
            Clip(
                path=root / name,
                labels=(row["scene_label"],),
                fold=_FOLD if part == "test" else "",
                split=part,
                group=f"{columns['city']}-{columns['place']}",
                columns=columns,
            )
        )
    kept, remarks = on_disk(one_each(clips, rows, table), table, missing)
    classes = tuple(sorted({row["scene_label"] for row in rows}))
    return Dataset(spec.kind, root, kept, classes, remarks=(*found.remarks, *remarks))


def name_columns(name: str, table: Path) -> dict[str, str]:
    """What a file name says: scene, city, place, segment (and part), device.

    Raises:
        MmascError: If it is not such a name.
    """
    parts = Path(name).stem.split("-")
    if len(parts) not in (5, 6) or not all(parts):
        raise MmascError(f"{table}: {name} is not a name of this set: scene-city-place-segment-device.wav")
    columns = {"scene": parts[0], "city": parts[1], "place": parts[2], "segment": parts[3], "device": parts[-1]}
    return {**columns, "part": parts[4]} if len(parts) == 6 else columns


def _setup(root: Path, part: str, spec: DatasetSpec) -> list[Row]:
    """A list of the official fold; the test list serves where the one with labels does not exist."""
    parts = (part, "test") if part == "evaluate" else (part,)
    names = [f"evaluation_setup/fold{_FOLD}_{one}.{ending}" for one in parts for ending in ("csv", "txt")]
    table = first_table(root, names, spec)
    # Those of 2018 have no header
    has_header = first_values(table)[:1] == ["filename"]
    return read_rows(table, ("filename",), None if has_header else ("filename", "scene_label")).rows
