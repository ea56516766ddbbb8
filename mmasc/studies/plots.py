"""Figures of a zero-shot study: confusions, principal components, cosines, attraction, reliability, modality gap.

Numbers in; drawn on the `ax` of the caller. Names are written as they are: a dollar sign in a label is not a formula.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mmasc.metrics.figures import SOFT_COLOUR, SOUND_COLOUR, WORD_COLOUR, class_colours, draw_matrix

_MARKERS = "Ds^vPX<>"  # of prompt sets
_NEAR = 0.05  # of the map's width, within which markers of one class share a name


def principal_components(
    vectors: Float[np.ndarray, "item dim"],
) -> tuple[Float[np.ndarray, "item 2"], Float[np.ndarray, " 2"]]:
    """Positions on the first two principal components, and the share of the variance that each holds.

    The sign of a component is such that its largest coordinate is positive; components that do not exist (two
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


def draw_cosines(ax: Any, cosines: Float[np.ndarray, "class class"], classes: Sequence[str]) -> None:
    """Cosines of the labels' vectors with each other."""
    draw_matrix(ax, cosines, np.char.mod("%.2f", cosines), classes, "RdBu_r", -1.0, 1.0)


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
        classes: Names, written next to the stars if `named`.
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
                ax.scatter(
                    [x], [y], s=18, marker=marker, color="white", edgecolors=SOFT_COLOUR, linewidths=0.8, zorder=3
                )
                continue
            ax.scatter([x], [y], s=58, marker=marker, color=[colours[code]], edgecolors="black", zorder=4)
            # Two sets often say a label alike: names on top of each other cannot be read, and the colour says it too
            near = any(np.hypot(x - x0, y - y0) < _NEAR * span for x0, y0 in written.get(code, ()))
            if named and not near:
                _write(ax, label, x, y)
                written.setdefault(code, []).append((x, y))
        handles.append(Line2D([], [], linestyle="", marker=marker, color=SOFT_COLOUR, markeredgecolor="black"))
    legend = ax.legend(handles, [f"prompts {name}" for name in sets], frameon=False, loc="best", fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    _bare(ax)


def draw_attraction(
    ax: Any, said: Float[np.ndarray, " class"], true: Float[np.ndarray, " class"], classes: Sequence[str]
) -> None:
    """How often each label is said next to how often it is true, most said on top, shares of all sounds."""
    order = np.argsort(said, kind="stable")
    places = np.arange(len(classes))
    ax.barh(places + 0.2, said[order], height=0.4, color=WORD_COLOUR, label="said")
    ax.barh(places - 0.2, true[order], height=0.4, color=SOUND_COLOUR, label="true")
    ax.set_yticks(places, [classes[row] for row in order], parse_math=False)
    ax.set_xlabel("share of sounds")
    ax.legend(frameon=False, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)


def draw_cosine_distributions(ax: Any, cosines: Mapping[str, Float[np.ndarray, " _"]]) -> None:
    """Outlines of histograms of cosines, one per kind of pair, each of area 1."""
    low = min(float(values.min()) for values in cosines.values())
    high = max(float(values.max()) for values in cosines.values())
    bins = np.linspace(low - 1e-6, high + 1e-6, 46)
    for (name, values), colour in zip(cosines.items(), (SOUND_COLOUR, WORD_COLOUR, "#7a4fa3", "0.35"), strict=False):
        ax.hist(values, bins=bins, density=True, histtype="step", linewidth=1.6, color=colour, label=name)
    ax.set(xlabel="cosine", ylabel="density")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)


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
