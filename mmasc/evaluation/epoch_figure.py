"""Accuracy by epoch of several systems on one graph, with the time of training written on the curves.

Source: Barberteguy 2023, "Audio Scene Classification", figure 5: three networks, the time at every tenth epoch.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError
from mmasc.evaluation.run_figures import time_text
from mmasc.evaluation.runs import Run, find_runs
from mmasc.metrics.figures import class_colours, save_figure

EPOCHS_A_MARK = 10
_MOST_MARKS = 12
# What is drawn, the first that every system has
_KEYS = {"test_accuracy": "accuracy on the test fold", "validation_accuracy": "accuracy on validation clips"}


@dataclass(frozen=True)
class EpochCurve:
    """A system by epoch.

    Attributes:
        name: Network, and what tells it from the others.
        epochs: Epochs that all of its runs have.
        accuracies: Means over its runs, in [0, 1].
        seconds: Mean time of training until the end of each epoch; None where a run did not note it.
        runs: Number of runs.
    """

    name: str
    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...] | None
    runs: int


def epoch_curves(paths: Iterable[str | Path]) -> tuple[str, list[EpochCurve]]:
    """Accuracy by epoch of every system among some runs, as the runs wrote it down: nothing is tested here.

    Args:
        paths: Runs, or folders that hold runs; runs that differ in fold and seed only are one system.
    Returns:
        What is drawn ("test_accuracy" where every run has it, else "validation_accuracy"), and the curves in the order
        of their runs.
    Raises:
        MmascError: If there is no run, or a run wrote neither accuracy.
    """
    systems: dict[str, list[Run]] = {}
    for run in find_runs(paths):
        systems.setdefault(run.system, []).append(run)
    runs = [run for own in systems.values() for run in own]
    key = next((key for key in _KEYS if all(any(key in line for line in run.epochs) for run in runs)), None)
    if key is None:
        without = next(run for run in runs if not any("validation_accuracy" in line for line in run.epochs))
        raise MmascError(
            f"{without.folder} has no accuracy by epoch like the others: train with --validation 0.2, or with "
            "--test-curve (to look at, never to choose by)"
        )
    names = _names([own[0] for own in systems.values()])
    return key, [_curve(name, own, key) for name, own in zip(names, systems.values(), strict=True)]


def draw_epochs(ax: Any, curves: Sequence[EpochCurve], key: str) -> None:
    """Curves with the time at every tenth epoch, at fewer places where there are very many epochs.

    Args:
        ax: Axes of matplotlib.
        curves: See `epoch_curves`.
        key: What is drawn.
    """
    for number, (curve, colour) in enumerate(zip(curves, class_colours(max(2, len(curves))), strict=False)):
        label = curve.name if curve.runs == 1 else f"{curve.name} (mean of {curve.runs} runs)"
        ax.plot(curve.epochs, curve.accuracies, color=colour, linewidth=1.3, label=label)
        for place in marked(curve.epochs) if curve.seconds is not None else ():
            ax.plot(curve.epochs[place], curve.accuracies[place], "o", color=colour, markersize=3.5)
            ax.annotate(
                time_text(curve.seconds[place]),  # type: ignore[index]
                (curve.epochs[place], curve.accuracies[place]),
                # Above one curve and below the next, so that times of neighbours do not lie on each other
                (0, 5 if number % 2 == 0 else -11),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color=colour,
            )
    ax.set_xlabel("epoch")
    ax.set_ylabel(_KEYS[key])
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.06, y=0.1)
    ax.grid(color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, fontsize=8)
    if key == "test_accuracy":
        ax.set_title("never used to choose anything", fontsize=8, color="0.4", loc="right")


def write_epoch_figure(paths: Iterable[str | Path], to: str | Path) -> Path:
    """Draw `epoch_curves` of runs into a PNG file, completely or not at all.

    Raises:
        MmascError: As `epoch_curves`.
    """
    from matplotlib.figure import Figure

    key, curves = epoch_curves(paths)
    figure = Figure(figsize=(8.4, 4.8), layout="constrained")
    draw_epochs(figure.add_subplot(), curves, key)
    return save_figure(figure, Path(to))


def marked(epochs: Sequence[int]) -> list[int]:
    """Places of the epochs that carry a time: every tenth, or every so many tens, and the last."""
    if not epochs:
        return []
    step = EPOCHS_A_MARK * max(1, math.ceil(epochs[-1] / (EPOCHS_A_MARK * _MOST_MARKS)))
    places = [place for place, epoch in enumerate(epochs) if epoch % step == 0]
    last = len(epochs) - 1
    # The last one stands alone: next to it there would be no room for another
    return [place for place in places if epochs[last] - epochs[place] >= step / 2] + [last]


def _curve(name: str, runs: Sequence[Run], key: str) -> EpochCurve:
    by_run = [{int(line["epoch"]): line for line in run.epochs if key in line and "epoch" in line} for run in runs]
    epochs = sorted(set.intersection(*(set(lines) for lines in by_run)))
    accuracies = [math.fsum(lines[epoch][key] for lines in by_run) / len(by_run) for epoch in epochs]
    timed = all("seconds" in lines[epoch] for lines in by_run for epoch in epochs)
    seconds = (
        [math.fsum(lines[epoch]["seconds"] for lines in by_run) / len(by_run) for epoch in epochs] if timed else None
    )
    return EpochCurve(name, tuple(epochs), tuple(accuracies), None if seconds is None else tuple(seconds), len(runs))


def _names(runs: Sequence[Run]) -> list[str]:
    """Network names, with features, recipe and folder where systems would be called alike."""
    forms = (
        lambda run: run.config.network,
        lambda run: f"{run.config.network}, {run.config.features}",
        lambda run: f"{run.config.network}, {run.config.features}, {run.config.recipe}",
        lambda run: f"{run.config.network}, {run.folder}",
    )
    for form in forms:
        names = [form(run) for run in runs]
        if len(set(names)) == len(names):
            return names
    return names
