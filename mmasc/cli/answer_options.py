"""Options of commands that say what recordings are: `classify` and `head apply` take the same ones."""

from collections.abc import Callable
from typing import Any

import click

from mmasc.cli.options import device_option, format_option, hop_option, quiet_option, strict_option, window_option

# One file per recording, of events
LABEL_FORMATS = ("audacity", "raven")
# What a collection has of its own, and what only a collection has
_OF_FILES = ("hop_seconds", "window_seconds", "channels", "backend")
_OF_COLLECTIONS = ("space", "where")

_OPTIONS = [
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
        "--threshold", type=click.FloatRange(0, 1), default=None, metavar="P", help="Minimum probability of a label."
    ),
    click.option("--top", type=click.IntRange(1), default=None, metavar="K", help="Number of best labels to show."),
    click.option(
        "--gap",
        "gap_seconds",
        type=click.FloatRange(0),
        default=0.0,
        metavar="SECONDS",
        help="Timeline: longest gap within a label that is bridged.",
    ),
    click.option(
        "--minimum",
        "minimum_seconds",
        type=click.FloatRange(0),
        default=0.0,
        metavar="SECONDS",
        help="Timeline: shortest event that is kept.",
    ),
    click.option("--space", default=None, metavar="NAME", help="Space of the collection; default: one that fits."),
    click.option("--where", default=None, metavar="SQL", help="Condition on columns of the collection."),
    strict_option,
    device_option,
    quiet_option,
    format_option(*LABEL_FORMATS),
    click.option(
        "--to",
        type=click.Path(),
        default=None,
        metavar="FILE|FOLDER",
        help="File to write instead of stdout; for audacity and raven a folder, with one file per recording.",
    ),
]


def answer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, in the order in which help shows them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


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
