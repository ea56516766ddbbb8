"""Train supervised networks on labelled data, fold by fold.

One fold's run is a folder: config.json, metrics.jsonl (a line per epoch), last.safetensors, with early stopping
best.safetensors (both load as `NETWORK:FOLDER`), training.safetensors (everything to continue from). Several folds are
folders fold-NAME in one. The test fold is never learned from nor chosen by.
"""

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmasc.datasets.dataset import Dataset
from mmasc.devices import ProcessGroup, Session, join_processes, resolve_device
from mmasc.errors import MmascError
from mmasc.networks.network import Network
from mmasc.printing import counted
from mmasc.progress import one_by_one
from mmasc.storage.files import write_atomically
from mmasc.training.run_folder import claim_run
from mmasc.training.supervised.batches import Batches, check_stages
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.crops import Items
from mmasc.training.supervised.data import DataChoice, Sides, checked_sides, digest_of, noisy_clips, targets_for
from mmasc.training.supervised.hearing import channel_remark, load_clips
from mmasc.training.supervised.kept_tags import TAGS, ClipTags
from mmasc.training.supervised.pseudo_sources import digest_of_identities, identities_of, kept_digests
from mmasc.training.supervised.recipes import recipe as recipe_of
from mmasc.training.supervised.results import FoldResult, finished_fold, fold_result
from mmasc.training.supervised.run import Run
from mmasc.training.supervised.start import digest_of_weights, starting_network, with_noisy_head
from mmasc.training.supervised.student import ExtraTargets, HeldOutClips
from mmasc.training.supervised.tags import pseudo_labels_of, tag_arguments, tags_for
from mmasc.training.supervised.teacher import ask_teacher
from mmasc.version import __version__


class OptionError(ValueError):
    """An option is unknown or out of range."""


@dataclass(frozen=True)
class _Job:
    """What all folds of one call share."""

    table: Dataset
    session: Session
    processes: ProcessGroup
    checkpoint_seconds: float
    pause_at: int | None
    test_curve: bool
    progress: Callable[[int, int, str], None] | None
    tags: ClipTags | None
    pseudo: tuple[str, ...]  # identities of the taggers
    shown: set[str] = field(default_factory=set)

    def say_once(self, line: str) -> None:
        """Hand on a remark that holds for every fold."""
        if line and line not in self.shown:
            self.shown.add(line)
            self.session.say(line)


