"""`mmasc prompts`: list and check prompt files."""

from typing import Any

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_rows, remark


@click.group(short_help="List and check prompt files.")
def prompts() -> None:
    """List and check prompt files.

    A prompt file is YAML: `labels:` with a line `label: [phrase, phrase]` for each, and, where wanted, `name:`,
    `description:` and `templates: ["a recording of {}"]`.
    """


@prompts.command("list")
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@format_option()
def list_prompts(names: tuple[str, ...], output_format: str) -> None:
    """List the bundled prompt files, or the labels and phrases of the named ones."""
    from mmasc.prompts import bundled_prompts, load_prompts

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
@click.option("--encoder", default=None, metavar="NAME", help="Also ask this encoder which prompts it can use.")
@device_option
@quiet_option
@format_option()
@click.pass_context
def lint_prompts(
    ctx: click.Context, names: tuple[str, ...], encoder: str | None, device: str, quiet: bool, output_format: str
) -> None:
    """Check prompt files; exits with 1 if there is an error, with 0 if there are only warnings."""
    from mmasc.prompts import lint

    loaded = None
    if encoder is not None:
        from mmasc.encoders import load_encoder

        loaded = load_encoder(encoder, device)
    rows = [
        {"file": name, "line": finding.line, "level": finding.level, "message": finding.message}
        for name in names
        for finding in lint(name, loaded)
    ]
    if rows or output_format != "table":
        print_rows(rows, output_format, ["file", "line", "level", "message"])
    errors = sum(row["level"] == "error" for row in rows)
    remark(f"{_count(len(names), 'file')}: {_count(errors, 'error')}, {_count(len(rows) - errors, 'warning')}", quiet)
    if errors:
        ctx.exit(1)


def _joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lists as one text each, for forms that have no lists."""
    return [row | {"phrases": "; ".join(row["phrases"])} for row in rows]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
