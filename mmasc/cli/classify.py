"""`mmasc classify`: say what recordings are, and when, in the forms that people and other programs open."""

import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.audio.find import show_path
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
from mmasc.cli.options import (
    backend_option,
    channels_option,
    device_option,
    encoder_option,
    format_option,
    hop_option,
    quiet_option,
    strict_option,
    window_option,
)
from mmasc.cli.output import echo, json_text, print_rows, remark, shown
from mmasc.storage.files import replacing, write_atomically

if TYPE_CHECKING:
    from mmasc.classify import Classification

_LABEL_FILES = {"audacity": audacity_labels, "raven": raven_table}  # a file of its own for each recording
_MOST_ODD = 10  # recordings that are read whole and about which there is something to tell


@click.command(short_help="Say what a recording is, from a file of prompts.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--prompts", required=True, metavar="NAME|FILE", help="See `mmasc prompts list`, or a YAML file of yours."
)
@encoder_option
@backend_option
@click.option("--timeline", is_flag=True, help="Also which label holds from when to when, and seconds per label.")
@hop_option
@window_option
@channels_option
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=None, metavar="P", help="Least probability of a label."
)
@click.option(
    "--minimum-cosine",
    type=click.FloatRange(-1, 1),
    default=None,
    metavar="COSINE",
    help="Least likeness of sound and label: below it the answer is 'none of these' however the labels compare.",
)
@click.option("--multi-label", is_flag=True, help="Several labels can hold at once; each from --threshold on (0.5).")
@click.option(
    "--temperature", type=click.FloatRange(0, min_open=True), default=None, metavar="T", help="Of the softmax."
)
@click.option(
    "--centre-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Take out what each label attracts by itself, heard on these unlabelled sounds (20 or more, of all kinds).",
)
@click.option(
    "--match-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Instead: make all labels equally probable on the whole over these unlabelled sounds.",
)
@click.option(
    "--calibration",
    type=click.Path(),
    default=None,
    metavar="FILE",
    help="Of `mmasc prompts calibrate`: shifts, temperature, a threshold for each label, least cosine.",
)
@click.option("--top", type=click.IntRange(1), default=None, metavar="K", help="Show the best K labels only.")
@click.option(
    "--gap",
    "gap_seconds",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Timeline: bridge gaps of a label up to this long.",
)
@click.option(
    "--minimum",
    "minimum_seconds",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Timeline: drop events shorter than this.",
)
@strict_option
@device_option
@quiet_option
@format_option(*_LABEL_FILES)
@click.option(
    "--to",
    type=click.Path(),
    default=None,
    metavar="FILE|FOLDER",
    help="Write here instead of stdout; audacity and raven: a folder, with a file for each recording.",
)
@click.pass_context
def classify(
    ctx: click.Context, paths: tuple[str, ...], output_format: str, to: str | None, quiet: bool, **options: Any
) -> None:
    """Say what recordings are. PATH is a file, a folder, a pattern or @LIST.

    The label of a recording is the prompt that its mean vector is most like; --timeline judges every window. Formats
    audacity (label track) and raven (selection table) are timelines and take a file for each recording, unless there
    is one recording only. With --channels each or mid-side scores are means over the channels. Files that cannot be
    read are listed at the end and do not stop the run.
    """
    from mmasc.prompts import load_prompts

    _check_calibration(options)
    about = {"encoder": options["encoder"], "prompts": options["prompts"]}
    for option, key in (("centre_on", "centred_on"), ("match_on", "matched_on"), ("calibration", "calibration")):
        if options[option] is not None:
            about[key] = options[option]
    options["prompts"] = load_prompts(options["prompts"])  # light, so a fault in it shows at once
    from mmasc.audio import find_audio
    from mmasc.classify import classify as classify_recordings

    files = find_audio(list(paths))
    options["timeline"] = options["timeline"] or output_format in _LABEL_FILES
    target = _target(to, output_format, files)
    results = _Read(classify_recordings(list(files), **options))
    with _output(target, output_format) as streams_to_terminal:
        shown = _progress(results, len(files), quiet or streams_to_terminal)
        if output_format in _LABEL_FILES:
            _write_label_files(shown, output_format, target, files)
        else:
            labels = list(options["prompts"].labels)
            _write(shown, output_format, options["timeline"], options["top"], labels, about)
    for reason in results.truncated:
        remark(f"truncated: {reason}", quiet)
    for reason in results.odd[:_MOST_ODD]:
        remark(f"remark: {reason}", quiet)
    if len(results.odd) > _MOST_ODD:
        remark(f"remark: and so on, {len(results.odd)} recordings in all; --format json has the reason of each", quiet)
    if results.failed:
        remark(f"{len(results.failed)} of {len(files)} files could not be read:")
        for reason in results.failed:
            remark(f"  {reason}")
    if len(results.failed) == len(files):
        ctx.exit(1)


