"""Where `mmasc classify` and `head apply` write: stdout, a file, or a label file for every recording in a folder."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmasc.cli.classify_formats import audacity_labels, raven_table
from mmasc.cli.output import echo, remark
from mmasc.errors import show_path
from mmasc.label_files.texts import fits_a_line
from mmasc.remote.paths import as_path
from mmasc.storage.files import make_folders, replacing, write_atomically

if TYPE_CHECKING:
    from mmasc.labelling.timelines import Classification

LABEL_FILES = {"audacity": audacity_labels, "raven": raven_table}  # one file per recording, or one for all


def write_label_files(
    results: Iterable["Classification"], output_format: str, target: Path | None, files: list[Path]
) -> None:
    """Write one label file per recording; subfolders mirror those of the recordings."""
    common = os.path.commonpath([file.absolute().parent for file in files]) if files else ""
    for result in fitting(results, output_format):
        text = LABEL_FILES[output_format](result)
        if target is None:
            echo(text, nl=False)
            continue
        place = target
        if not _is_label_file(target, files):
            path = as_path(result.path).absolute()
            place = target / path.relative_to(common).with_name(f"{path.name}.{output_format}.txt")
        make_folders(place.parent)
        write_atomically(place, text.encode("utf-8", "surrogateescape"))


def fitting(results: Iterable["Classification"], output_format: str) -> Iterator["Classification"]:
    """The results; there is a remark on names that a selection table cannot hold."""
    for result in results:
        if output_format == "raven":
            say_odd_names([result.path])
        yield result


def say_odd_names(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Say which names a selection table cannot hold: read again, it names no recording."""
    for path in dict.fromkeys(os.fspath(one) for one in paths):
        if not fits_a_line(path):
            remark(f"{show_path(path)}: its name contains a tab or a line break, which a selection table cannot hold")


def checked_target(to: str | None, output_format: str, files: list[Path], each: bool) -> Path | None:
    """The path to write to, checked before anything is read."""
    if to is None:
        if each and len(files) > 1:
            raise click.UsageError(
                f"{len(files)} recordings make {len(files)} {output_format} files: name a folder with --to, or "
                "write one for all with --together"
            )
        return None
    target = Path(to)
    folder_wanted = each and not _is_label_file(target, files)
    if folder_wanted and target.exists() and not target.is_dir():
        raise click.UsageError(f"--to {to} is a file; {output_format} writes a file for each recording into a folder")
    if not folder_wanted and target.is_dir():
        raise click.UsageError(f"--to {to} is a folder; {output_format} is written into a file")
    if any(target.absolute() == file.absolute() for file in files):
        raise click.UsageError(f"--to {to} is one of the recordings; name another file")
    return target


def _is_label_file(target: Path, files: list[Path]) -> bool:
    """Whether `target` is a file for a single recording's labels (its name ends in .txt), not a folder."""
    return len(files) == 1 and target.suffix == ".txt" and not target.is_dir()


@contextlib.contextmanager
def output_to(target: Path | None, each: bool) -> Iterator[None]:
    """Send output to stdout or a file.

    File names that are not UTF-8 are written as their original bytes.
    """
    if target is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")
        yield
    elif each:
        yield
    else:
        make_folders(target.parent)
        stopped: KeyboardInterrupt | None = None
        with (
            replacing(target) as beside,
            beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            contextlib.redirect_stdout(file),
        ):
            try:
                yield
            except KeyboardInterrupt as error:
                stopped = error  # the file keeps what was written so far
        if stopped is not None:
            raise stopped
