"""`mmasc collection add-vectors`: vectors that another program made, from a file or from a hoplite database."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mmasc.cli.light_arrow import load_arrow
from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import echo, print_object, remark
from mmasc.cli.progress import shown_progress
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted


@click.command("add-vectors")
@click.argument("folder", metavar="COLLECTION")
@click.argument("source", metavar="FILE|HOPLITE")
@click.option("--space", required=True, metavar="NAME", help="Space for the vectors; created if it does not exist.")
@click.option(
    "--identity",
    metavar="TEXT",
    help='Name of what made the vectors, as in "birdnet 2.4 embeddings"; required for a new space, fixed afterwards.',
)
@click.option(
    "--table",
    metavar="FILE",
    help="CSV or parquet with a row per vector: path, start, end, duration. With HOPLITE: path, duration.",
)
@click.option("--root", metavar="FOLDER", help="Root of the recordings, for a collection that does not exist yet.")
@click.option("--replace", is_flag=True, help="Replace other vectors of the same moments.")
@quiet_option
@format_option()
def add_vectors(
    folder: str, source: str, table: str | None, root: str | None, quiet: bool, output_format: str, **target: Any
) -> None:
    """Add vectors that another program made, in a space of their own; all of them or none.

    FILE is a matrix (.npy, with --table), an archive (.npz) or parquet; HOPLITE is the folder of a perch-hoplite
    database. The same command again adds nothing.
    """
    load_arrow()  # before anything loads it with pandas
    from mmasc.collection import Collection

    with shown_progress("adding vectors", quiet):
        if os.path.isdir(source):
            from mmasc.collection.vector_files import read_durations
            from mmasc.integrations.hoplite import import_hoplite, require_hoplite

            require_hoplite(Path(source))
            durations = None if table is None else read_durations(table)
            report = import_hoplite(_opened(Collection, folder, root), Path(source), durations=durations, **target)
        else:
            from mmasc.collection.vector_files import read_vectors

            given = read_vectors(source, table)
            report = _opened(Collection, folder, root).add_vectors(**vars(given), **target)
    if output_format != "table":
        print_object(asdict(report), output_format)
        return
    if report.cut:
        remark(f"{counted(report.cut, 'end')} behind the end of a recording moved to it", quiet)
    echo(
        f"{counted(report.added, 'vector')} added, {report.replaced} replaced, {report.known} already there; "
        f"{counted(report.recordings, 'new recording')} → {show_path(folder)}"
    )


def _opened(kind: Any, folder: str, root: str | None) -> Any:
    """The collection, or a new one under a root that is named."""
    if root is not None and not os.path.exists(folder):
        return kind.create(folder, root)
    if root is not None:
        opened = kind(folder)
        if os.path.abspath(root) != opened.head.root:
            raise MmascError(f"{show_path(folder)} has the root {show_path(opened.head.root)}; leave out --root")
        return opened
    return kind(folder)
