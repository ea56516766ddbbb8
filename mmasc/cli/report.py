"""`mmasc report`: a study of prompts on a labelled collection, as numbers, figures and a page."""

from typing import Any

import click

from mmasc.cli.lists import ListCommand
from mmasc.cli.options import (
    device_option,
    draw_together_option,
    format_option,
    quiet_option,
    text_space_option,
    where_option,
)
from mmasc.cli.output import left_out, print_note, print_object, print_rows, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import counted


@click.command(cls=ListCommand, short_help="Study prompts on a labelled collection: numbers, figures, a page.")
@click.argument("collection")
@click.option("--label", required=True, metavar="COLUMN", help="Column with the labels.")
@click.option(
    "--prompts",
    required=True,
    multiple=True,
    metavar="NAME|FILE...",
    help="Prompt files to study, as in --prompts tau2020-simple tau2020-complex.",
)
@click.option("--to", required=True, type=click.Path(), metavar="DIR", help="Folder for the report.")
@draw_together_option
@text_space_option
@where_option
@device_option
@quiet_option
@format_option()
def report(
    collection: str, label: str, prompts: tuple[str, ...], to: str, quiet: bool, output_format: str, **options: Any
) -> None:
    """Study prompts on a labelled collection: one folder with report.json, figures and a page.

    It contains accuracies with intervals, confusions, principal components of texts, of sounds and of both, cosines of
    the prompts, the gap between sounds and texts, the labels that attract every sound, and the calibration of the
    probabilities. Labels match exactly, otherwise ignoring case, underscores and hyphens. COLLECTION comes before
    --prompts.
    """
    from mmasc.studies.report import report as write_report
    from mmasc.studies.report import report_object

    with shown_progress("reporting", quiet):
        found = write_report(collection, label, prompts, to, **options)
    if found.unlabelled:
        remark(left_out(found.unlabelled, f"without a label in {label!r}"), quiet)
    if output_format in ("json", "jsonl"):
        print_object(report_object(found), output_format)
    else:
        rows: list[dict[str, Any]] = [
            {
                "prompts": one.name,
                "accuracy": one.accuracy,
                "low": one.interval[0],
                "high": one.interval[1],
                "centred": one.centred and one.centred[0],
                "prior_matched": one.prior_matched and one.prior_matched[0],
                "calibration_error": one.calibration_error,
                "most_said": one.attraction[0].label,
                "said": one.attraction[0].said,
                "true": one.attraction[0].true,
            }
            for one in found.results
        ]
        print_rows(rows, output_format)
    print_note(found.heard.sentence, output_format, quiet)
    remark(f"{counted(found.recordings, 'recording')}, {counted(len(found.classes), 'label')} → {found.page}", quiet)
