"""Train an audio network towards a frozen text side, on a table of sounds and texts of your own.

The loss is a softmax over a bank of all texts (Radford et al. 2021, "CLIP", with a classifier's bank in place of the
batch), with targets softened towards similar texts, plus a cosine and, in training only, a plain class head.

A run is a folder: config.json, metrics.jsonl, last.safetensors and, with validation, best.safetensors (both load as
`mini:FOLDER`), training.safetensors (everything to continue from). All chance of a step comes from the seed and the
number of the step, so a run that was killed continues to exactly the same weights.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasc.devices import join_processes, resolve_device
from mmasc.encoders.mini_text import load_text_side
from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.networks.mini_config import MiniConfig
from mmasc.printing import counted
from mmasc.training.alignment.config import AUDIO_NETWORKS, MINIMUM_SECONDS, SPEEDS, AlignmentConfig
from mmasc.training.alignment.crop_rule import CropRule
from mmasc.training.alignment.mel_cache import Row, load_sounds, read_table, split_by_group
from mmasc.training.alignment.stage import AlignmentStage, Material
from mmasc.training.alignment.taught import TaughtStage
from mmasc.training.alignment.teaching import Lessons, teach
from mmasc.training.run_folder import claim_run


@dataclass(frozen=True)
class AlignmentResult:
    """What `train_alignment` leaves.

    Attributes:
        folder: Folder of the run; `load_encoder(f"mini:{folder}")` loads it.
        step: Where it is.
        steps: Where it ends; less than that means that it was told to pause.
        n_sounds: Sounds that it learns from.
        n_texts: Different texts among them.
        validation: Last validation: top1, top10, mrr over the texts of both tables; empty without.
    """

    folder: str
    step: int
    steps: int
    n_sounds: int
    n_texts: int
    validation: dict[str, float]


def train_alignment(
    data: str | Path,
    out: str | Path,
    text_column: str = "label",
    path_column: str = "path",
    group_column: str | None = None,
    validation: str | Path | None = None,
    validation_share: float = 0.0,
    audio: str = "mini",
    text: str = "mini",
    seed: int = 0,
    steps: int = 2400,
    cache: str | Path | None = None,
    device: str = "cpu",
    strict: bool = False,
    checkpoint_steps: int = 100,
    pause_at: int | None = None,
    remark: Callable[[str], None] | None = None,
    teacher: Sequence[str] = (),
    also: Sequence[str | Path] = (),
    start: str | Path | None = None,
    **options: Any,
) -> AlignmentResult:
    """Train, or continue a run that was begun; a finished run is left as it is.

    Args:
        data: CSV of sounds and texts; paths in it are relative to its folder.
        out: Folder of the run.
        text_column, path_column: Columns of the table.
        group_column: Rows of one group are never split over training and validation.
        validation: Another such CSV to validate on.
        validation_share: Or this share of `data`, by group.
        audio: Network to train, a key of `AUDIO_NETWORKS`.
        text: Text side: "mini", an encoder of the registry with text, or a table's file.
        seed: Random seed.
        steps: Number of optimiser steps.
        cache: Folder that keeps mel power from run to run.
        device: As for `load_encoder`; the same weights to the bit need the same device and thread count.
        strict: A sound that cannot be read is an error; otherwise it is left out, with a remark.
        checkpoint_steps: Steps from one checkpoint to the next.
        pause_at: Stop at this step, to continue later.
        remark: Called with lines about progress.
        teacher: Encoders whose vectors of the same crops are learned in addition to the texts; rows without a text are
            learned from them alone.
        also: Further tables with the columns of `data`, for runs with teachers: their crops are mixed among
            themselves, so that those of `data` need not be heard again.
        start: A run with the same teachers to begin from, instead of random weights; or weights alone: a file that a
            run exported, or "base" or "base-strict".
        options: Other fields of `AlignmentConfig`; `dropout` of the network; `crops_each`, how many crops of a
            recording teachers hear; `crops_seed`, the seed of the crops where runs of several seeds are to learn from
            the same.
    Raises:
        MmascError: If the table or the folder is not fit.
        ValueError: If an option is out of range.
    """
    processes, own_device = join_processes(device)
    say = remark if remark is not None and processes.first else _silent
    columns = path_column, text_column, group_column
    text_side = load_text_side(text)
    rows, held_back = _rows(data, validation, validation_share, seed, columns, bool(teacher))
    dropout = options.pop("dropout", MiniConfig.dropout)
    shape = MiniConfig(n_mels=MINI.n_mels, channels=_network(audio), dim=text_side.dim, dropout=dropout)
    each, crops_seed = options.pop("crops_each", CropRule.each), options.pop("crops_seed", seed)
    material: Material
    if teacher:
        tables = [rows, *(read_table(Path(one), *columns, textless=True) for one in also)]
        kept = Path(cache) if cache else Path(out) / ".crops"
        lessons = Lessons(teacher, kept, crops_seed, strict, own_device, start, each)
        taught = teach(tables, held_back, lessons, text_side, options, say)
        material = taught.material
        shape, options = taught.shape(shape), taught.options
    elif also or start is not None:
        raise MmascError("also and start are for runs with teachers: name one with --teacher")
    else:
        material = _material(rows, held_back, cache, strict, say)
    if not material.rows:
        raise MmascError(f"no sound of {data} can be read; nothing to learn from")
    config = AlignmentConfig(
        data=_digest(material.rows, material.digests),
        validation=_digest(material.held_back, material.digests) if material.held_back else "",
        audio=audio,
        text=text_side.name,
        seed=seed,
        steps=steps,
        network=shape,
        **options,
    )
    processes.share(config.batch, "sounds")
    folder = Path(out)
    begun = processes.first and claim_run(folder, config)
    processes.wait()
    n_texts = len({row.text for row in material.rows if row.text})
    say(
        f"{'going on with' if begun else 'starting'} {folder}: {counted(len(material.rows), 'sound')}, "
        f"{n_texts} texts, {steps} steps"
    )
    kind: type[AlignmentStage] = TaughtStage if teacher else AlignmentStage
    stage = kind(config, folder, material, text_side, resolve_device(own_device), processes, say)
    stage.checkpoint_steps = checkpoint_steps
    stage.go(steps if pause_at is None else min(pause_at, steps))
    return AlignmentResult(str(folder), stage.step, steps, len(material.rows), len(stage.texts), stage.validation)


def _rows(
    data: str | Path,
    validation: str | Path | None,
    validation_share: float,
    seed: int,
    columns: tuple[str, str, str | None],
    textless: bool,
) -> tuple[list[Row], list[Row]]:
    """Sounds and texts to learn from, and those to validate on: of another table, or a share of this one."""
    rows = read_table(Path(data), *columns, textless=textless)
    if validation is not None:
        return rows, read_table(Path(validation), *columns)
    return split_by_group(rows, validation_share, seed) if validation_share else (rows, [])


def _material(
    rows: list[Row], held_back: list[Row], cache: str | Path | None, strict: bool, say: Callable[[str], None]
) -> Material:
    """The sounds of all rows, as mel power; rows whose sound cannot be read are left out."""
    sounds = load_sounds(
        [row.path for row in rows + held_back],
        MINI,
        SPEEDS,
        MINIMUM_SECONDS,
        Path(cache) if cache else None,
        _every(say, 100),
        strict,
        say,
    )
    readable, validated = ([row for row in part if row.path in sounds] for part in (rows, held_back))
    return Material(readable, validated, sounds)


def _network(name: str) -> tuple[int, int, int, int]:
    if name not in AUDIO_NETWORKS:
        raise MmascError(f"unknown network {name!r}; there are: {', '.join(sorted(AUDIO_NETWORKS))}")
    return AUDIO_NETWORKS[name]


def _digest(rows: Sequence[Row], digests: Mapping[Path, str]) -> str:
    # In their order, because it decides which of them a seed draws.
    lines = [f"{digests[row.path]} {row.text}" for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _silent(line: str) -> None:
    pass


def _every(say: Callable[[str], None], n: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done % n == 0 or done == total:
            say(f"mel power of {done} of {total} sounds")

    return progress
