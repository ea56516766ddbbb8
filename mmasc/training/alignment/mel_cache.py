"""A table of files and texts, and the mel power of the files at several speeds, computed once and kept.

What is kept is keyed by the content of the file and by the front end, so a moved file is found again and a changed
one is not mistaken for the old.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, Float32

from mmasc.audio import load_audio, resample
from mmasc.errors import MmascError
from mmasc.features import LogMel, LogMelConfig
from mmasc.storage import tables
from mmasc.storage.files import make_folders
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.storage.texts import listed
from mmasc.training.alignment.augment import power_of
from mmasc.training.alignment.readable import read_each

# Mel power is kept in decibels below the file's peak: float16 then errs by at most 0.05 dB.
_POWER_FLOOR = 1e-12


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        path: Path of the sound.
        text: What it is.
        group: Rows of one group (an uploader, a place) never stand on both sides of a split; the path where the
            table names no group.
    """

    path: Path
    text: str
    group: str


def read_table(
    path: Path, path_column: str, text_column: str, group_column: str | None = None, textless: bool = False
) -> list[Row]:
    """Rows of a CSV; paths in it are relative to its own folder.

    Args:
        path: The CSV.
        path_column, text_column, group_column: Its columns.
        textless: Rows without a text are taken too.
    Raises:
        MmascError: If the table or a file in it is missing, a column is unknown (those that are there are named), or
            a row has no text.
    """
    table = tables.read_table(path)
    table.need(path_column, *([] if textless and text_column in table.columns else [text_column]))
    if group_column is not None and group_column not in table.columns:
        raise MmascError(f"{path} has no column {group_column!r}; its columns are {listed(table.columns)}")
    rows = []
    for row in table.rows:
        name = row[path_column]
        sound = path.parent / name
        if not os.path.isfile(sound):
            sound = path.parent / name.replace("\\", "/")  # written on Windows
        if not os.path.isfile(sound):
            raise MmascError(f"{path}, line {row.line}: {sound} does not exist; fix the column {path_column!r}")
        rows.append(Row(sound, row[text_column], (row[group_column] or name) if group_column else name))
    return rows


def split_by_group(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows for training and rows for validation, no group on both sides.

    Args:
        rows: All of them.
        share: About this share of the rows is for validation, in (0, 1).
        seed: Which groups.
    Raises:
        ValueError: If the share is outside (0, 1).
        MmascError: If there are too few groups to split.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    groups = sorted({row.group for row in rows})
    chosen: set[str] = set()
    n_chosen = 0
    for number in np.random.default_rng(seed).permutation(len(groups)):
        n_more = sum(row.group == groups[number] for row in rows)
        if n_chosen and n_chosen + n_more > 1.1 * share * len(rows):
            continue
        chosen.add(groups[number])
        n_chosen += n_more
        if n_chosen >= share * len(rows):
            break
    kept = [row for row in rows if row.group not in chosen]
    if not kept or not chosen:
        raise MmascError(f"the table has {len(groups)} groups, too few to hold back {share:.0%}; give another column")
    return kept, [row for row in rows if row.group in chosen]


@dataclass(frozen=True)
class Sound:
    """Mel power of a file in decibels, once for every speed; the first is the speed as recorded."""

    digest: str
    decibels: tuple[Float16[np.ndarray, "mel _"], ...]

    @cached_property
    def loudness(self) -> tuple[Float32[np.ndarray, " frame"], ...]:
        """Power over all bands in decibels, for every speed."""
        return tuple(10 * np.log10(power_of(decibels).sum(0)) for decibels in self.decibels)


def load_sounds(
    paths: Sequence[Path],
    front_end: LogMelConfig,
    speeds: Sequence[float],
    minimum_seconds: float,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    strict: bool = True,
    remark: Callable[[str], None] | None = None,
) -> dict[Path, Sound]:
    """Mel power of files; equal paths are read once.

    Args:
        paths: Sounds.
        front_end: Without a logarithm.
        speeds: Speeds of play, the first being 1; pitch changes with them, as on a tape.
        minimum_seconds: Shorter recordings are padded with zeros at the end, as at inference.
        cache: A folder where the result is kept from run to run; None keeps nothing.
        progress: Called with the number done and the total.
        strict: A file that cannot be read is an error; otherwise it is left out.
        remark: Called with the message about a file that was left out.
    Raises:
        MmascError: If a file cannot be read and `strict`, or none can.
    """
    module = LogMel(front_end)
    key = json.dumps([asdict(front_end), list(speeds), minimum_seconds], sort_keys=True)
    distinct = list(dict.fromkeys(paths))

    def read(path: Path) -> Sound:
        return _load_sound(path, module, speeds, minimum_seconds, key, cache)

    found = read_each(distinct, read, strict, progress, remark)
    return {distinct[number]: sound for number, sound in found.items()}


def _load_sound(
    path: Path, module: LogMel, speeds: Sequence[float], minimum_seconds: float, key: str, cache: Path | None
) -> Sound:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = None
    if cache is not None:
        kept = cache / digest[:2] / f"{digest[:32]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        if kept.exists():
            tensors, _ = load_tensors(kept)
            return Sound(digest, tuple(tensors[str(number)].numpy() for number in range(len(speeds))))
    waveform, rate = load_audio(path)
    # Relative to the peak, so that float16 has the same room for every recording
    samples = waveform.numpy() / max(float(waveform.abs().max()), 1e-6)
    decibels = []
    for speed in speeds:
        played = resample(samples, round(rate * speed), module.config.sample_rate)[0]
        missing = max(0, round(minimum_seconds * module.config.sample_rate) - len(played))
        with torch.inference_mode():
            power = module.mel(torch.from_numpy(np.pad(played, (0, missing)))[None])[0]
        # In one order of memory, kept or just computed: sums over it round alike then.
        decibels.append((10 * power.clamp_min(_POWER_FLOOR).log10()).half().contiguous().numpy())
    if kept is not None:
        make_folders(kept.parent)
        tensors = {str(number): torch.from_numpy(values) for number, values in enumerate(decibels)}
        save_tensors(kept, tensors, {"kind": "mmasc-mel", "key": json.loads(key)})
    return Sound(digest, tuple(decibels))
