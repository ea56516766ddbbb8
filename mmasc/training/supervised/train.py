"""Train supervised networks on labelled data, fold by fold.

One fold's run is a folder: config.json, metrics.jsonl (a line per epoch), last.safetensors, with early stopping
best.safetensors (both load as `NETWORK:FOLDER`), training.safetensors (everything to continue from). Several folds are
folders fold-NAME in one. The test fold is never learned from nor chosen by.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from mmasc.datasets.dataset import Dataset
from mmasc.devices import World, join_world, resolve_device
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.network import Network
from mmasc.networks.registry import NETWORKS, network_class
from mmasc.storage.files import write_atomically
from mmasc.storage.tensors import load_tensors
from mmasc.training.run_folder import claim_run
from mmasc.training.supervised.batches import Batches, check_stages
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.crops import Items
from mmasc.training.supervised.data import Sides, checked_sides, digest_of, noisy_clips, read_data, targets_for
from mmasc.training.supervised.hearing import channel_remark, load_clips
from mmasc.training.supervised.recipes import recipe as recipe_of
from mmasc.training.supervised.run import Beside, Run, Scored
from mmasc.training.supervised.tag_sources import TAGS, ClipTags, identities_of
from mmasc.training.supervised.tags import check_vocabulary, pseudo_labels_of, tag_arguments, tags_for
from mmasc.training.supervised.teacher import ask_teacher
from mmasc.version import __version__


class OptionError(ValueError):
    """An option is unknown or out of range."""


@dataclass(frozen=True)
class FoldResult:
    """What a run of one fold leaves.

    Attributes:
        folder: `load_network(f"{network}:{folder}")` loads it.
        fold: Fold that was not learned from; empty where there is none.
        step: Where it is.
        steps: Where it would end; less than that after a pause or early stopping.
        epoch: Epochs that are done.
        n_train, n_validation, n_test: Clips on the sides.
        clips_per_second: Clips per second of the last epoch.
        seconds: So far, validation among them.
        measured: Values of the last epoch: loss, validation_accuracy, validation_loss, test_accuracy where there are
            such.
    """

    folder: str
    fold: str
    step: int
    steps: int
    epoch: int
    n_train: int
    n_validation: int
    n_test: int
    clips_per_second: float
    seconds: float
    measured: dict[str, float]


@dataclass(frozen=True)
class _Job:
    """What all folds of one call share."""

    network: str
    table: Dataset
    cache: str | Path | None
    device: torch.device
    world: World
    checkpoint_seconds: float
    pause_at: int | None
    test_curve: bool
    say: Callable[[str], None]
    progress: Callable[[int, int, str], None] | None
    tags: ClipTags | None
    said: set[str] = field(default_factory=set)

    def say_once(self, line: str) -> None:
        """A remark that holds for every fold."""
        if line and line not in self.said:
            self.said.add(line)
            self.say(line)


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
        make_folds, hold_out, per_class: See `read_data`.
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
    values = {**recipe_of(recipe), **_known(options)}
    world, own_device = join_world(device)
    table = read_data(dataset, data, dataset_options or {}, make_folds, hold_out, per_class)
    say = remark if remark is not None and world.first else _silence
    for line in table.remarks:
        say(line)
    told = tags_for(network, tags, table, Path(out), cache, own_device, say)
    arguments = tag_arguments(told, preset, arguments or {})
    if values.get("noisy"):
        arguments = _with_noisy_head(network, arguments)
    start, first = _start(network, table, features, weights, new_head, arguments, seed, told)
    if table.multi_label:
        values.setdefault("loss", "bce")
    _check_loss(table, values.get("loss", "cross-entropy"))
    job = _Job(
        *(network, table, cache, resolve_device(own_device), world, checkpoint_seconds, pause_at, test_curve, say),
        progress if world.first else None,
        told,
    )
    common = dict(
        network=network,
        features=first.features,
        arguments=dict(arguments),
        classes=first.classes,
        dataset=dataset,
        data=str(Path(data).resolve()),
        dataset_options=dict(dataset_options or {}),
        make_folds=make_folds,
        hold_out=hold_out,
        per_class=per_class,
        data_digest=digest_of(table),
        validation=validation,
        seed=seed,
        recipe=recipe,
        weights=str(weights or ""),
        weights_digest=_digest_of_weights(weights),
        new_head=new_head,
        tags=told.source if told is not None else "",
        tags_identity=told.identity if told is not None else "",
        pseudo_identity=identities_of(values.get("pseudo", ()), own_device),
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
        for config, sides in runs
    ]


def _train_fold(job: _Job, config: SupervisedConfig, sides: Sides, network: Network, folder: Path) -> FoldResult:
    check_stages(network, config)
    paths = job.table.paths
    targets = targets_for(job.table, config.classes)
    begun = False
    if job.world.first:
        begun = claim_run(folder, config)
    job.world.wait()
    done = _finished(folder, config, sides)
    if done is not None:
        job.say(f"{folder} is finished: {done.epoch} epochs")
        return done
    job.say(
        f"{'going on with' if begun else 'starting'} {folder}: {len(sides.train)} clips to learn from, "
        f"{len(sides.validation)} to validate on, {len(sides.test)} to test on"
        + (f", {len(sides.seen)} to test as seen" if len(sides.seen) else "")
    )
    if job.world.first and not begun:
        _write_machine(folder, job)
    if job.tags is not None and job.world.first and not (folder / TAGS).is_file():
        job.tags.save(folder / TAGS)
    network = network.to(job.device)
    items = Items(network, config, [paths[clip] for clip in sides.train], targets[sides.train], job.device, job.cache)
    job.say_once(channel_remark(items.waveforms[0], network))
    teaching = None
    if config.teacher:
        teaching = ask_teacher(config, [paths[clip] for clip in sides.train], job.cache, job.device)

    def scored(side: Any) -> Scored | None:
        chosen = [paths[clip] for clip in side]
        if not chosen or not job.world.first:
            return None
        tags = None if job.tags is None else job.tags.rows[side]
        waveforms = load_clips(chosen, network, config, job.cache)
        return Scored(waveforms, targets[side], [str(path) for path in chosen], tags)

    beside = Beside()
    if job.tags is not None:
        beside = Beside(tags=torch.from_numpy(job.tags.rows[sides.train]).to(job.device))
    noisy = noisy_clips(job.table, config.noisy)[sides.train] if config.noisy else None
    if noisy is not None and config.pseudo:
        beside = Beside(pseudo=_pseudo(job, config, [paths[clip] for clip in sides.train], noisy))
    run = Run(
        config,
        folder,
        network,
        Batches(items, config, job.world, noisy),
        scored(sides.validation),
        scored(sides.test) if job.test_curve else None,
        teaching,
        job.world,
        beside,
    )
    try:
        run.checkpoint_seconds = job.checkpoint_seconds
        if job.progress is not None:
            run.progress = job.progress
        run.go(run.steps if job.pause_at is None else min(job.pause_at, run.steps))
    except KeyboardInterrupt:
        job.say(
            f"stopped at {run.step} of {run.steps}; the same command continues from step {run.saved_step} in {folder}"
        )
        raise
    return _result(folder, config, sides, run.step, run.steps, run.epoch, run.seconds, run.measured)


def _with_noisy_head(network: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if network in NETWORKS and not hasattr(network_class(NETWORKS[network]), "both"):
        raise MmascError(f"{network} has no head for noisy labels: leave out noisy, or train tagging")
    return {**arguments, "noisy_head": True}


def _pseudo(job: _Job, config: SupervisedConfig, paths: Sequence[Path], noisy: Bool[np.ndarray, " clip"]) -> Tensor:
    """Soft labels of the noisy clips among those to learn from; zeros for the others, which are not asked about."""
    rows = np.zeros((len(paths), len(config.classes)), np.float32)
    asked = [path for path, one in zip(paths, noisy, strict=True) if one]
    job.say(f"soft labels of {len(asked)} noisy clips by {', '.join(config.pseudo)}")
    rows[noisy] = pseudo_labels_of(
        *(config.pseudo, asked, config.classes, config.pseudo_power, job.cache, str(job.device))
    )
    return torch.from_numpy(rows).to(job.device)


def _finished(folder: Path, config: SupervisedConfig, sides: Sides) -> FoldResult | None:
    """The result of a run that came to its end, and has its weights; None of any other."""
    if not (folder / "training.safetensors").is_file() or not (folder / "last.safetensors").is_file():
        return None
    _, about = load_tensors(folder / "training.safetensors")
    if about.get("kind") != "mmasc-supervised-training" or not (about["stopped"] or about["step"] == about["steps"]):
        return None
    return _result(
        *(folder, config, sides, about["step"], about["steps"], about["epoch"], about["seconds"], about["measured"])
    )


def _result(
    folder: Path,
    config: SupervisedConfig,
    sides: Sides,
    step: int,
    steps: int,
    epoch: int,
    seconds: float,
    measured: Mapping[str, float],
) -> FoldResult:
    rest = {name: value for name, value in measured.items() if name != "clips_per_second"}
    speed = measured.get("clips_per_second", 0.0)
    counts = len(sides.train), len(sides.validation), len(sides.test)
    return FoldResult(str(folder), config.fold, step, steps, epoch, *counts, speed, round(seconds, 3), rest)


def _start(
    name: str,
    table: Dataset,
    features: str | None,
    weights: str | Path | None,
    new_head: bool,
    arguments: Mapping[str, Any],
    seed: int,
    tags: ClipTags | None,
) -> tuple[Callable[[], Network], Network]:
    """How to make the network that every fold begins from, and one of them."""
    if name not in NETWORKS:
        raise MmascError(f"unknown network {name!r}; there are: {', '.join(sorted(NETWORKS))}")
    if weights is None:
        if new_head:
            raise MmascError("a new head needs weights to stand on: give --weights FILE, or leave out --new-head")

        def fresh() -> Network:
            return _make(name, table, features, seed, arguments)

        return fresh, fresh()
    source = load_network(f"{name}:{weights}")
    check_vocabulary(source, tags, str(weights))
    if features is not None and features != source.features:
        raise MmascError(f"{weights} was trained on features {source.features!r}: leave out --features {features}")
    if not new_head:
        unknown = [label for label in table.classes if label not in source.classes]
        if unknown:
            known = ", ".join(source.classes[:12]) or "not said in the file"
            raise MmascError(
                f"{weights} does not know {', '.join(unknown[:5])}; its classes are {known}: say --new-head to learn a "
                "last layer for these"
            )
        return (lambda: load_network(f"{name}:{weights}")), source

    def headed() -> Network:
        made = _make(name, table, source.features, seed, arguments)
        own = made.body.state_dict()
        kept = {
            key: value
            for key, value in source.body.state_dict().items()
            if not key.startswith(f"{made.body.head}.") and key in own and own[key].shape == value.shape
        }
        lacking = [key for key in own if key not in kept and not key.startswith(f"{made.body.head}.")]
        if lacking:
            raise MmascError(
                f"{weights} does not fit {name} with these arguments: {len(lacking)} weights differ ({lacking[0]} ...)"
            )
        made.body.load_state_dict(kept, strict=False)
        return made

    return headed, headed()


def _make(name: str, table: Dataset, features: str | None, seed: int, arguments: Mapping[str, Any]) -> Network:
    """A network with fresh weights for the classes of the data."""
    try:
        return load_network(name, classes=table.classes, features=features, seed=seed, arguments=dict(arguments))
    except (TypeError, ValueError) as error:
        raise MmascError(f"{name} cannot be made with these features and arguments: {error}") from error


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


def _digest_of_weights(weights: str | Path | None) -> str:
    if weights is None:
        return ""
    path = Path(weights)
    if path.is_dir():
        path = next((path / name for name in ("best.safetensors", "last.safetensors") if (path / name).is_file()), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.is_file() else ""


def _write_machine(folder: Path, job: _Job) -> None:
    """What the run was made on; decides nothing."""
    device = job.device
    record = {
        "machine": platform.processor() or platform.machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": job.world.size,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "mmasc": __version__,
    }
    write_atomically(folder / "machine.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def _silence(_line: str) -> None:
    """Says nothing."""
