"""`mmasc collection`: inspect, change, check, merge and export collections."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mmasc.cli.activity import activity
from mmasc.cli.collection_clock import clock
from mmasc.cli.collection_library import cluster, duplicates
from mmasc.cli.collection_map import draw_map
from mmasc.cli.collection_vectors import add_vectors
from mmasc.cli.light_arrow import load_arrow
from mmasc.cli.options import format_option
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import counted


@click.group()
def collection() -> None:
    """Inspect, change, check, merge and export collections."""


collection.add_command(clock)
collection.add_command(activity)


_folder = click.argument("folder", metavar="COLLECTION")


def _open(folder: str) -> Any:
    load_arrow()  # before anything loads it with pandas
    from mmasc.collection import Collection

    return Collection(folder)


@collection.command()
@_folder
@format_option()
def info(folder: str, output_format: str) -> None:
    """Show recordings, hours, columns, and every space with the encoder that made it."""
    found = _open(folder).info()
    if output_format in ("json", "jsonl"):
        print_object(found, output_format)
        return
    spaces = [{"space": name, **space} for name, space in found.pop("spaces").items()]
    if output_format == "csv":
        print_rows(spaces, "csv")
        return
    echo(f"{counted(found['recordings'], 'recording')}, {found['hours']:.2f} h, under {found['root']}")
    if found["columns"]:
        echo(f"columns: {', '.join(found['columns'])}")
    if found["annotations"]:
        echo(f"annotations: {found['annotations']}")
    if spaces:
        print_table(spaces, list(spaces[0]))


@collection.command()
@_folder
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def add(folder: str, paths: tuple[str, ...]) -> None:
    """Embed more recordings with the encoder, hop and channels of the oldest space."""
    from mmasc.cli.embed import print_embedding

    with shown_progress("embedding"):
        report = _open(folder).add(list(paths))
    print_embedding(report, folder)


@collection.command()
@_folder
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--where", metavar="SQL", help="Condition on columns of the recordings; with PATH, of those only.")
@click.option("--missing", is_flag=True, help="Remove only recordings whose files no longer exist.")
def remove(folder: str, paths: tuple[str, ...], where: str | None, missing: bool) -> None:
    """Remove recordings from the collection (the files stay on the disk)."""
    if not paths and where is None and not missing:
        raise click.UsageError("name the recordings to remove: PATH..., --where SQL or --missing")
    opened = _open(folder)
    there, labels = len(opened.recordings), len(opened.annotations)
    echo(f"{counted(opened.remove(paths, where, missing), 'recording')} removed of {there}")
    if hidden := labels - len(opened.annotations):
        remark(
            f"{counted(hidden, 'annotation')} of theirs {'is' if hidden == 1 else 'are'} hidden until "
            "the same files are embedded again"
        )


@collection.command()
@_folder
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@format_option()
def merge(folder: str, others: tuple[str, ...], output_format: str) -> None:
    """Add the recordings, windows, columns and annotations of other collections, such as parts of one (--shard)."""
    with shown_progress("merging"):
        result = _open(folder).merge(*others)
    if output_format == "table":
        echo(
            f"{counted(result['recordings'], 'recording')} and {counted(result['windows'], 'window')} added, "
            f"{result['already_there']} were already there"
        )
        if result["values"]:
            echo(f"{result['values']} column values added to recordings that were already there")
        if result["values_that_differ"]:
            echo(f"{result['values_that_differ']} column values differ; those of this collection are kept")
        if result["annotations"]:
            echo(f"{counted(result['annotations'], 'annotation')} added")
        if result["annotations_that_differ"]:
            echo(
                f"{counted(result['annotations_that_differ'], 'annotation differs', 'annotations differ')}; those "
                "of this collection are kept"
            )
        if result["other_content"]:
            echo(
                f"{counted(result['other_content'], 'recording has', 'recordings have')} other content under the "
                "same path; those of "
                "this collection are kept"
            )
    else:
        print_object(result, output_format)


@collection.command()
@_folder
@click.argument("address")
@format_option()
def publish(folder: str, address: str, output_format: str) -> None:
    """Copy the collection to an object store so that others can read it: ADDRESS is s3://bucket/name or gs://bucket/name.

    Files that were sent before are not sent again. Credentials come from the environment.
    """
    with shown_progress("publishing"):
        report = _open(folder).publish(address)
    if output_format == "table":
        echo(
            f"{report.sent} of {counted(report.files, 'file')} sent ({report.bytes / 1e6:.1f} MB); read it with: "
            f"mmasc search {report.address} ..."
        )
    else:
        print_object(asdict(report), output_format)


@collection.command("move-root")
@_folder
@click.argument("root")
def move_root(folder: str, root: str) -> None:
    """Set the folder under which the recordings lie now, ROOT."""
    missing = _open(folder).move_root(root)
    echo(
        f"root is {root} now; {counted(missing, 'recording was', 'recordings were')} not found there"
        if missing
        else f"root is {root} now"
    )


@collection.command()
@_folder
def compact(folder: str) -> None:
    """Join small files, drop deleted rows and old versions, and rebuild the index."""
    with shown_progress("compacting"):
        opened = _open(folder)
        opened.compact()
    for line in opened.remarks:
        remark(line)
    echo(f"{folder} is compact")


@collection.command()
@_folder
@click.option("--space", metavar="NAME", help="Space whose index is built; default: all spaces.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N",
    help="Processes that build a segment each; default: the number of cores.",
)  # fmt: skip
@format_option()
def index(folder: str, space: str | None, workers: int | None, output_format: str) -> None:
    """Build what the search index lacks; show its segments and their measured recall."""
    with shown_progress("indexing"):
        opened = _open(folder)
        rows = opened.index(space, workers or os.cpu_count() or 1)
    for line in opened.remarks:
        remark(line)
    print_rows(rows, output_format, ["space", "kind", "windows", "gone", "nprobe", "recall"])


@collection.command()
@_folder
@format_option()
def check(folder: str, output_format: str) -> None:
    """Check the collection for faults; exit status 1 if one makes answers wrong."""
    with shown_progress("checking"):
        opened = _open(folder)
        findings = opened.check()
    for line in opened.remarks:
        remark(line)
    rows = [{"level": one.level, "message": one.message} for one in findings]
    if rows or output_format != "table":
        print_rows(rows, output_format, ["level", "message"])
    else:
        echo("no faults found")
    sys.exit(1 if any(one.level == "error" for one in findings) else 0)


@collection.command()
@_folder
@click.option("--to", required=True, metavar="DIR", help="Folder to write into; created if it does not exist.")
@click.option("--space", metavar="NAME", help="Space to export; default: the oldest.")
@click.option(
    "--format", "file_format", type=click.Choice(["npy", "csv", "hoplite", "clip-retrieval"]), default="npy",
    show_default=True,
    help="vectors.npy and windows.parquet with rows in the same order; windows.csv with the vectors in columns; a "
    "database of perch-hoplite; the folders of clip-retrieval and autofaiss.",
)  # fmt: skip
def export(folder: str, to: str, space: str | None, file_format: str) -> None:
    """Write a space's vectors and windows for other programs."""
    with shown_progress("exporting"):
        opened = _open(folder)
        other = _other_exports().get(file_format)
        written = opened.export(to, space, file_format) if other is None else other(opened, Path(to), space)
    for path in written:
        echo(str(path))


def _other_exports() -> dict[str, Callable[..., list[Path]]]:
    """What writes a space for one other program, by format."""
    from mmasc.integrations.clip_retrieval import export_clip_retrieval
    from mmasc.integrations.hoplite import export_hoplite

    return {"hoplite": export_hoplite, "clip-retrieval": export_clip_retrieval}


collection.add_command(duplicates)
collection.add_command(cluster)
collection.add_command(draw_map)
collection.add_command(add_vectors)
