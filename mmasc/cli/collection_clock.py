"""`mmasc collection clock`: when and where the recordings of a collection were made."""

import os

import click

from mmasc.cli.options import clock_option, format_option, timezone_option
from mmasc.cli.output import echo, print_object, remark
from mmasc.printing import counted

_WORDS = {
    "pattern": "the pattern",
    "guano": "GUANO metadata",
    "wamd": "wamd metadata",
    "audiomoth": "AudioMoth comments",
    "name": "names",
    "bext": "bext chunks",
}


@click.command("clock")
@click.argument("folder", metavar="COLLECTION")
@clock_option
@timezone_option
@click.option("--dry-run", is_flag=True, help="Only show what would be set.")
@format_option()
def clock(folder: str, clock: str | None, timezone: str | None, dry_run: bool, output_format: str) -> None:
    """Read when and where the recordings were made, from names and headers.

    Sets the columns recorded_at, utc_offset, site, recorder, serial, temperature, gain, latitude and longitude as far
    as they are known; columns of your own are left as they are. New recordings get theirs from `mmasc embed`.
    """
    from mmasc.collection import Collection

    report = Collection(folder).read_clocks(clock, timezone, dry_run)
    for line in report.remarks:
        remark(line)
    if report.kept:
        remark(f"columns of your own, left as they are: {', '.join(report.kept)}")
    if output_format != "table":
        numbers = {"recordings": report.recordings, **{name: report.sources[name] for name in _WORDS}}
        numbers |= {"without": report.without, "offsets": report.offsets, "disagree": report.apart}
        print_object({**numbers, "example": report.example, "changed": report.changed}, output_format)
        return
    found = report.recordings - report.without
    sources = ", ".join(f"{report.sources[name]} from {word}" for name, word in _WORDS.items() if report.sources[name])
    echo(
        f"{found} of {counted(report.recordings, 'recording')} {'has' if found == 1 else 'have'} a "
        f"clock{f': {sources}' if sources else ''}"
    )
    if found and report.offsets < found:
        echo(f"{found - report.offsets} do not say how far it is from UTC; --timezone ZONE says it")
    if report.without:
        echo(_without(report.without, report.example, report.why, bool(report.patterns)))
    echo(f"{counted(report.changed, 'recording')} {'would be changed' if dry_run else 'changed'}")


def _without(count: int, example: str, why: str, ambiguous: bool) -> str:
    """How many have no clock, an example, and what to give."""
    name = os.path.basename(example)
    if ambiguous:
        return f"{count} have none, as {name}"
    reason = f" ({why})" if why else ""
    return f'{count} have none, as {name}{reason}; where names tell it: --clock "{{site}}_%Y%m%d_%H%M%S" or the like'
