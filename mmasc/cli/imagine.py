"""`mmasc imagine`: pictures that a run of `mmasc train ivf` imagines from sounds."""

from pathlib import Path

import click

from mmasc.cli.options import device_option, format_option, hop_option, quiet_option, strict_option
from mmasc.cli.output import print_rows, remark


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOUND...")
@click.option(
    "--run", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder of a run of `mmasc train ivf`."
)
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the pictures."
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Maximum number of pictures per recording.",
)
@hop_option
@device_option
@strict_option
@format_option()
@quiet_option
def imagine(
    paths: tuple[str, ...],
    run: Path,
    folder: Path,
    most: int,
    hop_seconds: float | None,
    device: str,
    strict: bool,
    output_format: str,
    quiet: bool,
) -> None:
    """Write the pictures that a trained network imagines from sounds: one PNG per window of a recording.

    Files are named NAME-SECONDS.png after the recording and the second at which the window starts; windows of
    long recordings are chosen at even intervals.
    """
    from mmasc.ivf.imagine import imagine_files

    written = imagine_files(paths, run, folder, most, hop_seconds, device, strict, lambda line: remark(line, quiet))
    rows = [
        {"path": one.path, "start": one.start_seconds, "end": one.end_seconds, "picture": one.picture}
        for one in written
    ]
    print_rows(rows, output_format, ["path", "start", "end", "picture"])
