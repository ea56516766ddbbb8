"""`mmasc classify`: labels and timelines of recordings, in formats for people and for other programs."""

import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.classify_formats import (
    RANKED_COLUMNS,
    audacity_labels,
    csv_columns,
    csv_rows,
    fits_a_line,
    ranked_rows,
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
from mmasc.errors import show_path
from mmasc.storage.files import replacing, write_atomically

if TYPE_CHECKING:
    from mmasc.labelling.classify import Classification
    from mmasc.prompts.prompts import Prompts

_LABEL_FILES = {"audacity": audacity_labels, "raven": raven_table}  # one file per recording
_MOST_ODD = 10  # recordings that were read completely and still have a remark


@click.command(short_help="Label recordings with a file of prompts, without training.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--prompts",
    default=None,
    metavar="NAME|FILE",
    help="Prompt file, one of `mmasc prompts list` or a YAML file of your own; default: the words that the encoder "
    "was trained with.",
)
@encoder_option
@backend_option
@click.option("--timeline", is_flag=True, help="Add the time spans of every label and the seconds per label.")
@hop_option
@window_option
@channels_option
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=None, metavar="P", help="Minimum probability of a label."
)
@click.option(
    "--minimum-cosine",
    type=click.FloatRange(-1, 1),
    default=None,
    metavar="COSINE",
    help="Minimum cosine of sound and label; below it the answer is 'none of these', whatever the probabilities.",
)
@click.option(
    "--multi-label",
    is_flag=True,
    help="Allow several labels at once: each one whose probability reaches --threshold (default 0.5).",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="T",
    help="Temperature of the softmax.",
)
@click.option(
    "--centre-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Unlabelled sounds (20 or more, of all kinds); each label's mean cosine to them is subtracted.",
)
@click.option(
    "--match-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Unlabelled sounds over which all labels are made equally probable on average; excludes --centre-on.",
)
@click.option(
    "--calibration",
    type=click.Path(),
    default=None,
    metavar="FILE",
    help="File of `mmasc prompts calibrate`: shifts, temperature, thresholds per label, minimum cosine.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=None,
    metavar="K",
    help="Number of best labels to show; csv then has a row per recording and label, best first.",
)
@click.option(
    "--gap",
    "gap_seconds",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Timeline: longest gap within a label that is bridged.",
)
@click.option(
    "--minimum",
    "minimum_seconds",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Timeline: shortest event that is kept.",
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
    help="File to write instead of stdout; for audacity and raven a folder, with one file per recording.",
)
@click.pass_context
def classify(
    ctx: click.Context, paths: tuple[str, ...], output_format: str, to: str | None, quiet: bool, **options: Any
) -> None:
    """Label recordings with a file of prompts. PATH is a file, a folder, a pattern or @LIST.

    Without --prompts the labels are the words that the encoder was trained with (mini has 235 of them). The label of
    a recording is the one whose prompts are nearest to the recording's mean vector; --timeline labels every window.
    The formats audacity (label track) and raven (selection table) are timelines with one file per recording. With
    --channels each or mid-side, scores are means over the channels. Files that cannot be read are listed at the end
    and do not stop the run.
    """
    from mmasc.cli.words import prompts_or_words

    _check_calibration(options)
    given = options["prompts"]
    # before torch is loaded, so that a fault in the file is reported immediately
    options["prompts"] = prompts_or_words(given, options["encoder"], quiet)
    about = {"encoder": options["encoder"], "prompts": given or options["prompts"].name}
    for option, key in (("centre_on", "centred_on"), ("match_on", "matched_on"), ("calibration", "calibration")):
        if options[option] is not None:
            about[key] = options[option]
    from mmasc.audio import find_audio
    from mmasc.labelling.classify import classify as classify_recordings

    files = find_audio(list(paths))
    options["timeline"] = options["timeline"] or output_format in _LABEL_FILES
    target = _target(to, output_format, files)
    results = _Read(classify_recordings(list(files), **options))
    with _output(target, output_format) as streams_to_terminal:
        shown = _progress(results, len(files), quiet or streams_to_terminal)
        if output_format in _LABEL_FILES:
            _write_label_files(shown, output_format, target, files)
        else:
            _write(shown, output_format, options["timeline"], options["top"], options["prompts"], about)
    for reason in results.truncated:
        remark(f"truncated: {reason}", quiet)
    for reason in results.odd[:_MOST_ODD]:
        remark(f"remark: {reason}", quiet)
    if len(results.odd) > _MOST_ODD:
        remark(
            f"remark: {len(results.odd)} recordings with remarks in total; --format json has the reason of each", quiet
        )
    if results.failed:
        remark(f"{len(results.failed)} of {len(files)} files could not be read:")
        for reason in results.failed:
            remark(f"  {reason}")
    if len(results.failed) == len(files):
        ctx.exit(1)


def _check_calibration(options: dict[str, Any]) -> None:
    """Refuse options that contradict each other."""
    if options["centre_on"] is not None and options["match_on"] is not None:
        raise click.UsageError("--centre-on and --match-on exclude each other: give one of them")
    if options["calibration"] is None:
        return
    names = ("threshold", "minimum_cosine", "temperature", "centre_on", "match_on")
    said = [name for name in names if options[name] is not None] + ["multi_label"] * options["multi_label"]
    if said:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise click.UsageError(f"--calibration already contains these values: leave out {given}")


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


def _write(
    results: Iterable["Classification"],
    output_format: str,
    timeline: bool,
    top: int | None,
    prompts: "Prompts",
    about: dict[str, str],
) -> None:
    """Print results; all formats except table and json are printed while the recordings are read."""
    if output_format == "jsonl":
        for result in results:
            echo(json_text(result_object(result, timeline) | about))
    elif output_format == "csv":
        _write_csv(results, timeline, top, prompts, about)
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


def _write_csv(
    results: Iterable["Classification"], timeline: bool, top: int | None, prompts: "Prompts", about: dict[str, str]
) -> None:
    ranked = top is not None and not timeline
    names = [*(RANKED_COLUMNS if ranked else csv_columns(list(prompts.labels), timeline)), *about]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([shown(name) for name in names])
    for result in results:
        found = ranked_rows(result, prompts.group_of) if ranked else csv_rows(result, timeline)
        rows = (row | about for row in found)
        writer.writerows([[shown(row.get(name, "")) for name in names] for row in rows])
        sys.stdout.flush()


def _write_label_files(
    results: Iterable["Classification"], output_format: str, target: Path | None, files: list[Path]
) -> None:
    """Write one label file per recording; subfolders mirror those of the recordings."""
    common = os.path.commonpath([file.absolute().parent for file in files])
    for result in results:
        text = _LABEL_FILES[output_format](result)
        if output_format == "raven" and not fits_a_line(result.path):
            remark(
                f"{show_path(result.path)}: its name contains a tab or a line break, which a selection "
                "table cannot hold"
            )
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
    """The path to write to, checked before anything is read."""
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
def _output(target: Path | None, output_format: str) -> Iterator[bool]:
    """Send output to stdout or a file; yields whether lines go to a terminal, where they would break a progress bar.

    File names that are not UTF-8 are written as their original bytes.
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
                stopped = error  # the file keeps what was written so far
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
