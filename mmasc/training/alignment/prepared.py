"""Prepared crops of a table: mel power in steps, which crops are mixed, and the vectors of the teachers.

Made once, row by row, and kept in a folder by content; a row whose sound and partners are as they were is not made
again. Training then is a matter of picking rows of arrays.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Int, UInt8

from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.training.alignment.crops import (
    STEP_DECIBELS,
    CropRule,
    Recordings,
    decibels_of,
    draw_crops,
    draw_partners,
)
from mmasc.training.alignment.kept import keep, kept
from mmasc.training.alignment.readable import read_each
from mmasc.training.alignment.teachers import Teacher, targets_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """Crops of all rows, a row's next to each other.

    Attributes:
        paths: Files of the rows.
        decibels: Mel power in steps, as `decibels_of` gives it.
        row: Row of each crop.
        partner: Row of the sound that is mixed into it; -1 without one.
        weight: Weight of that sound.
        targets: Unit vectors of teachers by the teachers' names.
    """

    paths: list[Path]
    decibels: UInt8[np.ndarray, "crop mel frame"]
    row: Int[np.ndarray, " crop"]
    partner: Int[np.ndarray, " crop"]
    weight: Float32[np.ndarray, " crop"]
    targets: dict[str, Float16[np.ndarray, "crop dim"]]


def readable(
    paths: Sequence[Path],
    recordings: Recordings,
    strict: bool,
    progress: Progress | None = None,
    remark: Callable[[str], None] | None = None,
) -> list[int]:
    """Places of the files that can be read and hold sound; what is left out is said.

    Raises:
        MmascError: If one cannot be read and `strict`, or none can.
    """

    def heard(path: Path) -> None:
        if not recordings.samples(path).any():
            raise MmascError(f"{path} is silent; leave it out of the table")

    return list(read_each(paths, heard, strict, progress, remark))


def prepare(
    paths: Sequence[Path],
    rule: CropRule,
    seed: int,
    teachers: Sequence[Teacher],
    cache: Path,
    progress: Progress | None = None,
) -> Prepared:
    """Make the crops of a table, or take those that are kept.

    Args:
        paths: One a row; all of them readable.
        rule: How crops are made.
        seed: Seed of all chance.
        teachers: Who hears them.
        cache: Where crops and targets are kept.
        progress: Called with the number of rows done and their total.
    """
    recordings = Recordings(cache)
    n, each = len(paths), rule.each
    decibels = np.empty((n * each, MINI.n_mels, frames_of(rule)), np.uint8)
    partner, weight = np.empty(n * each, int), np.empty(n * each, np.float32)
    targets = {teacher.name: np.empty((n * each, teacher.dim), np.float16) for teacher in teachers}
    for row in range(n):
        part = slice(row * each, (row + 1) * each)
        made = prepare_row(row, paths, recordings, rule, seed, teachers, cache)
        decibels[part], partner[part], weight[part], heard = made
        for name, vectors in heard.items():
            targets[name][part] = vectors
        if progress is not None:
            progress(row + 1, n)
    return Prepared(list(paths), decibels, np.repeat(np.arange(n), each), partner, weight, targets)


def frames_of(rule: CropRule) -> int:
    """Frames of a crop."""
    return round(round(rule.seconds * MINI.sample_rate) / MINI.sample_rate / MINI.frame_seconds)


def prepare_row(
    row: int,
    paths: Sequence[Path],
    recordings: Recordings,
    rule: CropRule,
    seed: int,
    teachers: Sequence[Teacher],
    cache: Path,
) -> tuple[np.ndarray, list[int], np.ndarray, dict[str, np.ndarray]]:
    """Steps of decibels, partners, weights and targets by teacher of the crops of one row."""
    own = recordings.digest(paths[row])
    partners = draw_partners(row, len(paths), own, rule, seed)
    mixed = [recordings.digest(paths[other]) if other >= 0 else "" for other in partners]
    about = [asdict(rule), asdict(MINI), STEP_DECIBELS, seed, own, mixed]
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    place = cache / "crops" / key[:2] / key
    found = kept(place, {"decibels": (rule.each, MINI.n_mels, frames_of(rule)), "weight": (rule.each,)})
    crops = None
    if found is not None and isinstance(found[1].get("digest"), str):
        decibels, weight, digest = found[0]["decibels"], found[0]["weight"], found[1]["digest"]
    else:
        crops = draw_crops(row, paths, recordings, rule, seed)
        decibels, weight, digest = decibels_of(crops.samples), np.array(crops.weight, np.float32), crops.digest
        keep(place, {"decibels": decibels, "weight": weight}, {"kind": "mmasc-crops", "digest": digest})
    heard: dict[str, np.ndarray] = {}
    for teacher in teachers:
        vectors = targets_of(teacher, digest, rule.each, cache)
        if vectors is None:
            crops = crops or draw_crops(row, paths, recordings, rule, seed)
            vectors = targets_of(teacher, crops, rule.each, cache)
        assert vectors is not None
        heard[teacher.name] = vectors
    return decibels, partners, weight, heard
