"""`mmasc label compare`: found labels against true ones."""

from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.evaluation.label_comparison import LabelFigures
    from mmasc.metrics.events import EventScores


@click.command("compare")
@click.argument("truth", metavar="TRUTH")
@click.argument("guess", metavar="GUESS")
@click.option(
    "--segment",
    "segment_seconds",
    type=NumberRange(min=0.001),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Length of the segments that are compared.",
)
@click.option(
    "--collar",
    "collar_seconds",
    type=NumberRange(0, min_open=True),
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="Events: maximum distance between two beginnings and between two ends.",
)
@click.option(
    "--length",
    "length_percent",
    type=NumberRange(0, 100),
    default=50.0,
    show_default=True,
    metavar="PERCENT",
    help="Events: maximum distance between two ends as a share of the true event's length, if that is more.",
)
@click.option("--onset-only", is_flag=True, help="Events: compare beginnings only.")
@click.option(
    "--all-recordings",
    is_flag=True,
    help="Count recordings without labels in TRUTH, too: all labels of GUESS there are wrong.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the intervals.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Format of the results on stdout.",
)
@click.option("--quiet", "-q", is_flag=True, help="Suppress remarks on stderr.")
def compare_files(
    truth: str, guess: str, length_percent: float, onset_only: bool, output_format: str, quiet: bool, **options: Any
) -> None:
    """Compare labels: precision, recall, F1 and error rate by segments of time and by events.

    TRUTH and GUESS are label files, folders of them, collections, or the labels of one annotator: COLLECTION:NAME.
    Where all labels of GUESS have scores, the threshold with the best F1 is shown; it is chosen on these data.
    """
    from mmasc.evaluation.label_comparison import compare_labels, comparison_object, comparison_rows

    found = compare_labels(truth, guess, length_share=length_percent / 100, with_offset=not onset_only, **options)
    for line in found.remarks:
        remark(line, quiet)
    if output_format == "json":
        print_object(comparison_object(found), "json")
        return
    rows = comparison_rows(found)
    if output_format == "csv":
        print_rows(rows, "csv")
        return
    echo(counted(found.recordings, "recording"))
    for kind, figures in (("segments", found.segments), ("events", found.events)):
        echo()
        echo(figures.counted)
        own = [row for row in rows if row["counted"] == kind]
        columns = ["label", "true", "said", "precision", "recall", "f1", "error_rate"]
        columns += ["best_threshold"] if figures.best else []
        named = [row | {"label": row["label"] or f"({row['over']})"} for row in (*own[2:], *own[:2])]
        print_table(named, columns)
        for line in _lines(figures):
            echo(line)


def _lines(figures: "LabelFigures") -> list[str]:
    lines = []
    if figures.micro.error_rate is not None:
        lines.append(
            f"error rate {figures.micro.error_rate:.3f}: {figures.micro.substitutions:.3f} substitutions, "
            f"{figures.micro.deletions:.3f} deletions, {figures.micro.insertions:.3f} insertions"
        )
    if figures.micro_interval is not None and figures.macro_interval is not None:
        parts = [f"micro F1 {_span(figures.micro_interval)}", f"macro F1 {_span(figures.macro_interval)}"]
        lines.append(f"95 % intervals over recordings: {', '.join(parts)}")
    if figures.best:
        lines.append("best thresholds were chosen on these data: expect less of them on others")
    return lines


def _span(interval: "EventScores") -> str:
    low, high = interval.f1 or (0.0, 0.0)  # type: ignore[misc]
    return f"{low:.3f} to {high:.3f}"
