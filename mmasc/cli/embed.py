"""`mmasc embed`: recordings into a collection."""

import sys
from typing import TYPE_CHECKING

import click

from mmasc.cli.options import (
    backend_option,
    channels_option,
    clock_option,
    device_option,
    encoder_option,
    format_option,
    hop_option,
    quiet_option,
    strict_option,
    timezone_option,
    window_option,
)
from mmasc.cli.output import echo, print_object, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import printable

if TYPE_CHECKING:
    from mmasc.collection.report import EmbedReport


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
@strict_option
@device_option
@quiet_option
@format_option()
def embed(
    paths: tuple[str, ...],
    into: str,
    encoder: str | None,
    backend: str,
    space: str | None,
    hop_seconds: float | None,
    window_seconds: float | None,
    channels: str,
    metadata: str | None,
    folders: str | None,
    root: str | None,
    clock: str | None,
    timezone: str | None,
    no_clock: bool,
    threads: int,
    strict: bool,
    device: str,
    quiet: bool,
    output_format: str,
) -> None:
    """Turn recordings into vectors and keep them in a collection.

    PATH is a file, a folder (with everything below it), a pattern in quotes, or @LIST, a text file with one path per
    line. Recordings that are already in the collection are skipped without decoding. After an interruption, the same
    command continues.
    """
    from mmasc.collection.ingest import embed as run

    if no_clock and (clock is not None or timezone is not None):
        raise click.UsageError("--no-clock reads no clocks: leave out --clock and --timezone, or --no-clock")

    with shown_progress("embedding", quiet):
        report = run(
            list(paths),
            into,
            encoder,
            space=space,
            hop_seconds=hop_seconds,
            window_seconds=window_seconds,
            channels=channels,
            metadata=metadata,
            folders=[name.strip() for name in folders.split(",") if name.strip()] if folders else (),
            root=root,
            clock=False if no_clock else True if clock is None else clock,
            timezone=timezone,
            device=device,
            backend=backend,
            threads=threads,
            strict=strict,
        )
    print_embedding(report, into, quiet, output_format)


def print_embedding(report: "EmbedReport", into: str, quiet: bool = False, output_format: str = "table") -> None:
    """Print what an `embed` did; exit with status 1 if no file could be read."""
    for kind, bad in (("truncated", report.truncated), ("failed", report.failed)):
        for one in bad:
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
    }
    if output_format == "table":
        moved = f"{report.moved} moved, " if report.moved else ""
        echo(
            f"{report.added} added, {report.changed} changed, {report.skipped} already there, {moved}"
            f"{len(report.failed)} failed; {report.windows} windows from {report.audio_seconds / 60:.1f} min of sound "
            f"in {report.seconds:.1f} s → {into}"
        )
    else:
        print_object(numbers, output_format)
    if report.failed and len(report.failed) == report.found:
        sys.exit(1)


def _named(path: str, reason: str) -> str:
    return reason if path in reason or printable(path) in reason else f"{path}: {reason}"
