"""`mmasc imagine`: pictures that sounds suggest to a run of `mmasc train ivf`."""

from pathlib import Path

import click

from mmasc.cli.options import device_option, format_option, hop_option, quiet_option, strict_option
from mmasc.cli.output import print_rows, remark


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOUND...")
@click.option("--run", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Of mmasc train ivf.")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="For the pictures.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="Pictures of one recording.")
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
    """Write the pictures that sounds suggest: one PNG for each window of a recording.

    Files are named NAME-SECONDS.png after the recording and the second at which the window starts; of long recordings
    evenly chosen windows are taken.
    """
    from mmasc.ivf.imagine import imagine_files

    written = imagine_files(paths, run, folder, most, hop_seconds, device, strict, lambda line: remark(line, quiet))
    rows = [
        {"path": one.path, "start": one.start_seconds, "end": one.end_seconds, "picture": one.picture}
        for one in written
    ]
    print_rows(rows, output_format, ["path", "start", "end", "picture"])
