"""Rows of a comparison → a picture: accuracies with intervals, one system below the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmasc.evaluation.compare import Comparison, Row
from mmasc.evaluation.row_texts import percent, row_name
from mmasc.metrics.figures import save_figure

_OWN, _THEIRS = "#14696b", "#9a5a12"


def write_picture(found: Comparison, path: Path) -> None:
    from matplotlib.figure import Figure

    rows = found.rows[::-1]
    figure = Figure(figsize=(8.4, 1.4 + 0.42 * len(rows)), layout="constrained")
    draw_comparison(figure.add_subplot(), rows)
    save_figure(figure, path)


def draw_comparison(ax: Any, rows: Sequence[Row]) -> None:
    """Accuracies with intervals, one system below the other, folds as ticks, published figures as open diamonds.

    Args:
        ax: Axes of matplotlib.
        rows: Rows from the bottom up.
    """
    labelled: set[str] = set()

    def once(text: str) -> str | None:
        if text in labelled:
            return None
        labelled.add(text)
        return text

    for place, row in enumerate(rows):
        if row.interval is not None:
            ax.plot([100 * end for end in row.interval], [place, place], color=_OWN, linewidth=2.4, alpha=0.45)
        ax.plot(
            [100 * value for value in row.folds],
            [place] * len(row.folds),
            linestyle="none",
            marker="|",
            markersize=9,
            color="0.35",
            label=once("folds"),
        )
        ax.plot([100 * row.accuracy], [place], marker="o", color=_OWN, linestyle="none", label=once("measured here"))
        ax.annotate(
            percent(row.accuracy), (100 * row.accuracy, place), (0, 7), textcoords="offset points", size=7, ha="center"
        )
        same = [item for item in row.published if item.metric == "accuracy"]
        if same:
            ax.plot(
                [100 * item.value for item in same],
                [place] * len(same),
                linestyle="none",
                marker="D",
                markerfacecolor="none",
                color=_THEIRS,
                label=once("published, other clips or folds"),
            )
    ax.set_yticks(range(len(rows)), [row_name(row) for row in rows], fontsize=8, parse_math=False)
    ax.set_ylim(-0.7, len(rows) - 0.2)
    ax.set_xlabel("accuracy, % (bar: 95 % interval over recordings)")
    ax.grid(axis="x", color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, fontsize=8, loc="best")