def train_network(
    network: str,
    data: str | Path,
    dataset: str,
    out: str | Path,
    folds: Sequence[str] = (),
    seed: int = 0,
    validation: str = "",
    features: str | None = None,
    recipe: str = "default",
    weights: str | Path | None = None,
    new_head: bool = False,
    arguments: Mapping[str, Any] | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    make_folds: int = 0,
    hold_out: str = "",
    per_class: int = 0,
    cache: str | Path | None = None,
    device: str = "cpu",
    checkpoint_seconds: float = 30.0,
    pause_at: int | None = None,
    test_curve: bool = False,
    tags: str | ClipTags = "",
    preset: str = "",
    remark: Callable[[str], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> list[FoldResult]:
    """Train a network on every fold asked for, or go on with runs that were begun; finished ones are left as they are.

    Args:
        network: A name of `mmasc.networks.registry.NETWORKS`.
        data: Path of the data set.
        dataset: Its kind, a name of `mmasc.datasets.DATASETS`.
        out: Folder of the run; of several folds, of their runs.
        folds: Each is left out once; default: all, or, for data without folds, one run on everything.
        seed: Random seed.
        validation: A fold or a share ("0.2") to validate on, never of the test fold; empty trains to the end.
        features: Another front end than the network's own, by name.
        recipe: Values of a name of `RECIPES`; `options` come on top.
        weights: File or run to begin from.
        new_head: Whether the last layer is made new, for other classes than those of `weights`.
        arguments: Arguments of the network's definition.
        dataset_options: Options of the reader.
        make_folds, hold_out, per_class: See `mmasc.training.supervised.data.DataChoice`.
        cache: Folder that keeps decoded waveforms from run to run; None keeps them in memory.
        device: As for `load_network`; under torchrun "cuda" is one for each process. The same weights to the bit need
            the same device, thread count and number of processes.
        checkpoint_seconds: Seconds from one checkpoint to the next.
        pause_at: Stop at this step, to continue later.
        test_curve: Score the test fold after every epoch, to look at and never to choose by.
        tags: Tags for a network that reads tags in addition to the sound: where they come from ("tagging:RUN",
            "prompts:NAME@ENCODER" or "cnn14:FILE", see `mmasc.training.supervised.tag_sources`), or tags of these
            clips.
        preset: Arguments of a cell of `mmasc.networks.tag_presets`, for such a network; `arguments` come on top.
        remark: Called with lines about what is being done.
        progress: Called with steps done, steps of all, and a line about epoch, loss and speed.
        options: Other fields of `SupervisedConfig`.
    Raises:
        MmascError: If data, network, fold or folder are not fit; what is in the folder stays usable.
        OptionError: If an option is unknown or out of range.
    """
    choice = DataChoice(dataset, data, dataset_options or {}, make_folds, hold_out, per_class)
    values = {**recipe_of(recipe), **_known(options)}
    processes, own_device = join_processes(device)
    session = Session(own_device, cache, remark if processes.first else None)
    table = choice.read()
    for line in table.remarks:
        session.say(line)
    read_tags = tags_for(network, tags, table, Path(out), session)
    arguments = tag_arguments(read_tags, preset, arguments or {})
    if values.get("noisy"):
        arguments = with_noisy_head(network, arguments)
    start, first = starting_network(network, table, features, weights, new_head, arguments, seed, read_tags)
    if table.multi_label:
        values.setdefault("loss", "bce")
    _check_loss(table, values.get("loss", "cross-entropy"))
    job = _Job(
        table=table,
        session=replace(session, device=str(resolve_device(own_device))),
        processes=processes,
        checkpoint_seconds=checkpoint_seconds,
        pause_at=pause_at,
        test_curve=test_curve,
        progress=progress if processes.first else None,
        tags=read_tags,
        pseudo=identities_of(values.get("pseudo", ()), own_device, kept_digests(Path(out))),
    )
    common = dict(
        network=network,
        features=first.features,
        arguments=dict(arguments),
        classes=first.classes,
        dataset=choice.kind,
        data=str(Path(choice.path).resolve()),
        dataset_options=dict(choice.options),
        make_folds=choice.make_folds,
        hold_out=choice.hold_out,
        per_class=choice.per_class,
        data_digest=digest_of(table),
        validation=validation,
        seed=seed,
        recipe=recipe,
        weights=str(weights or ""),
        weights_digest=digest_of_weights(weights),
        new_head=new_head,
        tags=read_tags.source if read_tags is not None else "",
        tags_identity=read_tags.identity if read_tags is not None else "",
        pseudo_identity=digest_of_identities(job.pseudo),
        **values,
    )
    wanted = [str(fold) for fold in folds] or table.folds or [""]
    # All folds are looked at before the first is trained.
    configs = [_configure({**common, "fold": fold}) for fold in wanted]
    runs = [(config, checked_sides(table, config)) for config in configs]
    place = Path(out)
    if len(runs) > 1 and (place / "config.json").exists():
        raise MmascError(f"{place} holds the run of one fold; several need another folder")
    return [
        _train_fold(job, config, sides, start(), place / f"fold-{config.fold}" if len(runs) > 1 else place)
        for config, sides in one_by_one("fold", runs)
    ]


def _train_fold(job: _Job, config: SupervisedConfig, sides: Sides, network: Network, folder: Path) -> FoldResult:
    check_stages(network, config)
    begun = job.processes.first and claim_run(folder, config)
    job.processes.wait()
    if (done := finished_fold(folder, config, sides)) is not None:
        job.session.say(f"{folder} is finished: {done.epoch} epochs")
        return done
    job.session.say(
        f"{'going on with' if begun else 'starting'} {folder}: {counted(len(sides.train), 'clip')} to learn from, "
        f"{len(sides.validation)} to validate on, {len(sides.test)} to test on"
        + (f", {len(sides.seen)} to test as seen" if len(sides.seen) else "")
    )
    if job.processes.first and not begun:
        _write_machine(folder, job)
    if job.tags is not None and job.processes.first and not (folder / TAGS).is_file():
        job.tags.save(folder / TAGS)
    run = _run_of(job, config, sides, network.to(job.session.device), folder)
    try:
        run.go(run.steps if job.pause_at is None else min(job.pause_at, run.steps))
    except KeyboardInterrupt:
        job.session.say(
            f"stopped at {run.step} of {run.steps}; the same command continues from step {run.saved_step} in {folder}"
        )
        raise
    return fold_result(folder, config, sides, {"step": run.step, **run.about()})


def _run_of(job: _Job, config: SupervisedConfig, sides: Sides, network: Network, folder: Path) -> Run:
    """The run of a fold, with its clips loaded and its teacher asked."""
    session, device = job.session, torch.device(job.session.device)
    paths = [job.table.paths[clip] for clip in sides.train]
    targets = targets_for(job.table, config.classes)
    items = Items(network, config, paths, targets[sides.train], device, session.cache)
    job.say_once(channel_remark(items.waveforms[0], network))

    def held_out(side: Int64[np.ndarray, " clip"]) -> HeldOutClips | None:
        chosen = [job.table.paths[clip] for clip in side]
        if not chosen or not job.processes.first:
            return None
        tags = None if job.tags is None else job.tags.rows[side]
        waveforms = load_clips(chosen, network, config.hearing, session.cache)
        return HeldOutClips(waveforms, targets[side], [str(path) for path in chosen], tags)

    noisy = noisy_clips(job.table, config.noisy)[sides.train] if config.noisy else None
    extra = ExtraTargets(teacher=ask_teacher(config, paths, session) if config.teacher else None)
    if job.tags is not None:
        extra = replace(extra, tags=torch.from_numpy(job.tags.rows[sides.train]).to(device))
    if noisy is not None and config.pseudo:
        extra = replace(extra, pseudo=_pseudo(job, config, paths, noisy))
    scored = {"validation": held_out(sides.validation), "test": held_out(sides.test) if job.test_curve else None}
    run = Run(config, folder, network, Batches(items, config, job.processes, noisy), job.processes, scored, extra)
    run.checkpoint_seconds = job.checkpoint_seconds
    if job.progress is not None:
        run.progress = job.progress
    return run


def _pseudo(job: _Job, config: SupervisedConfig, paths: Sequence[Path], noisy: Bool[np.ndarray, " clip"]) -> Tensor:
    """Soft labels of the noisy clips among those to learn from; zeros for the others, which are not asked about."""
    rows = np.zeros((len(paths), len(config.classes)), np.float32)
    asked = [path for path, item in zip(paths, noisy, strict=True) if item]
    job.session.say(f"soft labels of {len(asked)} noisy clips by {', '.join(config.pseudo)}")
    rows[noisy] = pseudo_labels_of(config.pseudo, asked, config.classes, config.pseudo_power, job.session, job.pseudo)
    return torch.from_numpy(rows).to(job.session.device)


def _check_loss(table: Dataset, loss: str) -> None:
    if table.multi_label and loss != "bce":
        raise MmascError(f"{table.root} has clips with several labels: the loss must be bce, got {loss}")


def _configure(values: Mapping[str, Any]) -> SupervisedConfig:
    try:
        return SupervisedConfig(**values)
    except ValueError as error:
        raise OptionError(str(error)) from error


def _known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [field.name for field in fields(SupervisedConfig)]
    odd = [name for name in options if name not in names]
    if odd:
        raise OptionError(f"unknown option {odd[0]!r}; there are: {', '.join(names)}")
    return options


def _write_machine(folder: Path, job: _Job) -> None:
    """What the run was made on; decides nothing."""
    device = torch.device(job.session.device)
    record = {
        "machine": platform.processor() or platform.machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": job.processes.size,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "mmasc": __version__,
    }
    write_atomically(folder / "machine.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
