"""A subset of AudioSet (Gemmeke et al. 2017) that somebody has on disk: ten-second clips with several labels each."""

import os
from collections.abc import Sequence
from pathlib import Path

from mmasc.datasets import DatasetSpec
from mmasc.datasets.dataset import Clip, Dataset
from mmasc.datasets.reading import first_table, on_disk, read_rows
from mmasc.errors import MmascError

_COLUMNS = ("clip", "start_seconds", "end_seconds", "positive_labels")
_TEST = "eval"


def read_audioset(
    path: str | os.PathLike[str],
    spec: DatasetSpec,
    labels: Sequence[str] | None = None,
    missing: str = "skip",
) -> Dataset:
    """Clips of all `*_segments.csv`; those of `eval_segments.csv` are the fold "eval", the others are learnt from.

    Files may lie anywhere in the folder and be called after the clip alone or with its times, as the usual tools for
    fetching do: ID.wav, YID.wav, ID_30.000.wav, ID_30000.wav, ID_30.000_40.000.wav, ID_30000_40000.flac ...

    Args:
        path: The folder that holds the tables.
        spec: Specification from the registry.
        labels: Take only these (names or codes such as /m/09x0r) and the clips that have one; default: all.
        missing: "skip" (hardly anybody has all of it) or "fail".
    """
    root = Path(path)
    ontology = first_table(root, ("class_labels_indices.csv", "metadata/class_labels_indices.csv"), spec)
    name_of = {row["mid"]: row["display_name"] for row in read_rows(ontology, ("index", "mid", "display_name")).rows}
    chosen = _chosen(labels, name_of, ontology)
    tables = sorted([*root.glob("*_segments.csv"), *root.glob("metadata/*_segments.csv")])
    if not tables:
        first_table(root, ("balanced_train_segments.csv", "eval_segments.csv"), spec)
    files = _files_by_stem(root)
    clips: dict[str, Clip] = {}
    for table in tables:
        part = table.name.removesuffix("_segments.csv")
        for row in read_rows(table, _COLUMNS, _COLUMNS).rows:
            codes = [code.strip() for code in row["positive_labels"].strip('"').split(",") if code.strip()]
            strange = [code for code in codes if code not in name_of]
            if strange:
                raise MmascError(f"{table}: {row['clip']} has label {strange[0]}, which is not in {ontology}")
            names = tuple(dict.fromkeys(name_of[code] for code in codes if name_of[code] in chosen))
            if not names:
                continue
            if row["clip"] in clips:
                raise MmascError(f"{table}: {row['clip']} is in another table as well; keep it in one")
            clips[row["clip"]] = Clip(
                path=_file(files, row, root, table),
                labels=names,
                fold=_TEST if part == _TEST else "",
                split=part,
                group=row["clip"],
                columns={"start_seconds": row["start_seconds"], "end_seconds": row["end_seconds"]},
            )
    if not clips:
        raise MmascError(f"{root}: no clip has one of the labels asked for; there are {len(name_of)} in {ontology}")
    kept, remarks = on_disk(list(clips.values()), root, missing)
    classes = tuple(name for name in dict.fromkeys(name_of.values()) if name in chosen)
    return Dataset(spec.kind, root, kept, classes, True, remarks)


def _chosen(labels: Sequence[str] | None, name_of: dict[str, str], ontology: Path) -> set[str]:
    if labels is None:
        return set(name_of.values())
    names = {name_of.get(label, label) for label in labels}
    strange = sorted(names - set(name_of.values()))
    if strange:
        raise MmascError(f"{ontology} has no label {strange[0]!r}; names are those of its column display_name")
    return names


def _files_by_stem(root: Path) -> dict[str, Path]:
    from mmasc.audio import find_audio

    return {file.stem: file for file in find_audio(root)}


def _file(files: dict[str, Path], row: dict[str, str], root: Path, table: Path) -> Path:
    """The file of a clip; where it has none, the name that it would have."""
    clip = row["clip"]
    try:
        start, end = float(row["start_seconds"]), float(row["end_seconds"])
    except ValueError as error:
        raise MmascError(f"{table}: {clip} has times {row['start_seconds']!r} and {row['end_seconds']!r}") from error
    times = [f"_{start:.3f}", f"_{start:.0f}", f"_{start * 1000:.0f}"]
    ends = [f"_{end:.3f}", f"_{end:.0f}", f"_{end * 1000:.0f}"]
    endings = ["", *times, *[one + other for one, other in zip(times, ends, strict=True)]]
    for stem in (prefix + clip + ending for prefix in ("", "Y") for ending in endings):
        if stem in files:
            return files[stem]
    return root / "audio" / f"{clip}.wav"
