"""Figures of metrics: a confusion matrix, a reliability diagram, colours of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from mmasc.storage.files import replacing

_DPI = 130
_NUMBERED = 25  # classes up to which the cells of a matrix hold numbers
SOUND_COLOUR, WORD_COLOUR, SOFT_COLOUR = "#14696b", "#9a5a12", "0.55"


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure of matplotlib as PNG, completely or not at all; the same figure is the same bytes."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=_DPI, metadata={"Software": None})
    return path


def class_colours(n_classes: int) -> list[Any]:
    """A colour for each class, as different as so many can be."""
    from matplotlib import colormaps

    if n_classes <= 10:  # grey is for what is not a class
        return [*(colormaps["tab10"](place) for place in (0, 1, 2, 3, 4, 5, 6, 8, 9)), (0.25, 0.2, 0.55, 1.0)][
            :n_classes
        ]
    return list(colormaps["turbo"](np.linspace(0.03, 0.97, n_classes)))


def draw_confusion(ax: Any, confusion: Int[np.ndarray, "true predicted"], classes: Sequence[str]) -> None:
    """Rows are true, columns predicted; the colour is the share of the row, the numbers are counts.

    Args:
        ax: Axes of matplotlib.
        confusion: See `mmasc.metrics.functions.confusion_matrix`; rows without items stay white.
        classes: Classes in the order of rows and columns.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    draw_matrix(ax, shares, confusion.astype(str), classes, "Greens", 0.0, 1.0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")


def draw_reliability(ax: Any, curve: Any) -> None:
    """A reliability curve of `mmasc.heads.calibration.reliability_curve`; on the dashed line shares are what they say.

    The area of a point grows with the sounds in its bin.
    """
    there = curve.counts > 0
    ax.plot([0, 1], [0, 1], linestyle="--", color=SOFT_COLOUR, linewidth=1)
    ax.plot(curve.confidence[there], curve.right[there], color=SOUND_COLOUR, linewidth=1)
    sizes = 15 + 285 * curve.counts[there] / curve.counts.max()
    ax.scatter(curve.confidence[there], curve.right[there], s=sizes, color=SOUND_COLOUR, alpha=0.75, linewidths=0)
    ax.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), xlabel="probability of the best label", ylabel="share right")
    ax.spines[["top", "right"]].set_visible(False)


def draw_matrix(
    ax: Any,
    values: Float[np.ndarray, "row column"],
    written: Shaped[np.ndarray, "row column"],
    classes: Sequence[str],
    colours: str,
    low: float,
    high: float,
) -> None:
    """A square of colours with what is written in each field, rows and columns named."""
    ax.imshow(values, cmap=colours, vmin=low, vmax=high)
    places = range(len(classes))
    ax.set_xticks(places, classes, rotation=60, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(places, classes, parse_math=False)
    ax.tick_params(length=0, labelsize=8 if len(classes) <= _NUMBERED else 6)
    if len(classes) <= _NUMBERED:
        for row, column in np.ndindex(values.shape):
            dark = abs(values[row, column]) > 0.6
            ax.text(column, row, written[row, column], ha="center", va="center", size=7, color="w" if dark else "k")
