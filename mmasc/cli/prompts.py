"""`mmasc prompts`: list, check, compare and calibrate prompt files."""

from typing import Any

import click

from mmasc.cli.lists import ListCommand
from mmasc.cli.numbers import NumberRange
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
from mmasc.cli.targets import ResultPath
from mmasc.printing import counted, plain


@click.group(short_help="List, check, compare and calibrate prompt files.")
def prompts() -> None:
    """List, check, compare and calibrate prompt files.

    A prompt file is YAML: `labels:` with a line `label: [phrase, phrase]` for each label, and optionally
    `name:`, `description:` and `templates: ["a recording of {}"]`.
    """


@prompts.command("list")
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@format_option()
def list_prompts(names: tuple[str, ...], output_format: str) -> None:
    """List the bundled prompt files, or the labels and phrases of the named ones."""
    from mmasc.prompts.prompts import bundled_prompts, load_prompts

    if names:
        rows: list[dict[str, Any]] = [
            {"prompts": read.name, "label": label, "phrases": list(phrases), "prompted": len(read.expand()[label])}
            for read in map(load_prompts, names)
            for label, phrases in read.labels.items()
        ]
        columns = (["prompts"] if len(names) > 1 else []) + ["label", "phrases"]
        print_rows(_joined(rows) if output_format == "csv" else rows, output_format, columns)
        return
    rows = [
        {
            "name": name,
            "labels": len(read.labels),
            "phrases": sum(len(phrases) for phrases in read.labels.values()),
            "description": read.description,
        }
        for name in bundled_prompts()
        for read in [load_prompts(name)]
    ]
    print_rows(rows, output_format, ["name", "labels", "phrases", "description"])


@prompts.command("lint")
@click.argument("names", metavar="NAME|FILE...", nargs=-1, required=True)
@click.option("--encoder", default=None, metavar="NAME", help="Encoder for which the prompts are checked as well.")
@device_option
@quiet_option
@format_option()
@click.pass_context
def lint_prompts(
    ctx: click.Context, names: tuple[str, ...], encoder: str | None, device: str, quiet: bool, output_format: str
) -> None:
    """Check prompt files; exits with 1 if there is an error, with 0 if there are only warnings."""
    from mmasc.prompts.lint import lint

    loaded = None
    if encoder is not None:
        from mmasc.encoders.registry import load_encoder

        loaded = load_encoder(encoder, device)
    rows = [
        {"file": name, "line": finding.line, "level": finding.level, "message": finding.message}
        for name in names
        for finding in lint(name, loaded)
    ]
    if rows or output_format != "table":
        print_rows(rows, output_format, ["file", "line", "level", "message"])
    errors = sum(row["level"] == "error" for row in rows)
    remark(
        f"{counted(len(names), 'file')}: {counted(errors, 'error')}, {counted(len(rows) - errors, 'warning')}", quiet
    )
    if errors:
        ctx.exit(1)


@prompts.command("sweep", cls=ListCommand)
@click.argument("collection")
@click.option("--label", required=True, metavar="COLUMN", help="Column with the labels.")
@click.option(
    "--prompts",
    "names",
    required=True,
    multiple=True,
    metavar="NAME|FILE...",
    help="Prompt files to compare, as in --prompts esc10 mine.yaml.",
)
@click.option(
    "--templates",
    multiple=True,
    metavar="TEXT...",
    help='Further templates for the phrases, as in --templates "{}" "the sound of {}".',
)
@draw_together_option
@text_space_option
@where_option
@device_option
@quiet_option
@format_option()
def sweep_prompts(
    collection: str,
    label: str,
    names: tuple[str, ...],
    templates: tuple[str, ...],
    quiet: bool,
    output_format: str,
    **options: Any,
) -> None:
    """Compare prompt files and templates on a labelled collection: accuracies with intervals, and their spread.

    Each file is tried as written, with every template, phrase by phrase, with its variants averaged, weighted by the
    entropy of the predictions (arXiv 2601.05011), centred, and matched to equal shares of the labels; the last three
    use the same sounds without their labels. COLLECTION comes before --prompts.
    """
    from dataclasses import asdict

    from mmasc.prompts.reader import PLACE
    from mmasc.studies.prompt_sweep import sweep_prompts as compare

    for template in templates:
        if template.count(PLACE) != 1:
            raise click.UsageError(f"a template must contain {PLACE} exactly once, got {template!r}")
    with shown_progress("comparing", quiet):
        found = compare(collection, label, names, templates, **options)
    if output_format == "json":
        print_object(asdict(found), output_format)
    else:
        rows = [_sweep_row(asdict(row)) for row in found.rows]
        columns = ["prompts", "way", "template", "accuracy", "low", "high"]
        if output_format == "csv":
            rows = [
                row | {"weights": "; ".join(f"{name}: {value:.4f}" for name, value in row["weights"].items())}
                for row in rows
            ]
            columns.append("weights")
        print_rows(rows, output_format, columns)
    if found.unlabelled:
        remark(left_out(found.unlabelled, f"without a label in {label!r}"), quiet)
    for name, match in found.matches.items():
        if match["similar"]:
            some = counted(match["similar"], "label matches", "labels match")
            remark(f"{name}: {some} only when case, underscores and hyphens are ignored", quiet)
    print_note(found.heard.sentence, output_format, quiet)
    remark(
        f"{counted(found.recordings, 'recording')}, {counted(found.classes, 'label')}: the choice of words changes the "
        f"accuracy by {found.spread:.3f} "
        f"({found.worst:.3f} to {found.best:.3f}); always the most frequent label: {found.largest_class:.3f}",
        quiet,
    )


