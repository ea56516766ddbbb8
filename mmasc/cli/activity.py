"""`mmasc collection activity`: when things were heard, by day and hour, next to what was recorded."""

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.numbers import Number
from mmasc.cli.options import format_option
from mmasc.cli.output import echo, print_rows, remark
from mmasc.cli.targets import ResultPath
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.studies.activity import Activity, Detection

_NAMED = 3
_UNITS = {"": 1, "m": 1, "min": 1, "h": 60}


def _minutes(context: click.Context, option: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"(\d{1,4}) ?(m|min|h|)", value.strip().lower())
    minutes = int(found[1]) * _UNITS[found[2]] if found else 0
    if minutes < 1 or 1440 % minutes:
        raise click.BadParameter(f"{value!r} does not divide a day; give 15min, 30min, 60min, 2h ...")
    return minutes


@click.command("activity")
@click.argument("folder", metavar="COLLECTION")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="Label to count; may be given several times.")
@click.option("--events", metavar="FILE", help="Count the labels of this file or folder instead of annotations.")
@click.option("--head", metavar="FILE", help="Count what this head or network finds in the collection's vectors.")
@click.option(
    "--threshold", type=Number(), metavar="SCORE", help="Least probability of --head, or score of rows of --events."
)
@click.option(
    "--verdict", type=click.Choice(["present", "absent", "unsure"]), default="present", show_default=True,
    help="Verdict of the labels that are counted.",
)  # fmt: skip
@click.option("--annotator", metavar="NAME", help="Annotations by this annotator alone.")
@click.option("--where", metavar="SQL", help="Condition on columns of the recordings that are counted.")
@click.option(
    "--bin", "bin_minutes", default="60min", show_default=True, callback=_minutes, metavar="TIME",
    help="Length of a bin of the day: 15min, 30min, 2h.",
)  # fmt: skip
@click.option(
    "--rows", "by", type=click.Choice(["hour", "day", "both"]), default="hour", show_default=True,
    help="Rows that are printed: times of the day, days, or each time of each day.",
)  # fmt: skip
@click.option("--to", type=ResultPath(), metavar="PNG", help="Draw a map of days and hours into this file.")
@format_option()
def activity(
    folder: str,
    labels: tuple[str, ...],
    events: str | None,
    head: str | None,
    to: str | None,
    output_format: str,
    **options: Any,
) -> None:
    """Count what was heard by day and time of day, per hour recorded.

    Counts annotations (mmasc label), with --events the labels in a file of another program, with --head the events that
    a head finds. Needs the clocks of the recordings (mmasc collection clock). Times at which nothing was recorded are
    left out of the rows, and grey in the figure.
    """
    threshold, annotator, verdict = (options.pop(name) for name in ("threshold", "annotator", "verdict"))
    if events is not None and head is not None:
        raise click.UsageError("--events and --head are two sources; give one")
    if events is None and head is None and threshold is not None:
        raise click.UsageError("--threshold is for --head and for scores of --events")
    if (events is not None or head is not None) and annotator is not None:
        raise click.UsageError("--annotator is for annotations; leave it out with --events and --head")
    if head is not None and verdict != "present":
        raise click.UsageError("--verdict is for annotations and --events; leave it out with --head")
    if head is not None and threshold is not None and not 0 <= threshold <= 1:
        raise click.UsageError(f"--threshold of --head is a probability in [0, 1], not {threshold:g}")
    if to is not None and os.path.splitext(to)[1].lower() != ".png":
        raise click.UsageError(f"--to draws PNG; name a file that ends in .png, not {to}")
    from mmasc.collection import Collection
    from mmasc.studies.activity import activity as count

    opened, by = Collection(folder), options.pop("by")
    if head is not None:
        from mmasc.studies.detections import of_head

        detections = of_head(opened, head, labels, threshold, options["where"])
    else:
        detections = _found(opened, labels, events, threshold, verdict, annotator)
    found = count(opened, detections, labels=labels, **options)
    _remarks(found)
    if to is not None:
        from mmasc.studies.activity_plot import plot_activity

        plot_activity(found, to)
        remark(f"→ {show_path(to)}")
    print_rows(found.rows(by), output_format)
    if output_format == "table":
        echo(
            f"{counted(int(found.counts.sum()), 'detection')} in {found.recorded.sum():.2f} recorded hours, "
            f"{found.days[0]} to {found.days[-1]}"
        )


def _found(
    opened: Any,
    labels: Sequence[str],
    events: str | None,
    threshold: float | None,
    verdict: str,
    annotator: str | None,
) -> "list[Detection]":
    from mmasc.studies.detections import annotated, of_rows

    folder = show_path(opened.store.location)
    if events is None:
        found, by = annotated(opened, labels, verdict, annotator)
        if not found and not labels:
            raise MmascError(f"{folder} has no such annotations; make some with mmasc label add, or give --events FILE")
        if len(by) > 1:
            names = ", ".join(by[:_NAMED])
            remark(f"labels of {len(by)} annotators are counted together ({names}); one alone: --annotator")
        return found
    from mmasc.label_files.formats import read_rows

    read = read_rows(events)
    for problem in read.problems[:_NAMED]:
        remark(str(problem))
    if len(read.problems) > _NAMED:
        remark(f"{counted(len(read.problems) - _NAMED, 'more line')} of {show_path(events)} could not be used")
    found, strange = of_rows(opened, read.rows, events, labels, threshold, verdict)
    if strange:
        remark(
            f"{counted(strange, 'row')} of {show_path(events)} {'names' if strange == 1 else 'name'} no recording "
            f"of {folder}, or several"
        )
    return found


def _remarks(found: "Activity") -> None:
    known, unknown = found.recordings
    if unknown:
        lost = (
            f"; {counted(found.without_clock, 'detection in them is', 'detections in them are')} not counted"
            if found.without_clock
            else ""
        )
        remark(
            f"{unknown} of {counted(known + unknown, 'recording')} {'has' if unknown == 1 else 'have'} no clock{lost}"
        )
