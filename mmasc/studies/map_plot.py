"""The picture of a map: a dot per window, coloured by what was asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmasc.metrics.figures import SOUND_COLOUR, class_colours, save_figure

if TYPE_CHECKING:
    from mmasc.studies.window_map import WindowMap

_REST_COLOUR = "0.75"
_DOT_AREAS = (3.0, 26.0)  # least and most, in square points
_ROOM = 30_000.0  # square points that all dots together cover, about


def plot_map(found: "WindowMap", path: Path) -> Path:
    """Draw a map into a PNG file; the same map is the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 6.4))
    figure.set_layout_engine("constrained")
    ax = figure.add_subplot()
    area = float(np.clip(_ROOM / max(len(found.places), 1), *_DOT_AREAS))
    plain = len(found.names) == 1
    rest = SOUND_COLOUR if plain else _REST_COLOUR
    for number, (name, colour) in enumerate(
        zip(found.names, [rest, *class_colours(len(found.names) - 1)], strict=True)
    ):
        some = found.places[found.colours == number]
        if len(some):
            ax.scatter(some[:, 0], some[:, 1], s=area, color=[colour], linewidths=0, alpha=0.7, label=name or "other")
    if not plain:
        legend = ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        for text in legend.get_texts():
            text.set_parse_math(False)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.8")
    ax.set_title(found.space, loc="left", fontsize=11, parse_math=False)
    return save_figure(figure, path)