@prompts.command("calibrate")
@click.argument("collection")
@click.option("--label", required=True, metavar="COLUMN", help="Column with the labels.")
@click.option("--prompts", "name", required=True, metavar="NAME|FILE", help="Prompt file to calibrate.")
@click.option(
    "--out",
    required=True,
    type=ResultPath(),
    metavar="FILE",
    help="File for the calibration (JSON), for `mmasc classify --calibration`.",
)
@click.option(
    "--shift",
    type=click.Choice(["none", "centre", "prior"]),
    default="centre",
    show_default=True,
    help="Correction of labels that fit every sound: none, subtract the label's mean cosine, or equal "
    "shares of labels.",
)
@click.option("--thresholds", is_flag=True, help="Learn a minimum probability per label, the one with the best F1.")
@click.option(
    "--lost",
    type=NumberRange(0, 1, max_open=True),
    default=None,
    metavar="SHARE",
    help="Learn a minimum cosine for 'none of these'; at most this share of the right answers is lost.",
)
@click.option(
    "--background",
    metavar="COLLECTION|PATH",
    help="Recordings without any of the labels: they set the minimum cosine, as the one that keeps right answers and "
    "background apart best; --lost then limits what is lost.",
)
@click.option("--multi-label", is_flag=True, help="Allow several labels at once; implies --thresholds.")
@click.option(
    "--groups", metavar="COLUMN", help="Column; recordings with the same value are never on both sides of a fold."
)
@click.option(
    "--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Number of folds for the measurement."
)
@text_space_option
@where_option
@device_option
@quiet_option
@format_option()
def calibrate_prompts(collection: str, label: str, name: str, quiet: bool, output_format: str, **options: Any) -> None:
    """Calibrate a prompt file on labelled recordings, for `mmasc classify --calibration FILE`.

    It learns a shift per label (without using the labels of the sounds), the temperature, and optionally a threshold
    per label and a minimum cosine. The numbers are measured on folds that were not used for learning.
    """
    from dataclasses import asdict

    from mmasc.heads.calibration import TEMPERATURES
    from mmasc.storage.texts import listed
    from mmasc.studies.prompt_tuning import tune_prompts

    with shown_progress("calibrating", quiet):
        found = tune_prompts(collection, label, name, **options)
    if output_format == "json":
        print_object(asdict(found), output_format)
    else:
        rows = [asdict(row) for row in found.rows]
        if output_format == "table" and options["background"] is None:
            rows = [{name: value for name, value in row.items() if name != "background"} for row in rows]
        print_rows(rows, output_format)
    if found.unlabelled:
        remark(left_out(found.unlabelled, f"without a label in {label!r}"), quiet)
    if found.not_tested:
        remark(f"learned from, but not tested (one recording each): {listed(found.not_tested)}", quiet)
    made = found.calibration
    if made.temperature >= TEMPERATURES[1]:
        remark("the cosines do not separate these labels: all get about the same probability; fix the prompts", quiet)
    least = "" if made.minimum_cosine is None else f", minimum cosine {made.minimum_cosine:.3f}"
    remark(f"{counted(found.recordings, 'recording')}: temperature {made.temperature:.4f}{least} → {found.out}", quiet)


def _sweep_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a sweep with its interval in two columns."""
    low, high = row.pop("interval")
    weights = row.pop("weights")
    return plain(row | {"low": low, "high": high, "weights": weights})


def _joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with each list as one text, for formats that have no lists."""
    return [row | {"phrases": "; ".join(row["phrases"])} for row in rows]
