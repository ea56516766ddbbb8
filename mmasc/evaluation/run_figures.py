"""Figures of runs, drawn into their folders: confusion matrices, and accuracy by epoch with the time on the curve.

Source of the second: Barberteguy 2023, "Audio Scene Classification", figure 5.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mmasc.evaluation.pooling import Evaluation, evaluation_object
from mmasc.evaluation.runs import Run
from mmasc.metrics.figures import class_colours, draw_confusion, save_figure
from mmasc.printing import plain
from mmasc.storage.files import write_atomically

# What is drawn by epoch, the first that a run has written; the last is there always
_CURVES = (("test_accuracy", "accuracy on the test fold"), ("validation_accuracy", "accuracy on validation"))


def write_figures(found: Evaluation, suffix: str = "") -> list[Path]:
    """Draw a system's figures into the folder that holds its runs, and each run's own next to its weights.

    Also evaluation.json there, which holds what `mmasc evaluate --format json` says.

    Args:
        found: The system.
        suffix: Put behind the names in the common folder, where several systems share it.
    Returns:
        The files.
    """
    files = []
    if len(found.sources) > 1:
        if found.confusion is not None:
            confusion = np.array(found.confusion, np.int64)
            files.append(_confusion(found.folder / f"confusion{suffix}.png", confusion, found.classes))
        files += _curve(found.folder / f"curve{suffix}.png", found.sources)
    ends = np.cumsum([result.clips for result in found.runs])
    for run, result, end in zip(found.sources, found.runs, ends, strict=True):
        if found.confusion is not None:
            kept = np.zeros(len(found.answers), bool)
            kept[end - result.clips : end] = True
            own = found.answers.part(kept).confusion()
            files.append(_confusion(run.folder / "confusion.png", own, found.classes))
        files += _curve(run.folder / "curve.png", [run])
    numbers = found.folder / f"evaluation{suffix}.json"
    write_atomically(numbers, (json.dumps(plain(evaluation_object(found)), indent=1) + "\n").encode())
    return [*files, numbers]


def draw_curves(ax: Any, runs: Sequence[Run], key: str) -> None:
    """A value by epoch for every run, the minutes of training written on the curves.

    Args:
        ax: Axes of matplotlib.
        runs: Runs of one system; a colour for each fold.
        key: Name in metrics.jsonl.
    """
    folds = list(dict.fromkeys(run.config.fold for run in runs))
    colours = dict(zip(folds, class_colours(max(len(folds), 2)), strict=False))
    named: set[str] = set()
    for run in runs:
        lines = [line for line in run.epochs if key in line]
        if not lines:
            continue
        epochs, values = [line["epoch"] for line in lines], [line[key] for line in lines]
        fold = run.config.fold
        label = None if fold in named or len(runs) == 1 else f"fold {fold}"
        named.add(fold)
        ax.plot(epochs, values, color=colours[fold], linewidth=1.1, alpha=0.85, label=label)
        if len(runs) == 1:
            _write_times(ax, lines, key, colours[fold])
    if len(runs) > 1:
        _write_span(ax, runs)
    ax.set_xlabel("epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.08)
    ax.grid(color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    if len(named) > 1:
        ax.legend(frameon=False, fontsize=8)


def _write_times(ax: Any, lines: Sequence[dict[str, Any]], key: str, colour: Any) -> None:
    """The time so far at each quarter of a curve."""
    last = len(lines) - 1
    for place in sorted({round(last * part / 4) for part in range(1, 5)}):
        line = lines[place]
        if "seconds" not in line:
            continue
        ax.plot([line["epoch"]], [line[key]], marker="o", markersize=3.5, color=colour)
        ax.annotate(
            time_text(line["seconds"]),
            (line["epoch"], line[key]),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color="0.25",
        )


def _write_span(ax: Any, runs: Sequence[Run]) -> None:
    """Write how long the runs took into a corner: on curves that cover each other the times could not be read."""
    times = sorted(run.epochs[-1]["seconds"] for run in runs if run.epochs and "seconds" in run.epochs[-1])
    if times:
        span = f"{time_text(times[0])} to {time_text(times[-1])}" if len(times) > 1 else time_text(times[0])
        ax.text(0.02, 0.03, f"a run took {span}", transform=ax.transAxes, fontsize=8, color="0.25")


def time_text(seconds: float) -> str:
    """A duration as people say it: 48 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _curve(path: Path, runs: Sequence[Run]) -> list[Path]:
    """Accuracy by epoch above, where runs have written one, and the loss below."""
    written = {key for run in runs for line in run.epochs for key in line}
    if "loss" not in written:
        return []
    above = next(((key, name) for key, name in _CURVES if key in written), None)
    panels = ([above] if above is not None else []) + [("loss", "loss in training")]
    config = runs[0].config

    def draw(figure: Any) -> None:
        for ax, (key, name) in zip(np.atleast_1d(figure.subplots(len(panels), sharex=True)), panels, strict=True):
            draw_curves(ax, runs, key)
            ax.set_ylabel(name)
            if key == "test_accuracy":
                ax.set_title("never used to choose anything", fontsize=8, color="0.4", loc="right")
        figure.suptitle(f"{config.network}, {config.features}, {config.recipe}", fontsize=10, parse_math=False)

    return [_save(path, (6.4, 2.4 + 2.2 * len(panels)), draw)]


def _confusion(path: Path, confusion: Int[np.ndarray, "true said"], classes: Sequence[str]) -> Path:
    side = min(3.0 + 0.32 * len(classes), 14.0)
    return _save(path, (side + 0.4, side), lambda figure: draw_confusion(figure.add_subplot(), confusion, classes))


def _save(path: Path, size: tuple[float, float], draw: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    return save_figure(figure, path)
