"""Labels of recordings, printed or written: the output of `classify` and of `head apply`."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.classify_formats import (
    RANKED_COLUMNS,
    csv_columns,
    csv_rows,
    joined_labels,
    ranked_rows,
    result_object,
    summary_row,
    timeline_lines,
)
from mmasc.cli.classify_target import LABEL_FILES, checked_target, fitting, output_to, write_label_files
from mmasc.cli.output import echo, json_text, print_rows, remark, shown_rows
from mmasc.printing import counted
from mmasc.storage.csv_lines import csv_writer

# What the mark next to a label says; the pages on heads and on the bundled encoder say how far it can be relied on
UNLIKE = "unlike what it learned from: a label that was chosen because there was no better one"

if TYPE_CHECKING:
    from mmasc.labelling.timelines import Answers, Classification

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
        together: One label file for all recordings.
        group_of: Label to its group, where prompts are grouped.
        with_clock: Whether recordings may have a clock, which tables of events then show.
    """

    output_format: str
    target: Path | None
    timeline: bool = False
    top: int | None = None
    quiet: bool = False
    about: dict[str, Any] | None = None
    with_cosines: bool = False
    together: bool = False
    group_of: Mapping[str, str] | None = None
    with_clock: bool = False

    @classmethod
    def of(cls, chosen: "Chosen", options: dict[str, Any], files: list[Path], **more: Any) -> "Output":
        """From the options of a command, which learn here whether a timeline is needed.

        Raises:
            click.UsageError: If they contradict each other, or what is there to write to is of the wrong kind.
        """
        form = chosen.output_format
        if chosen.together and form not in LABEL_FILES:
            raise click.UsageError(f"--together is for {' and '.join(LABEL_FILES)}; {form} is one file anyway")
        options["timeline"] = options["timeline"] or form in LABEL_FILES
        target = checked_target(chosen.to, form, files, form in LABEL_FILES and not chosen.together)
        timeline, top = options["timeline"], options["top"]
        return cls(form, target, timeline, top, chosen.quiet, together=chosen.together, **more)


@dataclass(frozen=True)
class Chosen:
    """Options about printing, as they were given."""

    output_format: str
    to: str | None
    together: bool
    quiet: bool


def show_answers(results: "Answers", files: list[Path], output: Output) -> int:
    """Print or write answers as they come, then remarks on single recordings.

    Args:
        results: One for each recording.
        files: Where the recordings lie, as many as are expected.
        output: How.
    Returns:
        How many recordings could be read.
    """
    from mmasc.audio.quality import fault_of

    read = _Read(results)
    each = output.output_format in LABEL_FILES and not output.together
    with output_to(output.target, each):
        if output.together:
            echo(joined_labels(fitting(read, output.output_format), output.output_format), nl=False)
        elif each:
            write_label_files(read, output.output_format, output.target, files)
        else:
            _write(read, results.names, output)
    for reason in read.truncated:
        remark(f"{fault_of(reason)}: {reason}", output.quiet)
    for reason in read.odd[:_MOST_ODD]:
        remark(f"remark: {reason}", output.quiet)
    if len(read.odd) > _MOST_ODD:
        remark(
            f"remark: {counted(len(read.odd), 'recording')} with remarks in total; --format json has the reason of "
            "each",
            output.quiet,
        )
    if read.failed:
        remark(f"{len(read.failed)} of {counted(read.seen, 'file')} could not be read:")
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
        _write_csv(results, labels, output)
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


def _write_csv(results: Iterable["Classification"], labels: Sequence[str], output: Output) -> None:
    """One row per recording or event; where only the best labels are asked for, one per recording and label."""
    about, timeline = output.about or {}, output.timeline
    ranked = output.top is not None and not timeline and output.with_cosines
    names = [*(RANKED_COLUMNS if ranked else csv_columns(list(labels), timeline, output.with_clock)), *about]
    writer = csv_writer(sys.stdout)
    writer.writerows(shown_rows([names]))
    for result in results:
        found = ranked_rows(result, output.group_of or {}) if ranked else csv_rows(result, timeline)
        rows = (row | about for row in found)
        writer.writerows(shown_rows([row.get(name, "") for name in names] for row in rows))
        sys.stdout.flush()


def recordings_of(collection: Any) -> list[Path]:
    """Where the recordings of a collection lie."""
    from mmasc.remote.paths import as_path

    return [as_path(collection.path_of(path)) for path in collection.recordings.column("path").to_pylist()]


def has_clocks(collection: Any) -> bool:
    """Whether recordings have clocks; None, which stands for files, has none."""
    return collection is not None and "recorded_at" in collection.recordings.column_names


def no_answers(ctx: click.Context, of_collection: bool, where: str | None, quiet: bool) -> None:
    """Say why nothing was labelled: files that cannot be read are an error, a condition that nothing meets is none."""
    if not of_collection:
        ctx.exit(1)
    remark(
        "no recording meets the condition of --where" if where else "no recording in the collection has such vectors",
        quiet,
    )
