"""Train imagined visual features on sounds with pictures: first the VQ-VAE of the pictures, then what writes its codes.

A run is a folder with a folder for each stage, `vqvae` and `ivf`: config.json, metrics.jsonl, last.safetensors,
training.safetensors (everything to continue from) and pictures/. `load_encoder("ivf:RUN")` loads it.

Papers: Liu et al. 2021, "Cross-modal spectrum transformation network for acoustic scene classification", ICASSP; van
den Oord et al. 2017, arXiv:1711.00937; Gulrajani et al. 2017, arXiv:1704.00028.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasc.devices import World, join_world, resolve_device
from mmasc.errors import MmascError
from mmasc.ivf.critic import CriticConfig
from mmasc.ivf.imagination import Variant
from mmasc.ivf.pairs import PairConfig, Pairs, prepare_pairs, read_sources, split_sources
from mmasc.ivf.transformation import TransformationConfig
from mmasc.ivf.vqvae import CodebookRule, VqVaeConfig, fitting_halvings
from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import load_tensors
from mmasc.training.ivf.config import ImaginationRun, Precision, VqVaeRun
from mmasc.training.ivf.stage import PairStage, file_digest, pairs_digest
from mmasc.training.ivf.transformation import ImaginationStage
from mmasc.training.ivf.vqvae import VqVaeStage
from mmasc.training.run_folder import read_config
from mmasc.training.stage import Say


@dataclass(frozen=True)
class IvfResult:
    """What a training leaves.

    Attributes:
        folder: Folder of the run; `load_encoder(f"ivf:{folder}")` loads it once both stages are there.
        steps: Done, by stage.
        n_sources: Number of sources that were learned from.
        n_held_back: Number of sources that were held back.
        faults: One line for each source that was left out or only partly read.
        validation: Latest figures on what was held back, by stage.
    """

    folder: str
    steps: dict[str, int]
    n_sources: int
    n_held_back: int
    faults: list[str]
    validation: dict[str, dict[str, float]]


def train_vqvae(
    pairs: str | Path,
    out: str | Path,
    size: int = 64,
    steps: int = 3_000,
    seed: int = 0,
    cache: str | Path | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop: int | None = None,
    group_column: str | None = None,
    frames_per_second: float = 4.0,
    window_seconds: float = 0.96,
    validation_share: float = 0.1,
    batch: int = 32,
    learning_rate: float = 1e-3,
    beta: float = 0.25,
    warm_steps: int | None = None,
    precision: Precision = "float32",
    codes: int = 512,
    dim: int = 64,
    halvings: int | None = None,
    codebook: CodebookRule = "ema",
    report_steps: int = 50,
    checkpoint_steps: int = 200,
    picture_steps: int = 500,
    remark: Say = print,
    progress: Callable[[int, int], None] | None = None,
) -> IvfResult:
    """Train the VQ-VAE of a run on the frames of pairs; a run that was stopped continues.

    Args:
        pairs: Folder of films, or table; see `read_sources`.
        out: Folder of the run.
        size: Height and width of pictures.
        steps: Number of optimiser steps.
        seed: Random seed.
        cache: Where decoded pairs are kept; default: a folder in the run.
        workers: Processes that decode.
        device: "cpu", "cuda", "auto" ...
        stop: Stop at this step, to continue later.
        group_column: Column of a table: rows that share it are never split.
        frames_per_second: Frames per second of a film, at most.
        window_seconds: Seconds of sound that goes with a frame.
        validation_share: Share of the groups that are held back.
        batch: Frames per step.
        learning_rate: Learning rate of Adam.
        beta: Weight of the commitment term of equation (2).
        warm_steps: First steps without a codebook; default: a tenth.
        precision: "float32" or "bf16".
        codes: K, vectors of the codebook.
        dim: D, numbers of a vector.
        halvings: Number of halvings of a picture; default: those of `fitting_halvings`.
        codebook: How it learns, "ema" or "gradient".
        report_steps: Steps between lines of progress.
        checkpoint_steps: Steps between states to continue from.
        picture_steps: Steps between pictures.
        remark: Called with every line.
        progress: Called while pairs are decoded.
    Raises:
        MmascError: If pairs cannot be used, or the folder holds another run.
    """
    network = VqVaeConfig(size, halvings or fitting_halvings(size), codes=codes, dim=dim, codebook=codebook)
    world, device = join_world(device)
    config = PairConfig(size, window_seconds=window_seconds, frames_per_second=frames_per_second)
    prepared = _prepare(pairs, out, config, cache, workers, group_column, world, remark, progress)
    learned, held = split_sources(prepared.sources, validation_share, seed)
    run = VqVaeRun(
        pairs_digest(prepared.sources, held),
        config,
        network,
        validation_share,
        seed,
        steps,
        steps // 10 if warm_steps is None else warm_steps,
        batch,
        learning_rate,
        beta,
        precision,
    )
    stage = VqVaeStage(Path(out) / "vqvae", run, prepared, learned, held, resolve_device(device), world, remark)
    _go(stage, stop, report_steps, checkpoint_steps, picture_steps)
    done, figures = {"vqvae": stage.step}, {"vqvae": stage.validation}
    return IvfResult(str(out), done, len(learned), len(held), prepared.faults, figures)


def train_ivf(
    pairs: str | Path,
    out: str | Path,
    size: int | None = None,
    steps: int = 3_000,
    seed: int = 0,
    cache: str | Path | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop: int | None = None,
    group_column: str | None = None,
    variant: Variant = "index",
    batch: int = 32,
    adam: str = "default",
    learning_rate: float = 0.0,
    critic_weight: float = 0.01,
    critic_steps: int = 1,
    penalty: float = 10.0,
    imagined: str = "soft",
    precision: Precision = "float32",
    network: TransformationConfig | None = None,
    critic: CriticConfig | None = None,
    report_steps: int = 50,
    checkpoint_steps: int = 200,
    picture_steps: int = 500,
    remark: Say = print,
    progress: Callable[[int, int], None] | None = None,
    vqvae: Mapping[str, Any] | None = None,
) -> IvfResult:
    """Train all stages that a run lacks: the VQ-VAE, unless it is whole, then the transformation network.

    Args:
        pairs: Folder of films, or table; see `read_sources`.
        out: Folder of the run.
        size: Height and width of pictures; default: that of the run's VQ-VAE, else 64.
        steps: Number of steps of the transformation network.
        seed: Random seed.
        cache: Where decoded pairs are kept; default: a folder in the run.
        workers: Processes that decode.
        device: "cpu", "cuda", "auto" ...
        stop: Stop at this step of the transformation network, to continue later.
        group_column: Column of a table: rows that share it are never split.
        variant: "index", "q" or "no-vq": what the transformation network writes.
        batch: Pairs per step.
        adam: Name of rate and decay rates: "default", "wgan-gp", or "paper", which are not usable values.
        learning_rate: Learning rate of the transformation network; 0 takes that of `adam`.
        critic_weight: Weight of the critic's term; 0 trains without a critic.
        critic_steps: Steps of the critic for each step.
        penalty: Lambda of equation (3).
        imagined: "soft" or "straight-through" vectors before the critic.
        precision: "float32" or "bf16".
        network: The transformation network.
        critic: Its critic.
        report_steps: Steps between lines of progress.
        checkpoint_steps: Steps between states to continue from.
        picture_steps: Steps between pictures.
        remark: Called with every line.
        progress: Called while pairs are decoded.
        vqvae: Options of `train_vqvae`, by name, for a VQ-VAE that is still to be begun; steps, batch and precision
            are those above unless they are given here.
    Raises:
        MmascError: If pairs cannot be used, or the folder holds another run.
    """
    folder = Path(out) / "vqvae"
    told = not _is_whole(folder)  # the first stage says what is wrong with pairs
    if told:
        options: dict[str, Any] = {"size": size or 64, "steps": steps, "seed": seed}
        options |= {"batch": batch, "precision": precision} | dict(vqvae or {})
        if (folder / "config.json").exists():
            options = _options_of(_vqvae_run(folder))
        train_vqvae(
            pairs, out, cache=cache, workers=workers, device=device, group_column=group_column,
            report_steps=report_steps, checkpoint_steps=checkpoint_steps, picture_steps=picture_steps, remark=remark,
            progress=progress, **options,
        )  # fmt: skip
    whole = _vqvae_run(folder)
    if size is not None and size != whole.pair.size:
        raise MmascError(
            f"{folder} holds a VQ-VAE of pictures of {whole.pair.size} pixels, not {size}; leave out --size"
        )
    world, device = join_world(device)
    say = _silent if told else remark
    prepared = _prepare(pairs, out, whole.pair, cache, workers, group_column, world, say, progress)
    learned, held = split_sources(prepared.sources, whole.validation_share, whole.seed)
    digest = pairs_digest(prepared.sources, held)
    if digest != whole.pairs and world.first:
        remark("the VQ-VAE of this run was trained on other pairs than those given now")
    run = ImaginationRun(
        digest,
        file_digest(folder / "last.safetensors"),
        variant,
        network or TransformationConfig(),
        critic or CriticConfig(),
        whole.pair.window_seconds,
        seed,
        steps,
        batch,
        adam,
        learning_rate,
        critic_weight,
        critic_steps,
        penalty,
        imagined,  # type: ignore[arg-type]
        precision,
    )
    stage = ImaginationStage(
        Path(out) / "ivf", run, folder, prepared, learned, held, resolve_device(device), world, remark
    )
    _go(stage, stop, report_steps, checkpoint_steps, picture_steps)
    done, figures = {"vqvae": whole.steps, "ivf": stage.step}, {"ivf": stage.validation}
    return IvfResult(str(out), done, len(learned), len(held), prepared.faults, figures)


def _go(stage: PairStage, stop: int | None, report_steps: int, checkpoint_steps: int, picture_steps: int) -> None:
    stage.report_steps, stage.checkpoint_steps, stage.picture_steps = report_steps, checkpoint_steps, picture_steps
    stage.go(min(stop or stage.steps, stage.steps))


def _prepare(
    path: str | Path,
    out: str | Path,
    config: PairConfig,
    cache: str | Path | None,
    workers: int,
    group_column: str | None,
    world: World,
    remark: Say,
    progress: Callable[[int, int], None] | None,
) -> Pairs:
    """Pairs, decoded by the first process; the others find them in the cache."""
    sources = read_sources(path, group_column)
    folder = Path(out) / "pairs" if cache is None else Path(cache)
    if not world.first:
        world.wait()
    prepared = prepare_pairs(sources, config, folder, workers, progress if world.first else None)
    if world.first:
        world.wait()
        for fault in prepared.faults:
            remark(fault)
        remark(f"{len(prepared)} of {len(sources)} pairs can be used")
    return prepared


def _is_whole(folder: Path) -> bool:
    """Whether a VQ-VAE was trained to its end."""
    if not (folder / "last.safetensors").exists():
        return False
    _, about = load_tensors(folder / "last.safetensors")
    return about.get("step") == _vqvae_run(folder).steps


def _vqvae_run(folder: Path) -> VqVaeRun:
    """What the config.json of a first stage says.

    Raises:
        MmascError: If it is missing, damaged, or holds what no run can have.
    """
    return usable_config(VqVaeRun, read_config(folder), str(folder / "config.json"))


def _options_of(run: VqVaeRun) -> dict[str, Any]:
    """What `train_vqvae` was told when it began this run."""
    return {
        "size": run.pair.size,
        "frames_per_second": run.pair.frames_per_second,
        "window_seconds": run.pair.window_seconds,
        "codes": run.vqvae.codes,
        "dim": run.vqvae.dim,
        "halvings": run.vqvae.halvings,
        "codebook": run.vqvae.codebook,
        **{
            name: getattr(run, name)
            for name in (
                "validation_share", "seed", "steps", "warm_steps", "batch", "learning_rate", "beta", "precision"
            )
        },
    }  # fmt: skip


def _silent(line: str) -> None:
    pass
