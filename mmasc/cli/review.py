"""`mmasc review`: which moments to judge next, as clips and a table to fill in."""

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.lists import ListCommand
from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import counted
from mmasc.progress import counting

if TYPE_CHECKING:
    from mmasc.labelling.learning import Learning

_WAYS = ["uncertain", "likely", "random", "spread"]


@click.command(cls=ListCommand)
@click.argument("collection")
@click.option(
    "--head", "head_file", required=True, metavar="FILE", help="Head that chooses them (`mmasc head fit --out`)."
)
@click.option("-n", "n", type=click.IntRange(min=1), default=20, show_default=True, help="Number of moments.")
@click.option(
    "--by",
    type=click.Choice(_WAYS),
    default="uncertain",
    show_default=True,
    help="uncertain: where the head nearly says yes; likely: what it is surest of; random: any window, the only way to "
    "learn how often the head is right; spread: over scores, sites and times of day.",
)
@click.option("--label", "labels", multiple=True, metavar="LABEL...", help="Only these labels; default: all.")
@click.option("--spread", "each", type=click.IntRange(min=1), metavar="N", help="Maximum number per recording.")
@click.option("--where", metavar="SQL", help="Condition on columns of recordings and windows.")
@click.option("--to", metavar="DIR", help="Folder for clips and review.csv; default: the moments are only listed.")
@click.option(
    "--pad", type=NumberRange(min=0), default=2.0, show_default=True, metavar="SECONDS",
    help="Context before and after each moment in its clip.",
)  # fmt: skip
@click.option("--flac", is_flag=True, help="FLAC instead of WAV, where it holds the samples (at most 24 bits).")
@click.option("--force", is_flag=True, help="Replace the table and the clips in DIR.")
@click.option("--no-figures", is_flag=True, help="Do not measure the head (measuring fits it several times).")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Random seed.")
@quiet_option
@format_option()
def review(
    collection: str,
    head_file: str,
    labels: tuple[str, ...],
    to: str | None,
    pad: float,
    output_format: str,
    quiet: bool,
    no_figures: bool,
    **options: Any,
) -> None:
    """Choose the moments to judge next, so that a head learns much from few answers.

    Moments that are judged already are not proposed. Write yes, no or unsure into the column verdict of DIR/review.csv,
    then: mmasc label import COLLECTION DIR/review.csv, and mmasc head fit COLLECTION --annotations again.
    """
    from mmasc.collection import Collection
    from mmasc.collection.written_since import written_remarks
    from mmasc.labelling.review import review as choose
    from mmasc.labelling.review_files import write_review

    flac, force = options.pop("flac"), options.pop("force")
    opened = Collection(collection)
    found = choose(opened, head_file, labels=labels or None, **options)
    failed: list[tuple[str, str]] = []
    if to is not None and found.items:
        with shown_progress("cutting", quiet), counting("cutting", "recordings") as show:
            written = write_review(found, opened, to, pad, flac, force, show)
        failed = written.failed
    figures = None if no_figures else _figures(opened, head_file, options["n"], options["seed"], quiet)
    rows = [vars(item) for item in found.items]
    if output_format == "json":
        print_object({**vars(found), "items": rows, "figures": None if figures is None else vars(figures)}, "json")
    elif output_format != "table":
        print_rows(rows, output_format)
    else:
        if rows:
            print_table(rows, ["path", "start", "end", "label", "score"])
        if figures is not None:
            echo("")
            for one in _lines(figures):
                echo(one)
    for _, reason in failed:
        remark(reason)
    for line in written_remarks(opened, {opened.path_of(item.path) for item in found.items}):
        remark(line, quiet)
    if not rows:
        remark("nothing is left to ask: all is judged, or no window passes", quiet)
    elif to is not None:
        table = shlex.quote(str(written.table))
        remark(f"{counted(len(rows), 'moment')}, {counted(written.clips, 'clip')} → {to}", quiet)
        remark(f"fill in the column verdict (yes, no, unsure) of {table}, then:", quiet)
        remark(f"  mmasc label import {shlex.quote(collection)} {table} --by YOUR_NAME", quiet)
        remark(f"  mmasc head fit {shlex.quote(collection)} --annotations --out {shlex.quote(head_file)}", quiet)
    if failed:
        sys.exit(1)


def _figures(opened: Any, head_file: str, more: int, seed: int, quiet: bool) -> "Learning | None":
    from mmasc.heads.fitted import FittedHead
    from mmasc.labelling.learning import learning
    from mmasc.labelling.review import space_of

    fitted = FittedHead.load(head_file)
    said = [one for one in opened.annotations.all(verdict="present") if one.identity is None]
    if not any(one.label in fitted.stamp.classes for one in said):
        remark("the head cannot be measured here: no annotation has one of its labels", quiet)
        return None
    with shown_progress("measuring", quiet), counting("measuring", "fits") as show:
        return learning(opened, fitted, space_of(opened, fitted).name, more, seed, show)


def _lines(figures: "Learning") -> list[str]:
    """How good the head is, in words."""
    recordings = counted(figures.recordings, "recording")
    lines = [
        f"{counted(figures.annotations, 'annotation')}: {counted(figures.windows, 'window')} of {recordings}, "
        f"{counted(figures.tested, 'label')} tested"
    ]
    if figures.mean_average_precision is None:
        lines.append("the accuracy of the head is unknown: no label occurs in two recordings")
    else:
        lines.append(
            f"mean average precision {figures.mean_average_precision:.3f}{_span(figures.interval)}, on recordings not "
            "learnt from;"
        )
        lines.append("annotated moments only, which may be harder or easier than others")
    if figures.right_interval is not None:
        low, high = figures.right_interval
        lines.append(
            f"of {figures.random} answers about moments drawn at random {figures.right} are decided rightly "
            f"(95 % {low:.2f} to {high:.2f})"
        )
    else:
        lines.append("how often it is right where nobody looked is not known: judge some with --by random")
    if figures.curve:
        points = ", ".join(f"{share:.0%} of the labels {value:.3f}" for share, value in figures.curve.items())
        lines.append(f"learning curve: {points}")
    if figures.gain is None:
        lines.append(f"the gain from another {figures.more} answers is unknown: {figures.unknown}")
    else:
        clear = figures.gain_interval is not None and figures.gain_interval[0] > 0
        lines.append(
            f"another {figures.more} answers: about {figures.gain:+.3f}{_span(figures.gain_interval, '+')}"
            + ("" if clear else ", which may be nothing")
        )
    return lines


def _span(interval: tuple[float, float] | None, sign: str = "") -> str:
    if interval is None:
        return ""
    low, high = interval
    return f" (95 % {low:{sign}.3f} to {high:{sign}.3f})"
