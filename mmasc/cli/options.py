"""Options that many commands share, so that they have one name, one help line and one meaning."""

from collections.abc import Callable
from typing import Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.encoders.executing import EXECUTORS
from mmasc.encoders.spec import DEFAULT_ENCODER

FORMATS = ("table", "json", "jsonl", "csv")


def format_option(*more: str) -> Callable[[Any], Any]:
    """`--format`: how results are printed on stdout; `more` names further formats of one command."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice([*FORMATS, *more]),
        default="table",
        show_default=True,
        help="Format of the results on stdout.",
    )


device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="DEVICE",
    help="Device to compute on: cpu, cuda, cuda:1, mps or auto.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Suppress progress and remarks on stderr.")


def _heard_so(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep what `--speed` or `--band` says until the encoder's name is known."""
    if value is not None:
        ctx.meta[f"mmasc.{parameter.name}"] = value


def _with_hearing(ctx: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """The encoder's name with what `--speed` and `--band` say: collections keep it so; None where none is given."""
    said = {key: ctx.meta.get(f"mmasc.{key}") for key in ("speed", "band")}
    if not any(said.values()):
        return name
    from mmasc.encoders.hearing import Hearing, split_hearing

    plain, own = split_hearing(DEFAULT_ENCODER if name is None else name)
    if not own.is_plain:
        raise click.UsageError(f"{name} already contains a speed or a band: leave out --speed and --band")
    return plain + Hearing.of(**said).suffix


speed_option = click.option(
    "--speed",
    metavar="TIMES",
    expose_value=False,
    is_eager=True,
    callback=_heard_so,
    help="Speed at which the encoder hears recordings: 0.1 brings 20 kHz down to 2 kHz; makes a space of its own.",
)
band_option = click.option(
    "--band",
    metavar="LOW-HIGH",
    expose_value=False,
    is_eager=True,
    callback=_heard_so,
    help="Frequencies of the recordings that are kept, in Hz: 15000-120000; makes a space of its own.",
)
encoder_option = click.option(
    "--encoder",
    default=None,
    show_default=f"that of the collection; of a new one {DEFAULT_ENCODER}",
    metavar="NAME",
    callback=_with_hearing,
    help="Encoder, one of `mmasc models list`; NAME:PATH for weights of your own, FILE.py:Class for your own code.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["eager", "onnx"]),
    default="eager",
    show_default=True,
    help="Runtime of the encoder; onnx is faster on CPUs and makes a space of its own (extra: onnx).",
)
channels_option = click.option(
    "--channels",
    type=click.Choice(["mix", "left", "right", "each", "mid-side"]),
    default="mix",
    show_default=True,
    help="Channels to embed: their mean, one of them, or each of them separately.",
)
hop_option = click.option(
    "--hop",
    "hop_seconds",
    type=NumberRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Time from the start of one window to the start of the next; default: the window length, no overlap.",
)
window_option = click.option(
    "--window",
    "window_seconds",
    type=NumberRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Window length instead of the encoder's own; makes a space of its own.",
)
clock_option = click.option(
    "--clock",
    "clock",
    metavar="PATTERN",
    help="Pattern of the times in file names, if mmasc does not know it: %d%m%Y_%H%M%S, {site}_%y%m%d_%H%M.",
)
timezone_option = click.option(
    "--timezone",
    metavar="ZONE",
    help="Time zone of the place (Europe/Berlin, +02:00): clocks in UTC are shown in it, others are taken to be in it.",
)
strict_option = click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
draw_together_option = click.option(
    "--groups", metavar="COLUMN", help="Column; the bootstrap draws recordings with the same value together."
)
text_space_option = click.option(
    "--space", metavar="NAME", help="Space of the collection; default: the oldest that understands text."
)
where_option = click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond'\".")
data_of_runs_option = click.option(
    "--data",
    type=click.Path(),
    default=None,
    metavar="PATH",
    help="Current folder of the data set.  [default: as in training]",
)
decoded_cache_option = click.option(
    "--cache", type=click.Path(), default=None, metavar="FOLDER", help="Folder for decoded waveforms."
)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--executor`, `--workers`, `--address`: who embeds recordings."""
    executor = click.option(
        "--executor",
        type=click.Choice(EXECUTORS),
        default=None,
        help="Where to embed: this process, processes on this machine, or Ray (extra: scale); default: the fastest.",
    )
    workers = click.option(
        "--workers",
        type=click.IntRange(1, 10_000),
        default=None,
        metavar="N",
        help="Number of processes; default: one per core.",
    )
    address = click.option(
        "--address", metavar="ADDRESS", help="Ray cluster: HOST:PORT, or auto for the one that this machine belongs to."
    )
    return executor(workers(address(command)))
