"""What recordings are, printed or written: the output of `classify` and of `head apply`."""

import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.classify_formats import (
    audacity_labels,
    csv_columns,
    csv_rows,
    fits_a_line,
    raven_table,
    result_object,
    summary_row,
    timeline_lines,
)
from mmasc.cli.output import echo, json_text, print_rows, remark, shown
from mmasc.cli.progress import progress_line
from mmasc.errors import show_path
from mmasc.storage.files import replacing, write_atomically

# What the mark next to a label says; the pages on heads and on the bundled encoder say how far it can be relied on
UNLIKE = "unlike what it learned from: a label that was chosen because there was no better one"

if TYPE_CHECKING:
    from mmasc.labelling.timelines import Answers, Classification

_LABEL_FILES = {"audacity": audacity_labels, "raven": raven_table}  # one file per recording
_MOST_ODD = 10  # recordings that were read completely and still have a remark


@dataclass(frozen=True)
class Output:
    """How answers are printed.

    Attributes:
        output_format: "table", "json", "jsonl", "csv", "audacity" or "raven".
        target: File or folder to write to; None for stdout.
        timeline: Whether events are shown.
        top: Number of best labels to show.
        quiet: No progress, no remarks.
        about: What every machine-readable object says besides its recording.
        with_cosines: Whether the table has a column for them.
    """

    output_format: str
    target: Path | None
    timeline: bool = False
    top: int | None = None
    quiet: bool = False
    about: dict[str, str] | None = None
    with_cosines: bool = False


def show_answers(results: "Answers", files: list[Path], output: Output) -> int:
    """Print or write answers as they come, then what is to be said about single recordings.

    Args:
        results: One for each recording.
        files: Where the recordings lie, as many as are expected.
        output: How.
    Returns:
        How many recordings could be read.
    """
    read = _Read(results)
    with _stream(output) as streams_to_terminal:
        shown = _progress(read, len(files), output.quiet or streams_to_terminal)
        if output.output_format in _LABEL_FILES:
            _write_label_files(shown, output, files)
        else:
            _write(shown, results.names, output)
    for reason in read.truncated:
        remark(f"truncated: {reason}", output.quiet)
    for reason in read.odd[:_MOST_ODD]:
        remark(f"remark: {reason}", output.quiet)
    if len(read.odd) > _MOST_ODD:
        remark(
            f"remark: {len(read.odd)} recordings with remarks in total; --format json has the reason of each",
            output.quiet,
        )
    if read.failed:
        remark(f"{len(read.failed)} of {read.seen} files could not be read:")
        for reason in read.failed:
            remark(f"  {reason}")
    return read.seen - len(read.failed)


class _Read:
    """The results of readable files; counts all files and keeps the reasons why others could not be read."""

    def __init__(self, results: Iterable["Classification"]) -> None:
        self.results = results
        self.seen = 0
        self.failed: list[str] = []
        self.truncated: list[str] = []
        self.odd: list[str] = []

    def __iter__(self) -> Iterator["Classification"]:
        for result in self.results:
            self.seen += 1
            if result.status.state == "failed":
                self.failed.append(result.status.reason)
                continue
            if result.status.state == "truncated":
                self.truncated.append(result.status.reason)
            elif result.status.reason:
                self.odd.append(result.status.reason)
            yield result


def _write(results: Iterable["Classification"], labels: Sequence[str], output: Output) -> None:
    """Print results; all formats except table and json are printed while the recordings are read."""
    about, timeline = output.about or {}, output.timeline
    if output.output_format == "jsonl":
        for result in results:
            echo(json_text(result_object(result, timeline) | about))
    elif output.output_format == "csv":
        _write_csv(results, labels, output.timeline, about)
    elif output.output_format == "table" and timeline:
        for result in results:
            for line in timeline_lines(result):
                echo(line)
    elif output.output_format == "table":
        columns = ["path", "label", "score", *["cosine"] * output.with_cosines, "next"]
        kept = list(results)
        if kept:
            print_rows([summary_row(result, output.top) for result in kept], "table", columns)
        if any(result.unlike for result in kept):
            echo(f"* {UNLIKE}")
    else:
        print_rows([result_object(result, timeline) | about for result in results], "json")


