"""`mmasc train NETWORK`: supervised networks on labelled data. Every value of a recipe has an option here."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_rows, remark
from mmasc.cli.progress import ProgressLine, progress_line
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.options import options_of
from mmasc.training.supervised.recipes import RECIPES

# Where stderr is no terminal, a line about progress comes so often
_SECONDS_A_LINE = 30.0


class Several(click.ParamType):
    """Values between commas."""

    name = "list"

    def __init__(self, kind: Callable[[str], Any]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        try:
            return tuple(self.kind(part) for part in parts)
        except ValueError:
            self.fail(f"{value!r} is no list of numbers between commas", param, ctx)


def _assignments(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE, several times; a value is JSON where it can be, else text, and an argument numbers between commas."""
    found: dict[str, Any] = {}
    for text in values:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"NAME=VALUE is wanted, got {text!r}", param=option)
        found[name.replace("-", "_")] = _value(value, several=option.name == "arguments")
    return found


def _value(text: str, several: bool) -> Any:
    """JSON where it can be, numbers between commas as a list of them, else text."""
    for written in (text, *([f"[{text}]"] if several and "," in text else [])):
        try:
            return parse_json(written)
        except ValueError:
            continue
    return text


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every value of a recipe; those that are not given are the recipe's."""
    for one in reversed(options_of(SupervisedConfig)):
        flag, help = f"--{one.name.replace('_', '-')}", one.metadata["help"]
        if one.metadata["choices"]:
            option = click.option(flag, type=click.Choice(one.metadata["choices"]), default=None, help=help)
        elif one.type is bool:
            option = click.option(f"{flag}/--no-{flag[2:]}", default=None, help=help)
        elif isinstance(one.default, tuple):
            option = click.option(flag, type=Several(get_args(one.type)[0]), default=None, help=help)
        else:
            option = click.option(flag, type=one.type, default=None, help=help)
        command = option(command)
    return command


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="PATH", help="Where the data set lies.")
@click.option("--dataset", required=True, metavar="KIND", help="esc10, urbansound8k, tau2020, folder, csv ...")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="RUN", help="Folder of the run.")
@click.option("--folds", type=Several(str), default=None, metavar="NAME,...", help="Each is left out once.  [all]")
@click.option("--validation", default="", metavar="FOLD|SHARE", help="Held back from training, never of the test fold.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything.")
@click.option("--features", default=None, metavar="NAME", help="Another front end than the network's own.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="default", show_default=True, help="Of all values.")
@click.option("--weights", type=click.Path(path_type=Path), default=None, metavar="FILE", help="To begin from.")
@click.option(
    "--tags",
    default="",
    metavar="SOURCE",
    help="For networks that read tags: tagging:RUN, prompts:NAME@ENCODER (zero-shot) or cnn14:FILE.",
)
@click.option("--preset", default="", metavar="CELL", help="For these: a cell such as table5/heads=4/layers=3.")
@click.option("--new-head", is_flag=True, help="Learn a last layer for other classes than those of --weights.")
@click.option(
    "--argument",
    "arguments",
    multiple=True,
    callback=_assignments,
    metavar="NAME=VALUE",
    help="Of the network, as in widths=16,32,64,128.",
)
@click.option(
    "--data-option",
    "dataset_options",
    multiple=True,
    callback=_assignments,
    metavar="NAME=VALUE",
    help="Of the reader.",
)
@click.option("--make-folds", type=click.IntRange(min=0), default=0, metavar="N", help="For data without any.")
@click.option(
    "--hold-out", default="", metavar="COLUMN=VALUE,...", help="Tested, never learned from: unseen cities ..."
)
@click.option("--per-class", type=click.IntRange(min=0), default=0, metavar="N", help="Balanced pruning.")
@click.option("--cache", type=click.Path(path_type=Path), metavar="FOLDER", help="Keep decoded waveforms here.")
@click.option("--checkpoint-seconds", type=click.FloatRange(min=0), default=30.0, show_default=True)
@click.option("--pause-at", type=click.IntRange(min=1), default=None, metavar="STEP", help="To go on another time.")
@click.option("--test-curve", is_flag=True, help="Score the test fold every epoch, to look at, never to choose by.")
@_recipe_options
@device_option
@format_option()
@quiet_option
@click.pass_context
def network(ctx: click.Context, output_format: str, quiet: bool, **options: Any) -> None:
    """Train a network on every fold of a data set; a fold's run loads as `NETWORK:RUN`.

    Started again with the same options, a run that was stopped goes on where it was, to the same weights. The test
    fold is never learned from nor chosen by: `mmasc evaluate RUN` tests. Values that are not given are the recipe's.
    Several GPUs: torchrun --nproc-per-node N -m mmasc train ...
    """
    from dataclasses import asdict

    from mmasc.training.supervised.train import OptionError, train_network

    given = {name: value for name, value in options.items() if value is not None}
    folds = given.pop("folds", ())
    try:
        with progress_line(str(ctx.info_name), quiet=quiet) as line:
            show = _Progress(line, quiet)
            results = train_network(
                str(ctx.info_name), folds=folds, remark=lambda text: remark(text, quiet), progress=show, **given
            )
    except OptionError as error:
        raise click.UsageError(str(error)) from error
    print_rows([_row(asdict(result)) for result in results], output_format)


class _Progress:
    """A live line on a terminal; elsewhere, a line every half minute with the time left."""

    def __init__(self, line: ProgressLine, quiet: bool) -> None:
        self.line, self.quiet = line, quiet
        self.first, self.began, self.shown = -1, 0.0, time.monotonic()

    def __call__(self, step: int, steps: int, said: str) -> None:
        self.line.set_total(steps)
        self.line.update(step, said)
        now = time.monotonic()
        if self.first < 0 or step < self.first:
            # the first look, at a run or at that of the next fold
            self.first, self.began = step, now
        if not sys.stderr.isatty() and now - self.shown >= _SECONDS_A_LINE and step > self.first:
            left = (steps - step) * (now - self.began) / (step - self.first)
            remark(f"{said}, {left:.0f} s left", self.quiet)
            self.shown = now


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in result.items() if name != "measured"}, **result["measured"]}
