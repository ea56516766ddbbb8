"""Figures of a zero-shot study: confusions, principal components, cosines, attraction, reliability, modality gap.

Numbers in; drawn on the `ax` of the caller. Names are written as they are: a dollar sign in a label is no formula.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from mmasc.storage.files import replacing

_DPI = 130
_NUMBERED = 25  # classes up to which the cells of a matrix hold numbers
_MARKERS = "Ds^vPX<>"  # of prompt sets
_NEAR = 0.05  # of the map's width, within which markers of one class share a name
_SOUND, _WORD, _SOFT = "#14696b", "#9a5a12", "0.55"


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure of matplotlib as PNG, whole or not at all; the same figure is the same bytes."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=_DPI, metadata={"Software": None})
    return path


def principal_components(
    vectors: Float[np.ndarray, "item dim"],
) -> tuple[Float[np.ndarray, "item 2"], Float[np.ndarray, " 2"]]:
    """Positions on the first two principal components, and the share of the variance that each holds.

    The sign of a component is such that its largest coordinate is positive; components that are not there (two
    vectors have one) are 0.

    Raises:
        ValueError: If there are fewer than two vectors.
    """
    if len(vectors) < 2:
        raise ValueError(f"principal components need at least two vectors, got {len(vectors)}")
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    n_axes = min(2, len(sizes))
    positions, shares = np.zeros((len(centred), 2)), np.zeros(2)
    positions[:, :n_axes] = (left * sizes)[:, :n_axes]
    positions *= np.where(positions[np.abs(positions).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    total = float((sizes**2).sum())
    if total > 0:
        shares[:n_axes] = sizes[:n_axes] ** 2 / total
    return positions, shares


def class_colours(n_classes: int) -> list[Any]:
    """A colour for each class, as different as so many can be."""
    from matplotlib import colormaps

    if n_classes <= 10:  # grey is for what is no class
        return [*(colormaps["tab10"](place) for place in (0, 1, 2, 3, 4, 5, 6, 8, 9)), (0.25, 0.2, 0.55, 1.0)][
            :n_classes
        ]
    return list(colormaps["turbo"](np.linspace(0.03, 0.97, n_classes)))


def draw_confusion(ax: Any, confusion: Int[np.ndarray, "true predicted"], classes: Sequence[str]) -> None:
    """Rows are true, columns said; the colour is the share of the row, the numbers are counts.

    Args:
        ax: Axes of matplotlib.
        confusion: See `mmasc.evaluation.metrics.confusion_matrix`; rows without items stay white.
        classes: In the order of rows and columns.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    _matrix(ax, shares, confusion.astype(str), classes, "Greens", 0.0, 1.0)
    ax.set_xlabel("said")
    ax.set_ylabel("true")


def draw_cosines(ax: Any, cosines: Float[np.ndarray, "class class"], classes: Sequence[str]) -> None:
    """Cosines of the labels' vectors with each other."""
    _matrix(ax, cosines, np.char.mod("%.2f", cosines), classes, "RdBu_r", -1.0, 1.0)


def draw_sounds(
    ax: Any,
    sounds: Float[np.ndarray, "item 2"],
    codes: Int[np.ndarray, " item"],
    classes: Sequence[str],
    named: bool = True,
) -> None:
    """Sounds as dots coloured by class; a star at the mean of each class.

    Args:
        ax: Axes of matplotlib.
        sounds: Positions.
        codes: Number of the class of each.
        classes: Names, written beside the stars if `named`.
        named: Whether to write them.
    """
    colours = class_colours(len(classes))
    ax.scatter(sounds[:, 0], sounds[:, 1], s=9, alpha=0.55, c=[colours[code] for code in codes], linewidths=0)
    for code, name in enumerate(classes):
        x, y = sounds[codes == code].mean(axis=0)
        ax.scatter([x], [y], s=190, marker="*", color=[colours[code]], edgecolors="black", linewidths=0.8, zorder=3)
        if named:
            _write(ax, name, x, y)
    _bare(ax)