def _write_csv(
    results: Iterable["Classification"], labels: Sequence[str], timeline: bool, about: dict[str, str]
) -> None:
    names = [*csv_columns(list(labels), timeline), *about]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([shown(name) for name in names])
    for result in results:
        rows = (row | about for row in csv_rows(result, timeline))
        writer.writerows([[shown(row.get(name, "")) for name in names] for row in rows])
        sys.stdout.flush()


def _write_label_files(results: Iterable["Classification"], output: Output, files: list[Path]) -> None:
    """Write one label file per recording; subfolders mirror those of the recordings."""
    common = os.path.commonpath([file.absolute().parent for file in files]) if files else ""
    for result in results:
        text = _LABEL_FILES[output.output_format](result)
        if output.output_format == "raven" and not fits_a_line(result.path):
            remark(
                f"{show_path(result.path)}: its name contains a tab or a line break, which a selection "
                "table cannot hold"
            )
        if output.target is None:
            echo(text, nl=False)
            continue
        place = output.target
        if not _is_label_file(output.target, files):
            path = Path(result.path).absolute()
            place = output.target / path.relative_to(common).with_name(f"{path.name}.{output.output_format}.txt")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, text.encode("utf-8", "surrogateescape"))


def target_of(to: str | None, output_format: str, files: list[Path]) -> Path | None:
    """The path to write to, checked before anything is read.

    Args:
        to: As it was given; None for stdout.
        output_format: The format to write.
        files: The recordings that are expected.
    Raises:
        click.UsageError: If what is there is of the wrong kind, or one of the recordings.
    """
    if to is None:
        if output_format in _LABEL_FILES and len(files) > 1:
            raise click.UsageError(
                f"{len(files)} recordings make {len(files)} {output_format} files: name a folder with --to"
            )
        return None
    target = Path(to)
    folder_wanted = output_format in _LABEL_FILES and not _is_label_file(target, files)
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
def _stream(output: Output) -> Iterator[bool]:
    """Send output to stdout or a file; yields whether lines go to a terminal, where they would break a progress bar.

    File names that are not UTF-8 are written as their original bytes.
    """
    if output.target is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")
        yield sys.stdout.isatty()
    elif output.output_format in _LABEL_FILES:
        yield False
    else:
        output.target.parent.mkdir(parents=True, exist_ok=True)
        stopped: KeyboardInterrupt | None = None
        with (
            replacing(output.target) as beside,
            beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            contextlib.redirect_stdout(file),
        ):
            try:
                yield False
            except KeyboardInterrupt as error:
                stopped = error  # the file keeps what was written so far
        if stopped is not None:
            raise stopped


def _progress(results: _Read, total: int, silent: bool) -> Iterator["Classification"]:
    """The results, with a bar on stderr while they come, where a person looks at it."""
    with progress_line("labelling", total, silent) as line:
        began, heard = time.monotonic(), 0.0
        for result in results:
            heard += result.duration
            speed = heard / max(time.monotonic() - began, 1e-3)
            bad = f", {len(results.failed)} bad" if results.failed else ""
            line.update(results.seen, f"{heard / 3600:.2f} h, {speed:.0f} x real time{bad}")
            yield result


def recordings_of(collection: Any) -> list[Path]:
    """Where the recordings of a collection lie."""
    return [Path(collection.path_of(path)) for path in collection.recordings.column("path").to_pylist()]


def no_answers(ctx: click.Context, of_collection: bool, where: str | None, quiet: bool) -> None:
    """Say why nothing was labelled: files that cannot be read are an error, a condition that nothing meets is none."""
    if not of_collection:
        ctx.exit(1)
    remark(
        "no recording meets the condition of --where" if where else "no recording in the collection has such vectors",
        quiet,
    )
