"""`mmasc train`: train encoders and supervised networks on recordings of your own."""

from pathlib import Path

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import device_option, format_option, quiet_option, strict_option
from mmasc.cli.output import print_object, remark
from mmasc.cli.progress import shown_progress
from mmasc.cli.train_ivf import ivf, scenes, vqvae


class _TrainGroup(click.Group):
    """A group with every supervised network as a subcommand; their code is imported when one is named."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        from mmasc.networks.registry import NETWORKS

        if cmd_name not in NETWORKS:
            others = ", ".join([*self.list_commands(ctx), *sorted(NETWORKS)])
            raise click.UsageError(f"unknown network {cmd_name!r}; known: {others}")
        from mmasc.cli.train_network import network

        return network

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        with formatter.section("Networks"):
            formatter.write_dl(
                [("NETWORK", "Any network of `mmasc models list`; options: `mmasc train NETWORK --help`.")]
            )


@click.group(cls=_TrainGroup)
def train() -> None:
    """Train encoders and networks on recordings of your own."""


@train.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="TABLE.csv", help="Table of sounds and texts."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="RUN", help="Folder of the run.")
@click.option("--text-column", default="label", show_default=True, help="Column with the text of a sound.")
@click.option(
    "--path-column", default="path", show_default=True, help="Column with the path of a sound, relative to the table."
)
@click.option(
    "--group-column", default=None, help="Column; rows with the same value (uploader, place) are never split."
)
@click.option(
    "--validation", type=click.Path(path_type=Path), metavar="TABLE.csv", help="Separate table for validation."
)
@click.option(
    "--validation-share",
    type=NumberRange(0, 0.9),
    default=0.0,
    help="Share of the groups held out for validation instead.",
)
@click.option("--audio", default="mini", show_default=True, help="Network to train: mini or mini-wide.")
@click.option(
    "--text", default="mini", show_default=True, help="Text encoder: mini, an encoder with text, or a table file."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option("--steps", type=click.IntRange(min=1), default=2400, show_default=True, help="Number of optimiser steps.")
@click.option("--batch", type=click.IntRange(min=2), default=64, show_default=True, help="Batch size: crops per step.")
@click.option(
    "--crop",
    "crop_seconds",
    type=NumberRange(min=0.5),
    default=3.2,
    show_default=True,
    help="Length of a crop in seconds.",
)
@click.option(
    "--learning-rate",
    type=NumberRange(min=0, min_open=True),
    default=3e-3,
    show_default=True,
    help="Peak learning rate.",
)
@click.option(
    "--balance",
    type=NumberRange(0, 1),
    default=0.5,
    show_default=True,
    help="Balance of the draws: 1 draws every text equally often.",
)
@click.option(
    "--class-weight",
    type=NumberRange(min=0),
    default=0.5,
    show_default=True,
    help="Weight of the classification loss; 0 for captions.",
)
@click.option(
    "--teacher",
    multiple=True,
    metavar="ENCODER",
    help="Encoder to learn from in addition to the texts; may be given several times. Rows without a text are learned "
    "from teachers alone. What is learned from names:TAGGER becomes a part of the vector.",
)
@click.option(
    "--also",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="TABLE.csv",
    help="Further table for a run with teachers; may be given several times. Its crops are mixed only with each other.",
)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run to begin from, with the same teachers; or weights alone (last.safetensors of a run, base, base-strict).",
)
@click.option(
    "--course",
    type=click.Choice(["cycle", "hold", "fall"]),
    default="cycle",
    show_default=True,
    help="Schedule of the learning rate with teachers: one cycle; hold: constant after a rise; fall: from --start.",
)
@click.option(
    "--teacher-weight", type=NumberRange(min=0), default=3.0, show_default=True, help="Weight of each teacher."
)
@click.option(
    "--unlabelled-share",
    type=NumberRange(0, 1, max_open=True),
    default=0.4,
    show_default=True,
    help="Share of the draws without a text, where there are any.",
)
@click.option(
    "--crops-each",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of crops of each recording for the teachers: pieces, mixed, filtered, at other speeds.",
)
@click.option("--half/--full", default=False, help="Convolutions in bfloat16, or all in float32 (the default).")
@click.option(
    "--cache", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder that keeps features for later runs."
)
@click.option(
    "--checkpoint-steps", type=click.IntRange(min=1), default=100, show_default=True, help="Steps between checkpoints."
)
@click.option(
    "--pause-at", type=click.IntRange(min=1), default=None, help="Step at which the run stops, to be continued later."
)
@device_option
@strict_option
@format_option()
@quiet_option
def align(output_format: str, quiet: bool, **options: object) -> None:
    """Train a network on sounds and texts; the run loads as `mini:RUN`.

    Started again with the same options, a run that was stopped continues. The bundled encoder took ten minutes on one
    CPU core for 802 recordings.
    """
    from dataclasses import asdict

    from mmasc.training.alignment.train import train_alignment

    with shown_progress("reading sounds", quiet):
        result = train_alignment(**options, remark=lambda line: remark(line, quiet))  # type: ignore[arg-type]
    print_object(asdict(result), output_format)


for _command in (vqvae, ivf, scenes):
    train.add_command(_command)
