"""Options that `classify` and `head apply` share: both label recordings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from mmasc.cli.classify_target import LABEL_FILES
from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import (
    device_option,
    executor_options,
    format_option,
    hop_option,
    quiet_option,
    strict_option,
    window_option,
)
from mmasc.cli.targets import ResultPath
from mmasc.encoders.executing import check_executor, executing

# What a collection has of its own, and what only a collection has
_OF_FILES = ("hop_seconds", "window_seconds", "channels", "backend", "executor", "workers", "address")
_OF_COLLECTIONS = ("space", "where")

_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--timeline", is_flag=True, help="Add the time spans of every label and the seconds per label."),
    hop_option,
    window_option,
    click.option(
        "--channels",
        type=click.Choice(["mix", "left", "right", "each", "mid-side"]),
        default=None,
        show_default="mix",
        help="Channels to embed: their mean, one of them, or each of them separately.",
    ),
    click.option(
        "--threshold",
        "--onset",
        "threshold",
        type=NumberRange(0, 1),
        default=None,
        metavar="P",
        help="Minimum probability of a label; in a timeline, of the moment with which an event begins.",
    ),
    click.option(
        "--offset",
        "offset_threshold",
        type=NumberRange(0, 1),
        default=None,
        metavar="P",
        help="Timeline: minimum probability for an event to go on; at most --threshold.",
    ),
    click.option("--top", type=click.IntRange(1), default=None, metavar="K", help="Number of best labels to show."),
    click.option(
        "--gap",
        "gap_seconds",
        type=NumberRange(0),
        default=0.0,
        metavar="SECONDS",
        help="Timeline: longest gap within a label that is bridged.",
    ),
    click.option(
        "--minimum",
        "minimum_seconds",
        type=NumberRange(0),
        default=0.0,
        metavar="SECONDS",
        help="Timeline: shortest event that is kept.",
    ),
    click.option(
        "--smooth",
        "smooth_seconds",
        type=NumberRange(0),
        default=None,
        metavar="SECONDS",
        help="Timeline: moments shorter than this are judged together with the next ones; default with --offset: the "
        "hop.",
    ),
    click.option(
        "--trim",
        "trim_seconds",
        type=NumberRange(0),
        default=0.0,
        metavar="SECONDS",
        help="Timeline: both edges of an event are moved inwards by this, at most a quarter of it; half the hop is "
        "about right where windows overlap by half.",
    ),
    click.option("--space", default=None, metavar="NAME", help="Space of the collection; default: one that fits."),
    click.option("--where", default=None, metavar="SQL", help="Condition on columns of the collection."),
    executor_options,
    strict_option,
    device_option,
    quiet_option,
    format_option(*LABEL_FILES),
    click.option(
        "--to",
        type=ResultPath(),
        default=None,
        metavar="FILE|FOLDER",
        help="File to write instead of stdout; for audacity and raven a folder, with one file per recording.",
    ),
    click.option("--together", is_flag=True, help="Audacity and raven: one file for all recordings."),
]


def answer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, in the order in which help shows them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def taken_executor(options: dict[str, Any]) -> AbstractContextManager[None]:
    """The executor for recordings, taken out of the options of a command; a usage error if they do not fit together.

    Raises:
        click.UsageError: If it does not.
    """
    said = {name: options.pop(name) for name in ("executor", "workers", "address")}
    try:
        check_executor(**said)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return executing(**said)


def check_source(options: dict[str, Any], is_collection: bool) -> None:
    """Refuse what does not go with a collection, or only with one.

    Raises:
        click.UsageError: If there is something.
    """
    if is_collection:
        wrong = [name for name in _OF_FILES if options.get(name) is not None]
        reason = "a collection was embedded already: leave out"
    else:
        wrong = [name for name in _OF_COLLECTIONS if options.get(name) is not None]
        reason = "these paths are recordings, not a collection: leave out"
    if wrong:
        given = ", ".join(f"--{name.removesuffix('_seconds')}" for name in wrong)
        raise click.UsageError(f"{reason} {given}")


def check_thresholds(options: dict[str, Any], has_own: bool) -> None:
    """Refuse thresholds of events that cannot hold together.

    Args:
        options: Options of a command.
        has_own: Whether labels may have thresholds of their own: those of a calibration, of several labels, of a head.
    Raises:
        click.UsageError: If there are some.
    """
    offset, onset = options["offset_threshold"], options["threshold"]
    if offset is not None and onset is None and not has_own:
        raise click.UsageError("--offset needs --threshold (or --calibration), with which an event begins")
    if offset is not None and onset is not None and offset > onset:
        raise click.UsageError(f"--offset must be at most --threshold, got {offset} and {onset}")
