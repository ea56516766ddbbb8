"""`mmasc compare`: trained networks and heads on collections in one table, next to published figures."""

import sys
from pathlib import Path
from typing import Any

import click

from mmasc.cli.options import data_of_runs_option, decoded_cache_option, device_option, format_option, quiet_option
from mmasc.cli.output import echo, print_note, print_object, print_rows, remark
from mmasc.cli.progress import shown_progress
from mmasc.heads.registry import HEADS


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="RUN|COLLECTION...", type=click.Path())
@click.option("--label", default=None, metavar="COLUMN", help="Column with the labels of the collections.")
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=click.Choice(list(HEADS)),
    default=("logistic",),
    show_default=True,
    help="Head fitted to the collections; several give one row each.",
)
@click.option(
    "--groups",
    metavar="COLUMN",
    help="Column of the collections; recordings with the same value are never on both sides of a fold.",
)
@click.option(
    "--folds-column",
    metavar="COLUMN",
    help="Column of the collections with official folds.  [default: fold, if it exists]",
)
@data_of_runs_option
@decoded_cache_option
@click.option(
    "--measure/--no-measure", default=True, show_default=True, help="Measure the speed of the networks on this machine."
)
@click.option(
    "--to", type=click.Path(), default=None, metavar="DIR", help="Folder for the table as Markdown, JSON and picture."
)
@click.option("--name", default=None, help="Name of these files.  [default: the kind of data set]")
@device_option
@quiet_option
@format_option("markdown")
def compare(
    paths: tuple[str, ...], to: str | None, name: str | None, quiet: bool, output_format: str, **options: Any
) -> None:
    """Compare runs and collections in one table: accuracy with intervals, cost, speed, published figures.

    Runs with the same network, features and options form one row, pooled over folds and seeds. Every space of a
    collection gives one row per --head, with the folds of the collection. The test scores of a run are kept next to
    its weights.
    """
    from mmasc.evaluation.compare import compare as compare_systems
    from mmasc.evaluation.compare import comparison_object, tests_of
    from mmasc.evaluation.compare_table import markdown, notes_on, write_comparison

    with shown_progress("comparing", quiet):
        found = compare_systems(paths, remark=lambda text: remark(text, quiet), **options)
    command = " ".join(["mmasc", *(Path(word).name if "/" in word else word for word in sys.argv[1:])])
    if to is not None:
        for path in write_comparison(found, to, name, command):
            remark(f"→ {path}", quiet)
    if output_format == "markdown":
        echo(markdown(found), nl=False)
    elif output_format in ("json", "jsonl"):
        print_object(comparison_object(found), output_format)
    else:
        tests = tests_of(found.rows)
        rows = [_row(row, tested) for row, tested in zip(found.rows, tests, strict=True)]
        print_rows(rows if output_format == "csv" else _marked(rows), output_format)
        for note in notes_on(found.rows):
            print_note(note.removeprefix("\\* "), output_format, quiet)


def _marked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for people: a mark instead of a column on what was learned before, letters of tests where they differ."""
    several = len({row["tested_on"] for row in rows}) > 1
    hidden = {"learned_before"} | (set() if several else {"tested_on"})
    return [
        {name: value for name, value in row.items() if name not in hidden}
        | {"system": row["system"] + (" *" if row["learned_before"] else "")}
        for row in rows
    ]


def _row(row: Any, tested: str) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    cost = row.cost
    return {
        "system": row.system,
        "features": row.features,
        "recipe": row.recipe,
        "accuracy": row.accuracy,
        "low": low,
        "high": high,
        "seeds": row.seeds,
        "spread": row.spread,
        "parameters": cost and cost.parameters,
        "real_time": cost and cost.real_time,
        "tested_on": tested,
        "learned_before": "; ".join(one.state for one in row.heard),
        "published": "; ".join(f"{100 * one.value:g} % ({one.measured})" for one in row.published),
    }