def draw_texts(
    ax: Any,
    texts: Sequence[Float[np.ndarray, "_ 2"]],
    names: Sequence[Sequence[str]],
    codes: Sequence[Sequence[int | None]],
    n_classes: int,
    sets: Sequence[str],
    named: bool = True,
) -> None:
    """Labels' vectors of several prompt sets: a marker for each set, the colour of the class.

    Args:
        ax: Axes of matplotlib.
        texts: Positions, set by set.
        names: Labels, set by set.
        codes: Numbers of their classes; None (small, white, without a name) for a label that no sound has.
        n_classes: Classes in all.
        sets: Names of the sets.
        named: Whether to write labels; of a class whose markers lie close together the first one's only.
    """
    from matplotlib.lines import Line2D

    colours = class_colours(n_classes)
    handles: list[Line2D] = []
    written: dict[int, list[tuple[float, float]]] = {}
    span = float(np.ptp(np.concatenate(texts), axis=0).max())
    for number, (positions, labels, own) in enumerate(zip(texts, names, codes, strict=True)):
        marker = _MARKERS[number % len(_MARKERS)]
        for (x, y), label, code in zip(positions, labels, own, strict=True):
            if code is None:
                ax.scatter([x], [y], s=18, marker=marker, color="white", edgecolors=_SOFT, linewidths=0.8, zorder=3)
                continue
            ax.scatter([x], [y], s=58, marker=marker, color=[colours[code]], edgecolors="black", zorder=4)
            # Two sets often say a label alike: names on top of each other cannot be read, and the colour says it too
            near = any(np.hypot(x - x0, y - y0) < _NEAR * span for x0, y0 in written.get(code, ()))
            if named and not near:
                _write(ax, label, x, y)
                written.setdefault(code, []).append((x, y))
        handles.append(Line2D([], [], linestyle="", marker=marker, color=_SOFT, markeredgecolor="black"))
    legend = ax.legend(handles, [f"prompts {name}" for name in sets], frameon=False, loc="best", fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    _bare(ax)


def draw_attraction(
    ax: Any, said: Float[np.ndarray, " class"], true: Float[np.ndarray, " class"], classes: Sequence[str]
) -> None:
    """How often each label is said beside how often it is true, most said on top, shares of all sounds."""
    order = np.argsort(said, kind="stable")
    places = np.arange(len(classes))
    ax.barh(places + 0.2, said[order], height=0.4, color=_WORD, label="said")
    ax.barh(places - 0.2, true[order], height=0.4, color=_SOUND, label="true")
    ax.set_yticks(places, [classes[row] for row in order], parse_math=False)
    ax.set_xlabel("share of sounds")
    ax.legend(frameon=False, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)


def draw_reliability(ax: Any, curve: Any) -> None:
    """A reliability curve of `mmasc.heads.calibration.reliability_curve`; on the dashed line shares are what they say.

    The area of a point grows with the sounds in its bin.
    """
    there = curve.counts > 0
    ax.plot([0, 1], [0, 1], linestyle="--", color=_SOFT, linewidth=1)
    ax.plot(curve.confidence[there], curve.right[there], color=_SOUND, linewidth=1)
    sizes = 15 + 285 * curve.counts[there] / curve.counts.max()
    ax.scatter(curve.confidence[there], curve.right[there], s=sizes, color=_SOUND, alpha=0.75, linewidths=0)
    ax.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), xlabel="probability of the best label", ylabel="share right")
    ax.spines[["top", "right"]].set_visible(False)


def draw_cosine_distributions(ax: Any, cosines: Mapping[str, Float[np.ndarray, " _"]]) -> None:
    """Outlines of histograms of cosines, one a kind of pair, each of area 1."""
    low = min(float(values.min()) for values in cosines.values())
    high = max(float(values.max()) for values in cosines.values())
    bins = np.linspace(low - 1e-6, high + 1e-6, 46)
    for (name, values), colour in zip(cosines.items(), (_SOUND, _WORD, "#7a4fa3", "0.35"), strict=False):
        ax.hist(values, bins=bins, density=True, histtype="step", linewidth=1.6, color=colour, label=name)
    ax.set(xlabel="cosine", ylabel="density")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _matrix(
    ax: Any,
    values: Float[np.ndarray, "row column"],
    written: Shaped[np.ndarray, "row column"],
    classes: Sequence[str],
    colours: str,
    low: float,
    high: float,
) -> None:
    ax.imshow(values, cmap=colours, vmin=low, vmax=high)
    places = range(len(classes))
    ax.set_xticks(places, classes, rotation=60, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(places, classes, parse_math=False)
    ax.tick_params(length=0, labelsize=8 if len(classes) <= _NUMBERED else 6)
    if len(classes) <= _NUMBERED:
        for row, column in np.ndindex(values.shape):
            dark = abs(values[row, column]) > 0.6
            ax.text(column, row, written[row, column], ha="center", va="center", size=7, color="w" if dark else "k")


def _write(ax: Any, name: str, x: float, y: float) -> None:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=1.8, foreground="white")]
    ax.annotate(
        name, (x, y), (6, 4), textcoords="offset points", size=7.5, parse_math=False, path_effects=halo, zorder=5
    )


def _bare(ax: Any) -> None:
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("0.8")
