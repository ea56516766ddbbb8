"""Options that many commands share, so that they have one name, one help line and one meaning."""

from collections.abc import Callable
from typing import Any

import click

FORMATS = ("table", "json", "jsonl", "csv")


def format_option(*more: str) -> Callable[[Any], Any]:
    """`--format`: how results are printed on stdout; `more` names formats that one command has beyond the four."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice([*FORMATS, *more]),
        default="table",
        show_default=True,
        help="How results are printed on stdout.",
    )


device_option = click.option(
    "--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda, cuda:1, mps, or auto."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress and no remarks on stderr.")
encoder_option = click.option(
    "--encoder", default="mini", show_default=True, metavar="NAME", help="See `mmasc models list`; NAME:PATH for files."
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["eager", "onnx"]),
    default="eager",
    show_default=True,
    help="What runs the encoder; onnx is faster on CPUs and another space (extra: onnx).",
)
channels_option = click.option(
    "--channels",
    type=click.Choice(["mix", "left", "right", "each", "mid-side"]),
    default="mix",
    show_default=True,
    help="Mean of the channels, one of them, or every one by itself.",
)
hop_option = click.option(
    "--hop",
    "hop_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="From one window's start to the next; default: the window, no overlap.",
)
window_option = click.option(
    "--window",
    "window_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Another window than the encoder's own: another space.",
)
strict_option = click.option("--strict", is_flag=True, help="A file that cannot be read is an error at once.")
