"""The result of one fold's run, whether it was finished now or before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasc.storage.tensors import load_tensors
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import Sides


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


def finished_fold(folder: Path, config: SupervisedConfig, sides: Sides) -> FoldResult | None:
    """The result of a run that came to its end, and has its weights; None of any other."""
    if not (folder / "training.safetensors").is_file() or not (folder / "last.safetensors").is_file():
        return None
    _, about = load_tensors(folder / "training.safetensors")
    if about.get("kind") != "mmasc-supervised-training":
        return None
    try:
        ended = about["stopped"] or int(about["step"]) == int(about["steps"])
        return fold_result(folder, config, sides, about) if ended else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # damaged: going on says so


def fold_result(folder: Path, config: SupervisedConfig, sides: Sides, about: Mapping[str, Any]) -> FoldResult:
    """The result of a run.

    Args:
        folder: Folder of the run.
        config: Configuration of the run.
        sides: Sides of its fold.
        about: Where it is: step, steps, epoch, seconds and what was measured, as its checkpoint keeps them.
    """
    measured = {str(name): float(value) for name, value in dict(about["measured"]).items()}
    return FoldResult(
        folder=str(folder),
        fold=config.fold,
        step=int(about["step"]),
        steps=int(about["steps"]),
        epoch=int(about["epoch"]),
        n_train=len(sides.train),
        n_validation=len(sides.validation),
        n_test=len(sides.test),
        clips_per_second=measured.get("clips_per_second", 0.0),
        seconds=round(float(about["seconds"]), 3),
        measured={name: value for name, value in measured.items() if name != "clips_per_second"},
    )
