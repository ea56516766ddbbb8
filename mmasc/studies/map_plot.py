"""The picture of a map: a dot per window, coloured by what was asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from mmasc.metrics.figures import SOUND_COLOUR, class_colours, save_figure

_REST_COLOUR = "0.75"
_DOT_AREAS = (3.0, 26.0)  # least and most, in square points
_ROOM = 30_000.0  # square points that all dots together cover, about


def plot_map(
    places: Float[np.ndarray, "window 2"],
    colours: UInt8[np.ndarray, " window"],
    names: Sequence[str],
    title: str,
    path: Path,
) -> Path:
    """Draw a map into a PNG file; the same map is the same bytes.

    Args:
        places: Where each window lies, in [-1, 1].
        colours: Number of the colour of each, 0 for none.
        names: Names of the colours, "" first.
        title: What stands above it.
        path: The file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 6.4))
    figure.set_layout_engine("constrained")
    ax = figure.add_subplot()
    area = float(np.clip(_ROOM / max(len(places), 1), *_DOT_AREAS))
    plain = len(names) == 1
    rest = SOUND_COLOUR if plain else _REST_COLOUR
    for number, (name, colour) in enumerate(zip(names, [rest, *class_colours(len(names) - 1)], strict=True)):
        some = places[colours == number]
        if len(some):
            ax.scatter(some[:, 0], some[:, 1], s=area, color=[colour], linewidths=0, alpha=0.7, label=name or "other")
    if not plain:
        legend = ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        for text in legend.get_texts():
            text.set_parse_math(False)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.8")
    ax.set_title(title, loc="left", fontsize=11, parse_math=False)
    return save_figure(figure, path)
