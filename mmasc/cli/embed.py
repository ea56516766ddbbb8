"""`mmasc embed`: recordings into a collection."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.options import (
    backend_option,
    band_option,
    channels_option,
    clock_option,
    device_option,
    encoder_option,
    executor_options,
    format_option,
    hop_option,
    quiet_option,
    speed_option,
    strict_option,
    timezone_option,
    window_option,
)
from mmasc.cli.output import echo, print_object, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import counted, printable

if TYPE_CHECKING:
    from mmasc.collection.report import EmbedReport
    from mmasc.collection.shards import Shard

_NAMED_PARTS = 8  # collections that the line names which joins them


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--into", required=True, metavar="COLLECTION", help="Folder of the collection; created if it does not exist."
)
@encoder_option
@backend_option
@click.option("--space", metavar="NAME", help="Name of the space in the collection; default: the encoder's name.")
@hop_option
@window_option
@speed_option
@band_option
@channels_option
@click.option(
    "--metadata", metavar="CSV", help="Table of your own columns per file; one column is path, filename or file."
)
@click.option("--folders", metavar="NAME,...", help="Column names for the folders between the root and the file.")
@click.option("--root", metavar="FOLDER", help="Folder that stored paths are relative to; default: the folder given.")
@clock_option
@timezone_option
@click.option("--no-clock", is_flag=True, help="Do not read when recordings were made.")
@click.option(
    "--threads",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Number of threads that decode ahead of the encoder.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum size of a recording from a server, in bytes.  [default: 4000000000]",
)
@click.option(
    "--temporary", metavar="FOLDER", help="Folder for temporary copies of recordings from servers; default: /tmp."
)
@executor_options
@click.option(
    "--shard",
    metavar="I/N",
    help="Part I of N of the files, counted from 0; needs --root. Merge the parts with mmasc collection merge.",
)
@strict_option
@device_option
@quiet_option
@format_option()
def embed(
    paths: tuple[str, ...],
    into: str,
    folders: str | None,
    no_clock: bool,
    max_bytes: int | None,
    temporary: str | None,
    quiet: bool,
    output_format: str,
    **options: Any,
) -> None:
    """Turn recordings into vectors and keep them in a collection.

    PATH is a file, a folder (with everything below it), a pattern in quotes, an address (s3://bucket/prefix/,
    gs://bucket/prefix/, https://host/file), or @LIST, a text file with one of these per line. Recordings that are
    already in the collection are skipped without decoding. After an interruption, the same command continues.
    """
    from mmasc.collection.ingest import embed as run
    from mmasc.remote.limits import limited

    clock = options.pop("clock")
    if no_clock and (clock is not None or options["timezone"] is not None):
        raise click.UsageError("--no-clock reads no clocks: leave out --clock and --timezone, or --no-clock")
    part = _checked(options)
    with limited(max_bytes, temporary), shown_progress("embedding", quiet):
        report = run(
            list(paths),
            into,
            folders=[name.strip() for name in folders.split(",") if name.strip()] if folders else (),
            clock=False if no_clock else True if clock is None else clock,
            **{**options, "shard": part},
        )
    print_embedding(report, into, quiet, output_format)
    if part is not None:
        remark(f"when all {part.of_parts} parts are done: {_merge_line(part, into)}", quiet)


def _checked(options: Mapping[str, Any]) -> "Shard | None":
    """The part that is asked for; what does not fit together is wrong usage."""
    from mmasc.collection.shards import Shard
    from mmasc.encoders.executing import check_executor

    try:
        check_executor(options["executor"], options["workers"], options["address"])
        return Shard.of(options["shard"], options["root"])
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _merge_line(part: "Shard", into: str) -> str:
    """What joins all parts; their collections are called as this one, with their own numbers, where it has its own."""
    folder, name = os.path.split(into.rstrip("/"))
    numbered, found = re.subn(rf"(?<![0-9]){part.number}(?![0-9])", "{}", name.replace("{", "{{").replace("}", "}}"))
    if found == 1 and part.of_parts <= _NAMED_PARTS:
        parts = [os.path.join(folder, numbered.format(number)) for number in range(part.of_parts)]
    else:
        parts = [into, "OTHER_PARTS..."]
    return " ".join(
        ["mmasc collection merge", *(one if one == "OTHER_PARTS..." else shlex.quote(one) for one in parts)]
    )


def print_embedding(report: "EmbedReport", into: str, quiet: bool = False, output_format: str = "table") -> None:
    """Print what an `embed` did; exit with status 1 if no file could be read."""
    from mmasc.audio.quality import fault_of

    bad = [(fault_of(one.reason), one) for one in report.truncated] + [("failed", one) for one in report.failed]
    for kind, one in bad:
        # The list of unreadable files is a result, not a remark: --quiet does not hide it
        echo(f"{kind}: {_named(one.path, one.reason)}", err=True)
    for message in report.remarks:
        remark(message, quiet)
    fast = report.audio_seconds / report.seconds if report.seconds else 0.0
    numbers = {
        "found": report.found,
        "added": report.added,
        "changed": report.changed,
        "skipped": report.skipped,
        "moved": report.moved,
        "missing": report.missing,
        "truncated": len(report.truncated),
        "failed": len(report.failed),
        "windows": report.windows,
        "audio_seconds": round(report.audio_seconds, 3),
        "seconds": round(report.seconds, 3),
        "times_real_time": round(fast, 1),
        "executor": report.executor,
        "workers": report.workers,
        "lost_units": report.lost_units,
        "hosts": report.hosts,
    }
    if output_format == "table":
        moved = f"{report.moved} moved, " if report.moved else ""
        echo(
            f"{report.added} added, {report.changed} changed, {report.skipped} already there, {moved}"
            f"{len(report.failed)} failed; {counted(report.windows, 'window')} from {report.audio_seconds / 60:.1f} "
            "min of sound "
            f"in {report.seconds:.1f} s{_by(report)} → {into}"
        )
    else:
        print_object(numbers, output_format)
    if report.failed and len(report.failed) == report.found:
        sys.exit(1)


def _by(report: "EmbedReport") -> str:
    """Who embedded, where it was not this process alone."""
    if not report.workers:
        return ""
    hosts = f" on {len(report.hosts)} machines" if len(report.hosts) > 1 else ""
    lost = f", {counted(report.lost_units, 'unit')} lost and embedded again" if report.lost_units else ""
    return f" by {counted(report.workers, 'worker')}{hosts}{lost}"


def _named(path: str, reason: str) -> str:
    return reason if path in reason or printable(path) in reason else f"{path}: {reason}"
