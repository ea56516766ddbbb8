"""`mmasc train NETWORK`: supervised networks on labelled data. Every value of a recipe has an option here."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from mmasc.cli.numbers import Number, NumberRange
from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_rows, remark
from mmasc.cli.progress import shown_progress
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.options import options_of
from mmasc.training.supervised.recipes import RECIPES


class Several(click.ParamType):
    """Values separated by commas."""

    name = "list"

    def __init__(self, kind: Callable[[str], Any]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        try:
            values = tuple(self.kind(part) for part in parts)
            if not all(math.isfinite(one) for one in values if isinstance(one, float)):
                raise ValueError
            return values
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers separated by commas", param, ctx)


def _assignments(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read NAME=VALUE, given several times; a value is JSON if possible, otherwise numbers between commas or text."""
    found: dict[str, Any] = {}
    for text in values:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"must be NAME=VALUE, got {text!r}", param=option)
        found[name.replace("-", "_")] = _value(value, several=option.name == "arguments")
    return found


def _value(text: str, several: bool) -> Any:
    """The value as JSON if possible, as a list of numbers if separated by commas, otherwise as text."""
    for written in (text, *([f"[{text}]"] if several and "," in text else [])):
        try:
            return parse_json(written)
        except ValueError:
            continue
    return text


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every value of a recipe; values that are not given are those of the recipe."""
    for one in reversed(options_of(SupervisedConfig)):
        flag, help = f"--{one.name.replace('_', '-')}", one.metadata["help"]
        if one.metadata["choices"]:
            option = click.option(flag, type=click.Choice(one.metadata["choices"]), default=None, help=help)
        elif one.type is bool:
            option = click.option(f"{flag}/--no-{flag[2:]}", default=None, help=help)
        elif isinstance(one.default, tuple):
            option = click.option(flag, type=Several(get_args(one.type)[0]), default=None, help=help)
        else:
            kind = Number() if one.type is float else one.type
            option = click.option(flag, type=kind, default=None, help=help)
        command = option(command)
    return command


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="PATH", help="Folder or table of the data set."
)
@click.option(
    "--dataset", required=True, metavar="KIND", help="Kind of data set: esc10, urbansound8k, tau2020, folder, csv ..."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="RUN", help="Folder of the run.")
@click.option(
    "--folds",
    type=Several(str),
    default=None,
    metavar="NAME,...",
    help="Folds to test on; each is left out of training once.  [default: all]",
)
@click.option(
    "--validation", default="", metavar="FOLD|SHARE", help="Fold or share of the training clips used for validation."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option("--features", default=None, metavar="NAME", help="Features instead of the network's own.")
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    default="default",
    show_default=True,
    help="Named set of values for all options below.",
)
@click.option("--weights", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Weights to start from.")
@click.option(
    "--tags",
    default="",
    metavar="SOURCE",
    help="Source of the tags, for networks that read tags: tagging:RUN, prompts:NAME@ENCODER (zero-shot) "
    "or cnn14:FILE.",
)
@click.option(
    "--preset", default="", metavar="CELL", help="Published variant of such a network, as in table5/heads=4/layers=3."
)
@click.option("--new-head", is_flag=True, help="Train a new last layer, for classes other than those of --weights.")
@click.option(
    "--argument",
    "arguments",
    multiple=True,
    callback=_assignments,
    metavar="NAME=VALUE",
    help="Argument of the network, as in widths=16,32,64,128.",
)
@click.option(
    "--data-option",
    "dataset_options",
    multiple=True,
    callback=_assignments,
    metavar="NAME=VALUE",
    help="Option of the data set reader.",
)
@click.option(
    "--make-folds",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Number of folds to make, for data without folds.",
)
@click.option(
    "--hold-out",
    default="",
    metavar="COLUMN=VALUE,...",
    help="Clips that are tested and never trained on, such as unseen cities.",
)
@click.option(
    "--per-class", type=click.IntRange(min=0), default=0, metavar="N", help="Number of training clips kept per class."
)
@click.option("--cache", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder that keeps decoded waveforms.")
@click.option("--checkpoint-seconds", type=NumberRange(min=0), default=30.0, show_default=True)
@click.option(
    "--pause-at",
    type=click.IntRange(min=1),
    default=None,
    metavar="STEP",
    help="Step at which the run stops, to be continued later.",
)
@click.option(
    "--test-curve", is_flag=True, help="Score the test fold every epoch, for display only, never for a choice."
)
@_recipe_options
@device_option
@format_option()
@quiet_option
@click.pass_context
def network(ctx: click.Context, output_format: str, quiet: bool, **options: Any) -> None:
    """Train a network on every fold of a data set; a fold's run loads as `NETWORK:RUN`.

    Started again with the same options, a run that was stopped continues and reaches the same weights. The test fold is
    used neither for training nor for any choice: `mmasc evaluate RUN` tests. Values that are not given are the
    recipe's. Several GPUs: torchrun --nproc-per-node N -m mmasc train ...
    """
    from dataclasses import asdict

    from mmasc.training.supervised.train import OptionError, train_network

    given = {name: value for name, value in options.items() if value is not None}
    folds = given.pop("folds", ())
    try:
        with shown_progress("loading", quiet):
            results = train_network(str(ctx.info_name), folds=folds, remark=lambda text: remark(text, quiet), **given)
    except OptionError as error:
        raise click.UsageError(str(error)) from error
    print_rows([_row(asdict(result)) for result in results], output_format)


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in result.items() if name != "measured"}, **result["measured"]}
