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

from mmasc.devices import Session, join_processes, resolve_device
from mmasc.errors import MmascError
from mmasc.ivf.critic import CriticConfig
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.imagination import Variant
from mmasc.ivf.pairs import Pairs
from mmasc.ivf.sources import split_sources
from mmasc.ivf.transformation import TransformationConfig
from mmasc.ivf.vqvae import CodebookRule, VqVaeConfig, fitting_halvings
from mmasc.training.ivf.config import ImaginationRun, Precision, VqVaeRun
from mmasc.training.ivf.first_stage import is_whole, options_of, read_vqvae_run
from mmasc.training.ivf.joint import JointStage
from mmasc.training.ivf.stage import PairChoice, PairStage, file_digest, pairs_digest, prepare
from mmasc.training.ivf.transformation import ImaginationStage
from mmasc.training.ivf.vqvae import VqVaeStage
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
    pairs: str | Path | Pairs,
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
        pairs: Folder of films, or table; see `read_sources`. Or pairs that are decoded already: then `size`,
            `frames_per_second` and `window_seconds` are theirs.
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
    session = Session(device, cache, remark, progress)
    processes, device = join_processes(device)
    if isinstance(pairs, Pairs):
        prepared = pairs
    else:
        config = PairConfig(size, window_seconds=window_seconds, frames_per_second=frames_per_second)
        prepared = prepare(PairChoice(pairs, Path(out), workers, group_column), config, processes, session)
    size = prepared.config.size
    network = VqVaeConfig(size, halvings or fitting_halvings(size), codes=codes, dim=dim, codebook=codebook)
    learned, held = split_sources(prepared.sources, validation_share, seed)
    run = VqVaeRun(
        pairs=pairs_digest(prepared.sources, held),
        pair=prepared.config,
        vqvae=network,
        validation_share=validation_share,
        seed=seed,
        steps=steps,
        warm_steps=steps // 10 if warm_steps is None else warm_steps,
        batch=batch,
        learning_rate=learning_rate,
        beta=beta,
        precision=precision,
    )
    stage = VqVaeStage(Path(out) / "vqvae", run, prepared, (learned, held), resolve_device(device), processes, remark)
    _run_stage(stage, stop, report_steps, checkpoint_steps, picture_steps)
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
    joint: bool = False,
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
        joint: Let the VQ-VAE go on learning in the steps of the transformation network (L = L_E + L_D): its own stage
            then has a tenth of the steps unless `vqvae` says otherwise.
    Raises:
        MmascError: If pairs cannot be used, or the folder holds another run.
    """
    session = Session(device, cache, remark, progress)
    processes, device = join_processes(device)
    folder = Path(out) / "vqvae"
    options: dict[str, Any] = {"size": size or 64, "steps": max(1, steps // 10) if joint else steps, "seed": seed}
    options |= {"batch": batch, "precision": precision} | dict(vqvae or {})
    decoding = {name: options[name] for name in ("size", "window_seconds", "frames_per_second") if name in options}
    config = PairConfig(**decoding)
    if (folder / "config.json").exists():
        begun = read_vqvae_run(folder)
        config, options = begun.pair, options_of(begun)
        if size is not None and size != begun.pair.size:
            raise MmascError(
                f"{folder} holds a VQ-VAE of pictures of {begun.pair.size} pixels, not {size}; leave out --size"
            )
    prepared = prepare(PairChoice(pairs, Path(out), workers, group_column), config, processes, session)
    if not is_whole(folder):
        train_vqvae(
            prepared,
            out,
            device=device,
            report_steps=report_steps,
            checkpoint_steps=checkpoint_steps,
            picture_steps=picture_steps,
            remark=remark,
            **options,
        )
    whole = read_vqvae_run(folder)
    learned, held = split_sources(prepared.sources, whole.validation_share, whole.seed)
    digest = pairs_digest(prepared.sources, held)
    if digest != whole.pairs and processes.first:
        remark("the VQ-VAE of this run was trained on other pairs than those given now")
    run = ImaginationRun(
        pairs=digest,
        vqvae=file_digest(folder / "last.safetensors"),
        variant=variant,
        transformation=network or TransformationConfig(),
        critic=critic or CriticConfig(),
        window_seconds=whole.pair.window_seconds,
        seed=seed,
        steps=steps,
        batch=batch,
        adam=adam,
        learning_rate=learning_rate,
        critic_weight=critic_weight,
        critic_steps=critic_steps,
        penalty=penalty,
        imagined=imagined,  # type: ignore[arg-type]
        precision=precision,
        joint=joint,
    )
    where = (prepared, (learned, held), resolve_device(device), processes, remark)
    place = Path(out) / "ivf"
    stage = JointStage(place, run, (folder, whole), *where) if joint else ImaginationStage(place, run, folder, *where)
    _run_stage(stage, stop, report_steps, checkpoint_steps, picture_steps)
    done, figures = {"vqvae": whole.steps, "ivf": stage.step}, {"ivf": stage.validation}
    return IvfResult(str(out), done, len(learned), len(held), prepared.faults, figures)


def _run_stage(
    stage: PairStage, stop: int | None, report_steps: int, checkpoint_steps: int, picture_steps: int
) -> None:
    stage.report_steps, stage.checkpoint_steps, stage.picture_steps = report_steps, checkpoint_steps, picture_steps
    stage.go(min(stop or stage.steps, stage.steps))
