"""`mmasc classify`: labels and timelines of recordings, in formats for people and for other programs."""

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.classify_formats import (
    csv_columns,
    csv_rows,
    joined_labels,
    result_object,
    summary_row,
    timeline_lines,
)
from mmasc.cli.classify_target import LABEL_FILES, checked_target, fitting, output_to, write_label_files
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

if TYPE_CHECKING:
    from mmasc.labelling.classify import Classification

_MOST_ODD = 10  # recordings that were read completely and still have a remark


@click.command(short_help="Label recordings with a file of prompts, without training.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--prompts",
    required=True,
    metavar="NAME|FILE",
    help="Prompt file, one of `mmasc prompts list` or a YAML file of your own.",
)
@encoder_option
@backend_option
@click.option("--timeline", is_flag=True, help="Add the time spans of every label and the seconds per label.")
@hop_option
@window_option
@channels_option
@click.option(
    "--threshold",
    "--onset",
    "threshold",
    type=click.FloatRange(0, 1),
    default=None,
    metavar="P",
    help="Minimum probability of a label; in a timeline, of the moment with which an event begins.",
)
@click.option(
    "--offset",
    "offset_threshold",
    type=click.FloatRange(0, 1),
    default=None,
    metavar="P",
    help="Timeline: an event goes on while the probability is at least this, which is at most --threshold.",
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
@click.option("--top", type=click.IntRange(1), default=None, metavar="K", help="Number of best labels to show.")
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
@click.option(
    "--smooth",
    "smooth_seconds",
    type=click.FloatRange(0),
    default=None,
    metavar="SECONDS",
    help="Timeline: moments shorter than this are judged together with the next ones; default with --offset: the hop.",
)
@strict_option
@device_option
@quiet_option
@format_option(*LABEL_FILES)
@click.option(
    "--to",
    type=click.Path(),
    default=None,
    metavar="FILE|FOLDER",
    help="File to write instead of stdout; for audacity and raven a folder, with one file per recording.",
)
@click.option("--together", is_flag=True, help="Audacity and raven: one file for all recordings.")
@click.pass_context
def classify(
    ctx: click.Context,
    paths: tuple[str, ...],
    output_format: str,
    to: str | None,
    together: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Label recordings with a file of prompts. PATH is a file, a folder, a pattern or @LIST.

    The label of a recording is the one whose prompts are nearest to the recording's mean vector; --timeline labels
    every window. The formats audacity (label track) and raven (selection table) are timelines with one file per
    recording, or with --together one for all. With --channels each or mid-side, scores are means over the channels.
    Files that cannot be read are listed at the end and do not stop the run.
    """
    from mmasc.prompts.prompts import load_prompts

    _check_calibration(options)
    _check_timeline(options, together, output_format)
    about = {"encoder": options["encoder"], "prompts": options["prompts"]}
    for option, key in (("centre_on", "centred_on"), ("match_on", "matched_on"), ("calibration", "calibration")):
        if options[option] is not None:
            about[key] = options[option]
    options["prompts"] = load_prompts(
        options["prompts"]
    )  # before torch is loaded, so that a fault in the file is reported immediately
    from mmasc.audio import find_audio
    from mmasc.labelling.classify import classify as classify_recordings

    files = find_audio(list(paths))
    options["timeline"] = options["timeline"] or output_format in LABEL_FILES
    each = output_format in LABEL_FILES and not together
    target = checked_target(to, output_format, files, each)
    results = _Read(classify_recordings(list(files), **options))
    with output_to(target, each) as streams_to_terminal:
        shown = _progress(results, len(files), quiet or streams_to_terminal)
        if together:
            echo(joined_labels(fitting(shown, output_format), output_format), nl=False)
        elif each:
            write_label_files(shown, output_format, target, files)
        else:
            labels = list(options["prompts"].labels)
            _write(shown, output_format, options["timeline"], options["top"], labels, about)
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


def _check_timeline(options: dict[str, Any], together: bool, output_format: str) -> None:
    """Refuse thresholds that cannot hold together, and one file for all in formats that always are one."""
    offset, onset = options["offset_threshold"], options["threshold"]
    if offset is not None and onset is None and options["calibration"] is None and not options["multi_label"]:
        raise click.UsageError("--offset needs --threshold (or --calibration), with which an event begins")
    if offset is not None and onset is not None and offset > onset:
        raise click.UsageError(f"--offset must be at most --threshold, got {offset} and {onset}")
    if together and output_format not in LABEL_FILES:
        raise click.UsageError(f"--together is for {' and '.join(LABEL_FILES)}; {output_format} is one file anyway")


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
    labels: list[str],
    about: dict[str, str],
) -> None:
    """Print results; all formats except table and json are printed while the recordings are read."""
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
