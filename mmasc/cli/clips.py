"""`mmasc clips`: cut hits of a search, rows of a file, or labels out of the recordings."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_rows, remark

if TYPE_CHECKING:
    from mmasc.collection import Collection
    from mmasc.label_files.rows import LabelRow

_HITS = 10
_seconds = NumberRange(min=0)


@click.command()
@click.argument("collection")
@click.argument("queries", nargs=-1, metavar="[QUERY...]")
@click.option("--to", required=True, metavar="DIR", help="Folder for the clips and clips.csv; created if necessary.")
@click.option("--hits", metavar="FILE", help="Hits or labels in a file (csv, json, jsonl, raven, audacity) as moments.")
@click.option("--head", "head_file", metavar="FILE", help="Events that this head finds, as moments (`mmasc head fit`).")
@click.option("--label", metavar="LABEL", help="Annotations with this label as moments; with --head: its events.")
@click.option("--not", "negatives", multiple=True, metavar="QUERY", help="Query to stay away from, as in search.")
@click.option(
    "-k", "k", type=click.IntRange(min=1), default=None, show_default="10; with --head all",
    help="Maximum number of hits, or of the best events of --head.",
)  # fmt: skip
@click.option("--where", metavar="SQL", help="Condition on columns, as in search.")
@click.option("--space", metavar="NAME", help="Space to search; default: the oldest that understands the query.")
@click.option("--spread", type=click.IntRange(min=1), metavar="N", help="Maximum number of hits of one recording.")
@click.option("--threshold", type=NumberRange(0, 1), metavar="P", help="--head: minimum probability of a label.")
@click.option("--gap", type=_seconds, default=0.0, metavar="SECONDS", help="--head: longest gap that is bridged.")
@click.option("--minimum", type=_seconds, default=0.0, metavar="SECONDS", help="--head: shortest event that is cut.")
@click.option(
    "--background", type=click.Choice(["own"]), default=None,
    help="--head: a label must stand out from what is usual in its own recording.",
)  # fmt: skip
@click.option("--best", is_flag=True, help="Only the best window of every hit instead of the whole moment.")
@click.option("--pad", type=_seconds, default=0.0, metavar="SECONDS", help="Padding before and after; default: none.")
@click.option("--before", type=_seconds, metavar="SECONDS", help="Padding before; default: that of --pad.")
@click.option("--after", type=_seconds, metavar="SECONDS", help="Padding after; default: that of --pad.")
@click.option("--flac", is_flag=True, help="FLAC instead of WAV, where it holds the samples (at most 24 bits).")
@click.option("--force", is_flag=True, help="Cut again, and replace files of the same names.")
@device_option
@quiet_option
@format_option()
def clips(
    collection: str,
    queries: tuple[str, ...],
    to: str,
    hits: str | None,
    head_file: str | None,
    label: str | None,
    quiet: bool,
    output_format: str,
    **asked: Any,
) -> None:
    """Cut sounds out of the recordings of a collection, each into a file of its own.

    The moments to cut are the hits of QUERY, as in search; or hits or labels in a file (--hits); or the events that a
    head finds (--head); or annotations (--label). Clips keep sample rate, channels and sample format (16 bits for
    lossy recordings). A second run cuts only clips that are missing. Recordings that cannot be read are listed, the
    others are cut, and the exit status is 1.
    """
    given = [bool(queries), hits is not None, head_file is not None, label is not None and head_file is None]
    if sum(given) != 1:
        raise click.UsageError("name what to cut by one of these: QUERY..., --hits FILE, --head FILE, --label LABEL")
    if head_file is None and (asked["threshold"] is not None or asked["gap"] or asked["minimum"]):
        raise click.UsageError("--threshold, --gap and --minimum are about --head: leave them out")
    from mmasc.cli.progress import shown_progress
    from mmasc.collection import Collection
    from mmasc.collection.clips import cut_clips
    from mmasc.collection.written_since import written_remarks
    from mmasc.progress import counting

    opened, best = Collection(collection, device=asked["device"]), asked["best"]
    lost: list[tuple[str, str]] = []
    if hits is not None:
        rows, lost = _of_file(opened, hits, best)
    elif head_file is not None:
        if best:
            raise click.UsageError("--best is about hits, and a head hears events: leave it out")
        rows = _heard(opened, head_file, label, asked)
    elif label is not None:
        rows = _annotated(opened, label)
    else:
        rows = _found(opened, queries, best, asked)
    for remarked in opened.remarks:
        remark(remarked, quiet)
    if not rows and not lost:
        remark("nothing to cut", quiet)
    table = opened.recordings
    paths = map(opened.path_of, table.column("path").to_pylist())
    durations = dict(zip(paths, table.column("duration").to_pylist(), strict=True))
    before, after = (asked["pad"] if asked[side] is None else asked[side] for side in ("before", "after"))
    with shown_progress("cutting", quiet), counting("cutting", "recordings") as show:
        report = cut_clips(rows, to, before, after, durations, asked["flac"], asked["force"], show)
    failed = [*lost, *report.failed]
    if output_format != "table" or report.clips:
        shown = [vars(clip) for clip in report.clips]
        columns = ["clip", "label", "score"] if output_format == "table" else None
        print_rows(shown, output_format, columns)
    for _, reason in failed:
        remark(reason)
    for line in written_remarks(opened, {clip.path for clip in report.clips}):
        remark(line, quiet)
    remark(f"{report.cut} cut, {len(report.clips) - report.cut} already there, {len(failed)} failed → {to}", quiet)
    if failed:
        sys.exit(1)


def _found(opened: "Collection", queries: tuple[str, ...], best: bool, asked: Mapping[str, Any]) -> "list[LabelRow]":
    from mmasc.cli.search import question_label, question_of
    from mmasc.collection.hits import label_rows

    question = question_of(queries, asked["negatives"])
    options = {name: asked[name] for name in ("where", "space", "spread")}
    options["k"] = asked["k"] or _HITS
    return label_rows(opened.search(**question, **options), question_label(question), best)


def _heard(opened: "Collection", head_file: str, label: str | None, asked: Mapping[str, Any]) -> "list[LabelRow]":
    """Events of a head, by path and time; with -k the best of them, with --spread the best of each recording."""
    from collections import Counter

    from mmasc.errors import MmascError
    from mmasc.label_files.rows import LabelRow
    from mmasc.labelling.apply import apply_head

    options = {name: asked[name] for name in ("where", "space", "threshold", "background")}
    cut = {"gap_seconds": asked["gap"], "minimum_seconds": asked["minimum"]}
    answers = apply_head(head_file, opened, timeline=True, **options, **cut)
    if label is not None and label not in answers.names:
        raise MmascError(f"{head_file} has no label {label!r}; labels: {', '.join(answers.names)}")
    rows = [
        LabelRow(answer.path, event.start, event.end, event.label, event.score)
        for answer in answers
        for event in answer.events
        if label in (None, event.label)
    ]
    of_recording: Counter[str] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: -(row.score or 0.0)):
        of_recording[row.path] += 1
        if asked["spread"] is None or of_recording[row.path] <= asked["spread"]:
            kept.append(row)
    return sorted(kept[: asked["k"]], key=lambda row: (row.path, row.start, row.end, row.label))


def _of_file(opened: "Collection", file: str, best: bool) -> "tuple[list[LabelRow], list[tuple[str, str]]]":
    """Moments of a file, with the paths of recordings of the collection; and what names no recording."""
    from dataclasses import replace

    from mmasc.collection.hit_files import read_hits
    from mmasc.collection.hits import label_rows
    from mmasc.errors import MmascError, show_path
    from mmasc.label_files.formats import read_rows

    found = read_hits(file)
    if found is not None:
        rows, lost = label_rows(found, "", best), []
    else:
        read = read_rows(file)
        rows, lost = read.rows, [(file, f"{show_path(file)}: {problem}") for problem in read.problems]
    annotations, places = opened.annotations, dict[str, str]()
    for path in dict.fromkeys(row.path for row in rows):
        try:
            places[path] = opened.path_of_id(annotations.recording_id(path))
        except MmascError as error:
            lost.append((path, str(error)))
    return [replace(row, path=places[row.path]) for row in rows if row.path in places], lost


def _annotated(opened: "Collection", label: str) -> "list[LabelRow]":
    from mmasc.errors import MmascError
    from mmasc.label_files.rows import LabelRow

    annotations = opened.annotations
    found = annotations.all(label=label, verdict="present")
    if not found:
        raise MmascError(f"no annotation says that {label!r} is present; see: mmasc label list {opened.store.location}")
    return [LabelRow(annotations.path_of(one), one.start, one.end, one.label, one.score) for one in found]
