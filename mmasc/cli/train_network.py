"""`mmasc train NETWORK`: supervised networks on labelled data. Every value of a recipe has an option here."""

import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_rows, remark, speaks
from mmasc.cli.progress import ProgressLine, progress_line
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.config import (
    CLASS_WEIGHTS,
    FUSIONS,
    LOSSES,
    MASK_PLACES,
    MIXES,
    NOISY_RULES,
    PARTNERS,
    PLACES,
    SCHEDULES,
    STAGES,
    SupervisedConfig,
)
from mmasc.training.supervised.recipes import RECIPES

# Seconds between lines of progress where stderr is not a terminal
_SECONDS_A_LINE = 30.0

# Help of the options of the configuration; their types come from its defaults
_HELP = {
    "channels": "Lanes that are heard, as in left,right,mix: mix, left, right, each, mid-side.",
    "minimum_seconds": "Shorter clips are padded with zeros to this.",
    "trim_decibels": "Ends so much quieter than the loudest 10 ms are cut off; 0 leaves them.",
    "epochs": "Times that every item is drawn.",
    "repeats": "Draws of every item an epoch.",
    "batch": "Items a step, over all processes.",
    "learning_rate": "Highest.",
    "schedule": "Course of the learning rate.",
    "warm_up": "Share of the steps in which the rate rises.",
    "cycle_momentum": "Momentum goes down while the rate rises, and back.",
    "final_rate": "Share of the highest rate at the end of a cosine.",
    "weight_decay": "Of AdamW.",
    "decay_all": "Decay biases and norms too.",
    "gradient_norm": "Longer gradients are cut to it; 0 for none.",
    "ema": "Decay of the average of weights that is saved; 0 for the weights themselves.",
    "bf16": "Body in bfloat16; front end and loss stay float32.",
    "crop_from": "Crops of waveforms, or of features computed once.",
    "crop_seconds": "Length of a crop; 0 for whole clips.",
    "fragments": "Equal parts of the features, all learned from and averaged; 0 for none.",
    "quiet_decibels": "Crops so much quieter than the clip are not drawn; 0 allows all.",
    "speeds": "Speeds of play, as in 0.8,1,1.25; kept in the cache.",
    "speed_range": "Least and most of a speed computed on the fly (waveform crops).",
    "gain_decibels": "Largest gain and cut (waveform crops).",
    "mix": "Two sounds in one.",
    "mix_on": "What is mixed.",
    "mix_alpha": "Of the coefficient's beta distribution.",
    "mix_decibels": "How far the other sound lies beneath, at most.",
    "mix_share": "Of the items that are mixed.",
    "mix_once": "One coefficient for the batch.",
    "mix_partners": "The other item: of the batch, or drawn by itself.",
    "mix_until": "Share of the steps after which nothing is mixed.",
    "filter_share": "Of items with a random filter.",
    "filter_decibels": "Its largest boost and cut.",
    "noise_share": "Of items with a floor of coloured noise.",
    "noise_decibels": "How far below the item: least and most.",
    "lowpass_share": "Of items with nothing above a random band.",
    "band_shift": "Most bands that a spectrum is moved by.",
    "time_masks": "Masks over time.",
    "time_mask_frames": "They are shorter than this.",
    "band_masks": "Masks over bands.",
    "band_mask_bands": "They are narrower than this.",
    "slice_least": "Silence around a piece of every crop: its least share of the frames; 1 for none.",
    "tag_noise": "Deviation of noise on the log odds of tags; 0 for none.",
    "mask_at": "Where masks act; body is after the network's first norm.",
    "loss": "bce for several labels a clip.",
    "focal_gamma": "0 is cross-entropy.",
    "focal_argmax": "Focal loss on the strongest label alone.",
    "smoothing": "Share of the label spread over all classes.",
    "class_weights": "Balanced: by the inverse of the class's share.",
    "teacher": "NETWORK:FILE to match posteriors, or an encoder to match vectors.",
    "teacher_weight": "Share of the loss.",
    "teacher_temperature": "Of both softmaxes over classes.",
    "noisy": "COLUMN=VALUE,...: labels that nobody checked teach a head of their own (tagging).",
    "noisy_rule": "Authors: a sigmoid too many in the loss of that head, as in their code.",
    "pseudo": "Taggers (tagging:RUN,...) whose sharpened mean the noisy clips teach too.",
    "pseudo_weight": "Of that loss.",
    "pseudo_power": "What the mean is raised to.",
    "seen_share": "Of the clips of every group that is learned from: tested apart as seen; 0 for none.",
    "seen_by": "Column of what is seen or not (city ...); its groups where nothing is said.",
    "patience": "Epochs without a better validation after which it ends; 0 trains to the end.",
    "test_seconds": "Windows of a test clip; 0 hears it whole.",
    "test_hop_seconds": "From one window to the next; 0 for half a window.",
    "test_speeds": "Every clip is heard at each, as in 0.9,1,1.1.",
    "test_passes": "Passes with masks on, averaged; 0 for one without.",
    "fusion": "What is averaged over windows, lanes and speeds.",
}
_CHOICES = {
    "schedule": SCHEDULES,
    "crop_from": PLACES,
    "mix": MIXES,
    "mix_on": STAGES,
    "mix_partners": PARTNERS,
    "mask_at": MASK_PLACES,
    "loss": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "fusion": FUSIONS,
    "noisy_rule": NOISY_RULES,
}


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
            return tuple(self.kind(part) for part in parts)
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
    defaults = {field.name: field.default for field in fields(SupervisedConfig)}
    for name, line in reversed(_HELP.items()):
        flag, default = f"--{name.replace('_', '-')}", defaults[name]
        if name in _CHOICES:
            option = click.option(flag, type=click.Choice(_CHOICES[name]), default=None, help=line)
        elif isinstance(default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", default=None, help=line)
        elif isinstance(default, tuple):
            kind = str if name in ("channels", "pseudo") else float
            option = click.option(flag, type=Several(kind), default=None, help=line)
        else:
            option = click.option(flag, type=type(default), default=None, help=line)
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
@click.option("--checkpoint-seconds", type=click.FloatRange(min=0), default=30.0, show_default=True)
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
        with progress_line(str(ctx.info_name), quiet=quiet) as line:
            show = _Progress(line, quiet)
            results = train_network(
                str(ctx.info_name), folds=folds, remark=lambda text: remark(text, quiet), progress=show, **given
            )
    except OptionError as error:
        raise click.UsageError(str(error)) from error
    if speaks():
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
            # the first report, of a run or of the next fold
            self.first, self.began = step, now
        if not sys.stderr.isatty() and now - self.shown >= _SECONDS_A_LINE and step > self.first:
            left = (steps - step) * (now - self.began) / (step - self.first)
            remark(f"{said}, {left:.0f} s left", self.quiet)
            self.shown = now


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in result.items() if name != "measured"}, **result["measured"]}
