"""`mmasc train vqvae`, `ivf` and `scenes`: train imagined visual features on sounds with pictures."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import echo, print_object, remark
from mmasc.cli.progress import shown_progress
from mmasc.progress import counting


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of both stages."""
    options = [
        click.option(
            "--pairs", required=True, type=click.Path(path_type=Path), metavar="PATH",
            help="Folder of films, or CSV table with a column video or the columns audio and image.",
        ),
        click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run."),
        click.option(
            "--steps", type=click.IntRange(min=1), default=3000, show_default=True, help="Number of optimiser steps."
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."),
        click.option(
            "--batch", type=click.IntRange(min=2), default=32, show_default=True, help="Batch size: pairs per step."
        ),
        click.option(
            "--group-column", metavar="COLUMN", help="Column of the table; rows with the same value are never split."
        ),
        click.option(
            "--precision", type=click.Choice(["float32", "bf16"]), default="float32", show_default=True,
            help="Number format of the computation.",
        ),
        click.option(
            "--cache", type=click.Path(path_type=Path), metavar="DIR",
            help="Folder for decoded pairs; default: inside RUN.",
        ),
        click.option(
            "--workers", type=click.IntRange(min=0), default=2, show_default=True, help="Number of decoding processes."
        ),
        click.option(
            "--checkpoint-steps", type=click.IntRange(min=1), default=200, show_default=True,
            help="Steps between checkpoints.",
        ),
        click.option(
            "--picture-steps", type=click.IntRange(min=1), default=500, show_default=True,
            help="Steps between pictures of the progress.",
        ),
        click.option(
            "--pause-at", "stop", type=click.IntRange(min=1), help="Step at which the run stops, to be continued later."
        ),
        device_option,
        format_option(),
        quiet_option,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_SHAPING = ("codes", "dim", "halvings", "codebook", "frames_per_second", "window_seconds", "validation_share")


def _vqvae_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that shape the VQ-VAE; without a value, its defaults (or those of the run) hold."""
    options = [
        click.option("--size", type=click.IntRange(min=8), help="Side of a picture in pixels.  [default: 64]"),
        click.option(
            "--codes", type=click.IntRange(min=2), help="K, number of vectors in the codebook.  [default: 512]"
        ),
        click.option("--dim", type=click.IntRange(min=1), help="D, dimension of a codebook vector.  [default: 64]"),
        click.option(
            "--halvings",
            type=click.IntRange(1, 8),
            help="Number of times that a picture is halved.  [default: to 8 or 16 cells per side]",
        ),
        click.option(
            "--codebook", type=click.Choice(["ema", "gradient"]), help="Update of the codebook.  [default: ema]"
        ),
        click.option(
            "--frames-per-second",
            type=NumberRange(min=0, min_open=True),
            help="Frames per second taken from films.  [default: 4]",
        ),
        click.option(
            "--window",
            "window_seconds",
            type=NumberRange(min=0.2),
            metavar="SECONDS",
            help="Length of the sound of a pair.  [default: 0.96]",
        ),
        click.option(
            "--validation-share",
            type=NumberRange(0, 0.9),
            help="Share of the groups held out for validation.  [default: 0.1]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_shared
@_vqvae_options
@click.option(
    "--learning-rate",
    type=NumberRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Learning rate.",
)
@click.option("--beta", type=NumberRange(min=0), default=0.25, show_default=True, help="Weight of the commitment loss.")
def vqvae(output_format: str, quiet: bool, **options: Any) -> None:
    """Train a codebook of pictures: the first stage of imagined visual features.

    Started again with the same options, a run that was stopped continues.
    """
    from mmasc.training.ivf.train import train_vqvae

    given = {name: value for name, value in options.items() if value is not None}
    with shown_progress("training", quiet), counting("decoding", "films") as show:
        result = train_vqvae(**given, remark=lambda said: remark(said, quiet), progress=show)
    print_object(asdict(result), output_format)


@click.command()
@_shared
@_vqvae_options
@click.option(
    "--vqvae-steps",
    type=click.IntRange(min=1),
    help="Optimiser steps of the VQ-VAE, if it is still to be trained.  [default: --steps]",
)
@click.option(
    "--variant",
    type=click.Choice(["index", "q", "no-vq"]),
    default="index",
    show_default=True,
    help="Target of the network: code indices, code vectors, or vectors without a codebook.",
)
@click.option(
    "--network",
    "kind",
    type=click.Choice(["transformer", "convolution"]),
    default="transformer",
    show_default=True,
    help="Architecture of the network.",
)
@click.option(
    "--learning-rate",
    type=NumberRange(min=0),
    default=0,
    help="Learning rate of the network.  [default: that of --adam]",
)
@click.option(
    "--adam", type=click.Choice(["default", "wgan-gp", "paper"]), default="default", show_default=True,
    help="Betas and learning rate of Adam: default (0.5, 0.999), 2e-4; wgan-gp (0, 0.9), 1e-4; paper (0.5, 0.0002), as "
    "printed there, where the second moment keeps only the last gradient.",
)  # fmt: skip
@click.option(
    "--critic-weight",
    type=NumberRange(min=0),
    default=0.01,
    show_default=True,
    help="Weight of the critic's loss; 0: no critic.",
)
@click.option(
    "--critic-steps", type=click.IntRange(min=1), default=1, show_default=True, help="Critic steps per network step."
)
@click.option(
    "--penalty",
    type=NumberRange(min=0),
    default=10.0,
    show_default=True,
    help="Weight of the penalty on the critic's gradient.",
)
@click.option(
    "--imagined", type=click.Choice(["soft", "straight-through"]), default="soft", show_default=True,
    help="Kind of imagined vectors that the critic receives.",
)  # fmt: skip
@click.option(
    "--joint",
    is_flag=True,
    help="Let the VQ-VAE go on learning together with the network, after a first stage of a tenth of the steps.",
)
def ivf(output_format: str, quiet: bool, kind: str, **options: Any) -> None:
    """Train a network that imagines pictures from sounds: all stages that are still missing in RUN.

    The run loads as the encoder `ivf:RUN`. Started again with the same options, a run that was stopped continues.
    """
    from mmasc.ivf.transformation import TransformationConfig
    from mmasc.training.ivf.train import train_ivf

    shaping = {name: options.pop(name) for name in (*_SHAPING, "vqvae_steps")}
    vqvae = {name.removeprefix("vqvae_"): value for name, value in shaping.items() if value is not None}
    network = TransformationConfig(kind=kind)  # type: ignore[arg-type]
    with shown_progress("training", quiet), counting("decoding", "films") as show:
        result = train_ivf(
            **options, vqvae=vqvae, network=network, remark=lambda said: remark(said, quiet), progress=show
        )
    print_object(asdict(result), output_format)


@click.command()
@click.option("--to", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the films.")
@click.option("-n", "n", type=click.IntRange(min=1), default=2000, show_default=True, help="Number of films.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--seconds", type=NumberRange(min=0.5), default=2.0, show_default=True, help="Length of a film in seconds."
)
@click.option("--size", type=click.IntRange(min=8), default=64, show_default=True, help="Side of a picture in pixels.")
@quiet_option
def scenes(to: Path, n: int, seed: int, seconds: float, size: int, quiet: bool) -> None:
    """Synthesise films in which everything visible can be heard, for users without films of their own."""
    from mmasc.ivf.scenes import write_scenes

    with shown_progress("writing films", quiet), counting("writing", "films") as show:
        written = write_scenes(to, n, seed, seconds, size, progress=show)
    echo(str(written))