def _check_calibration(options: dict[str, Any]) -> None:
    """Wrong usage where two options say the same thing."""
    if options["centre_on"] is not None and options["match_on"] is not None:
        raise click.UsageError("--centre-on and --match-on are two ways to the same end: give one of them")
    if options["calibration"] is None:
        return
    names = ("threshold", "minimum_cosine", "temperature", "centre_on", "match_on")
    said = [name for name in names if options[name] is not None] + ["multi_label"] * options["multi_label"]
    if said:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise click.UsageError(f"--calibration says that already: leave out {given}")


class _Read:
    """The results of files that could be read; counts all, and remembers why others could not."""

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


def _write(
    results: Iterable["Classification"],
    output_format: str,
    timeline: bool,
    top: int | None,
    labels: list[str],
    about: dict[str, str],
) -> None:
    """Print results; all forms but table and json come while the recordings are read."""
    if output_format == "jsonl":
        for result in results:
            echo(json_text(result_object(result, timeline) | about))
    elif output_format == "csv":
        _write_csv(results, timeline, labels, about)
    elif output_format == "table" and timeline:
        for result in results:
            for line in timeline_lines(result):
                echo(line)
    elif output_format == "table":
        print_rows(
            [summary_row(result, top) for result in results], "table", ["path", "label", "score", "cosine", "next"]
        )
    else:
        print_rows([result_object(result, timeline) | about for result in results], "json")


def _write_csv(results: Iterable["Classification"], timeline: bool, labels: list[str], about: dict[str, str]) -> None:
    names = [*csv_columns(labels, timeline), *about]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([shown(name) for name in names])
    for result in results:
        rows = (row | about for row in csv_rows(result, timeline))
        writer.writerows([[shown(row.get(name, "")) for name in names] for row in rows])
        sys.stdout.flush()


def _write_label_files(
    results: Iterable["Classification"], output_format: str, target: Path | None, files: list[Path]
) -> None:
    """A label file for each recording, in folders like theirs below their common one."""
    common = os.path.commonpath([file.absolute().parent for file in files])
    for result in results:
        text = _LABEL_FILES[output_format](result)
        if output_format == "raven" and not fits_a_line(result.path):
            remark(f"{show_path(result.path)}: its name holds a tab or a line end, which a selection table cannot name")
        if target is None:
            echo(text, nl=False)
            continue
        place = target
        if not _is_label_file(target, files):
            path = Path(result.path).absolute()
            place = target / path.relative_to(common).with_name(f"{path.name}.{output_format}.txt")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, text.encode("utf-8", "surrogateescape"))


def _target(to: str | None, output_format: str, files: list[Path]) -> Path | None:
    """Where to write, checked before anything is read."""
    if to is None:
        if output_format in _LABEL_FILES and len(files) > 1:
            raise click.UsageError(
                f"{len(files)} recordings make {len(files)} {output_format} files: name a folder by --to"
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
    """A single recording's labels go to a file if its name ends in .txt, otherwise to a folder."""
    return len(files) == 1 and target.suffix == ".txt" and not target.is_dir()


@contextlib.contextmanager
def _output(target: Path | None, output_format: str) -> Iterator[bool]:
    """stdout, or the file that stands in for it; whether lines stream to a terminal (they would break a progress bar).

    File names that are no UTF-8 come out as the bytes they are.
    """
    if target is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")
        yield sys.stdout.isatty()
    elif output_format in _LABEL_FILES:
        yield False
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        stopped: KeyboardInterrupt | None = None
        with (
            replacing(target) as beside,
            beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            contextlib.redirect_stdout(file),
        ):
            try:
                yield False
            except KeyboardInterrupt as error:
                stopped = error  # what was done so far is kept
        if stopped is not None:
            raise stopped


def _progress(results: _Read, total: int, silent: bool) -> Iterator["Classification"]:
    """The results, with a bar on stderr while they come, where a person looks at it."""
    if silent or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task, began, heard = bar.add_task("", total=total), time.monotonic(), 0.0
        for result in results:
            heard += result.duration
            speed = heard / max(time.monotonic() - began, 1e-3)
            bad = f", {len(results.failed)} bad" if results.failed else ""
            text = f"{heard / 3600:.2f} h heard, {speed:.0f} x real time{bad}"
            bar.update(task, completed=results.seen, description=text)
            yield result
