"""The first stage of a run, the VQ-VAE, as it is stored in its folder."""

from pathlib import Path
from typing import Any

from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import load_tensors
from mmasc.training.ivf.config import VqVaeRun
from mmasc.training.run_folder import read_config


def is_whole(folder: Path) -> bool:
    """Whether a VQ-VAE was trained to its end."""
    if not (folder / "last.safetensors").exists():
        return False
    _, about = load_tensors(folder / "last.safetensors")
    return about.get("step") == read_vqvae_run(folder).steps


def read_vqvae_run(folder: Path) -> VqVaeRun:
    """What the config.json of a first stage says.

    Raises:
        MmascError: If it is missing, damaged, or holds what no run can have.
    """
    return usable_config(VqVaeRun, read_config(folder), str(folder / "config.json"))


def options_of(run: VqVaeRun) -> dict[str, Any]:
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
