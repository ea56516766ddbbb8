"""The figure of activity: days down, the time of day across, detections per recorded hour as colour.

What was not recorded is grey, and never the colour of zero. Above the map the mean of all days, next to it that of
each day.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.errors import MmascError
from mmasc.metrics.figures import SOFT_COLOUR, SOUND_COLOUR, save_figure
from mmasc.studies.activity import Activity, rates_of

NOTHING_COLOUR = "#dcdcdc"
_COLOURS = ["#fbfaf3", "#bcd9c4", "#5fa7a0", SOUND_COLOUR, "#0a2f3a"]
_MAP_INCHES = (2.2, 9.0)  # least and most height of a map
_INCHES_A_DAY, _ROOM_INCHES = 0.2, 1.6
_DAY_LABELS = 14
_MOST_LABELS = 12


def plot_activity(found: Activity, path: str | Path) -> Path:
    """Draw a map for each label into a PNG file; the same numbers are the same bytes.

    Args:
        found: What was counted.
        path: The file to write.
    Raises:
        MmascError: If there are more labels than fit one below the other.
    """
    from matplotlib.figure import Figure

    if len(found.labels) > _MOST_LABELS:
        raise MmascError(f"a figure has room for {_MOST_LABELS} labels, not {len(found.labels)}; choose with --label")

    labels = found.labels or ("",)
    height = float(np.clip(_INCHES_A_DAY * len(found.recorded), *_MAP_INCHES))
    figure = Figure(figsize=(9.6, len(labels) * (height + _ROOM_INCHES + 0.5)))
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    parts = figure.subfigures(len(labels), 1, squeeze=False)[:, 0]
    for number, (part, label) in enumerate(zip(parts, labels, strict=True)):
        counts = found.counts[number] if found.labels else np.zeros(found.recorded.shape, np.int64)
        _draw(part, found, counts, label, height)
    return save_figure(figure, Path(path))


def _draw(part: Any, found: Activity, counts: np.ndarray, label: str, height: float) -> None:
    grid = part.add_gridspec(
        2, 3, height_ratios=[_ROOM_INCHES - 0.6, height], width_ratios=[1, 0.16, 0.024], hspace=0.03, wspace=0.03
    )
    field = part.add_subplot(grid[1, 0])
    above, beside = part.add_subplot(grid[0, 0]), part.add_subplot(grid[1, 1])
    scale, words = part.add_subplot(grid[1, 2]), part.add_subplot(grid[0, 1:])
    rates = rates_of(counts, found.recorded)
    coloured = draw_map(field, rates, [f"{day:%d %b %Y}" for day in found.days])
    _draw_day(above, found, counts)
    _draw_days(beside, rates_of(counts.sum(axis=1), found.recorded.sum(axis=1)))
    bar = part.colorbar(coloured, cax=scale)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.set_label("detections per recorded hour", fontsize=8.5, color="0.3")
    _legend(words)
    total, hours = int(counts.sum()), float(found.recorded.sum())
    above.set_title(label, loc="left", fontsize=12.5, fontweight="bold", parse_math=False, pad=18)
    said = f"{total:,} {'detection' if total == 1 else 'detections'} in {hours:,.1f} recorded hours"
    above.text(0, 1.06, said, fontsize=9, color="0.35", transform=above.transAxes)


def draw_map(ax: Any, rates: Float[np.ndarray, "day bin"], days: Sequence[str]) -> Any:
    """The map itself; returns what a colour bar needs.

    Args:
        ax: Axes of matplotlib.
        rates: Detections per recorded hour; NaN where nothing was recorded.
        days: What is written for each day, as far as there is room.
    """
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("activity", _COLOURS)
    ax.set_facecolor(NOTHING_COLOUR)
    most = float(np.nanmax(rates, initial=0.0))
    edges = np.linspace(0, 24, rates.shape[1] + 1), np.arange(len(days) + 1)
    coloured = ax.pcolormesh(*edges, np.ma.masked_invalid(rates), cmap=colours, vmin=0.0, vmax=most or 1.0)
    step = max(1, -(-len(days) // _DAY_LABELS))
    ax.set_yticks(np.arange(0, len(days), step) + 0.5, days[::step])
    ax.set(ylim=(len(days), 0), xlim=(0, 24))
    ax.set_xlabel("time of day", fontsize=9, color="0.3")
    ax.set_xticks(range(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
    # Thin lines between days and hours, as long as they do not cover what they part
    ax.vlines(range(1, 24), 0, len(days), color="white", linewidth=0.5)
    if len(days) <= 120:
        ax.hlines(range(1, len(days)), 0, 24, color="white", linewidth=0.5)
    ax.tick_params(length=0, labelsize=8.5, colors="0.25")
    ax.spines[:].set_visible(False)
    return coloured


def _draw_day(ax: Any, found: Activity, counts: np.ndarray) -> None:
    """The time of day, all days together; nothing where nothing was recorded on any day."""
    recorded = found.recorded.sum(axis=0)
    rates = rates_of(counts.sum(axis=0), recorded)
    width = 24 / len(rates)
    places = np.arange(len(rates)) * width
    for place in places[recorded == 0]:
        ax.axvspan(place, place + width, color=NOTHING_COLOUR, linewidth=0)
    ax.bar(places, np.nan_to_num(rates), width=width * 0.92, align="edge", color=SOUND_COLOUR, linewidth=0)
    ax.set(xlim=(0, 24), ylim=(0, (float(np.nanmax(rates, initial=0.0)) or 1.0) * 1.08))
    ax.set_ylabel("mean\nper hour", fontsize=8.5, color="0.3")
    _bare(ax, "x", ["top", "right", "bottom"])


def _draw_days(ax: Any, rates: np.ndarray) -> None:
    days = np.arange(len(rates)) + 0.5
    for day in days[np.isnan(rates)]:
        ax.axhspan(day - 0.5, day + 0.5, color=NOTHING_COLOUR, linewidth=0)
    ax.barh(days, np.nan_to_num(rates), height=0.86 if len(rates) <= 120 else 1.0, color=SOUND_COLOUR, linewidth=0)
    ax.set(ylim=(len(rates), 0), xlim=(0, (float(np.nanmax(rates, initial=0.0)) or 1.0) * 1.08))
    ax.set_xlabel("mean per hour", fontsize=8.5, color="0.3")
    _bare(ax, "y", ["top", "right", "left"])


def _bare(ax: Any, axis: str, spines: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    (ax.yaxis if axis == "x" else ax.xaxis).set_major_locator(MaxNLocator(3))
    ax.tick_params(axis=axis, length=0, labelbottom=axis == "y", labelleft=axis == "x")
    ax.tick_params(labelsize=8, colors="0.25", length=2)
    ax.tick_params(axis=axis, length=0)
    ax.spines[spines].set_visible(False)
    ax.spines[:].set_color(SOFT_COLOUR)


def _legend(ax: Any) -> None:
    from matplotlib.patches import Patch

    ax.axis("off")
    handles = [
        Patch(facecolor=NOTHING_COLOUR, label="not recorded"),
        Patch(facecolor=_COLOURS[0], edgecolor="0.75", label="none heard"),
    ]
    ax.legend(
        handles=handles, loc="lower left", frameon=False, fontsize=8.5, handlelength=1.1, handleheight=1.1,
        borderaxespad=0.0,
    )  # fmt: skip
