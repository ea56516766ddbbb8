"""`mmasc collection duplicates` and `cluster`: duplicates and kinds of sounds in a library of many sounds."""

import os
from typing import Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import echo, print_rows, remark
from mmasc.cli.progress import shown_progress
from mmasc.cli.targets import ResultPath
from mmasc.printing import counted
from mmasc.progress import counting

_COLUMNS = ("group", "keep", "path", "relation", "similarity", "offset", "duration", "sample_rate", "why")


@click.command()
@click.argument("folder", metavar="COLLECTION")
@click.option(
    "--threshold",
    type=NumberRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    metavar="S",
    help="Minimum similarity of two waveforms: 1 for exact copies; lossy coding leaves 0.88 and more.",
)
@click.option("--space", metavar="NAME", help="Space whose vectors name the candidates; default: the oldest.")
@click.option("--where", metavar="SQL", help="Condition on columns: only recordings that pass are compared.")
@quiet_option
@format_option()
def duplicates(
    folder: str, threshold: float, space: str | None, where: str | None, quiet: bool, output_format: str
) -> None:
    """List recordings that hold the same sound, and which of them to keep.

    It finds copies, other codings, levels and sample rates, and recordings that were cut out of others. Vectors choose
    the candidates, the waveforms decide. The recording to keep is the longest, then the one with the most channels, the
    highest sample rate, a lossless coding, the oldest file. Nothing is removed: use `mmasc collection remove`.
    """
    from mmasc.collection import Collection
    from mmasc.collection.duplicates import find_duplicates

    with shown_progress("looking for candidates", quiet), counting("comparing", "pairs") as show:
        found = find_duplicates(Collection(folder), threshold, space, where, show)
    rows = [{"group": number, **vars(copy)} for number, group in enumerate(found.groups, 1) for copy in group]
    if output_format == "table":
        _show_groups(found)
    else:
        print_rows(rows, output_format, ["group", *found.groups[0][0].__dataclass_fields__] if rows else _COLUMNS)
    for problem in found.problems:
        remark(f"not compared: {problem}", quiet)
    copies = sum(map(len, found.groups))
    remark(
        f"{counted(copies, 'recording')} in {counted(len(found.groups), 'group')}, {found.to_remove} of them need "
        "not be kept; "
        f"{counted(found.compared, 'pair')} compared",
        quiet,
    )


def _show_groups(found: Any) -> None:
    """Groups for people: a line per recording, the one to keep first."""
    for number, group in enumerate(found.groups, 1):
        echo(f"group {number}")
        for copy in group:
            likeness = "" if copy.relation == "kept" else f"  similarity {copy.similarity:.3f}"
            at = "" if copy.relation in ("kept", "same file") else f" at {copy.offset:+.2f} s"
            echo(f"  {'keep' if copy.keep else 'copy'}  {copy.path}")
            echo(f"        {copy.why}{likeness}{at}, {copy.duration:.1f} s, {copy.sample_rate} Hz")
    if not found.groups:
        echo("no duplicates found")


@click.command()
@click.argument("folder", metavar="COLLECTION")
@click.option("--windows", is_flag=True, help="Cluster windows instead of whole recordings.")
@click.option(
    "--minimum-size",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    metavar="N",
    help="Minimum number of recordings (or windows) in a cluster.",
)
@click.option(
    "--components",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    metavar="N",
    help="Number of principal components that are used; 0 for the vectors as they are.",
)
@click.option(
    "--prompts",
    metavar="NAME|FILE",
    help="Prompt file with words for the clusters; default: the words that the encoder was trained with.",
)
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, metavar="K", help="Words per cluster.")
@click.option("--space", metavar="NAME", help="Space to cluster; default: the oldest that understands text.")
@click.option("--where", metavar="SQL", help="Condition on columns: only recordings or windows that pass.")
@click.option(
    "--to",
    type=ResultPath(),
    metavar="FILE",
    help="CSV to write with the cluster of every recording, for mmasc embed --metadata.",
)
@quiet_option
@format_option()
def cluster(folder: str, prompts: str | None, to: str | None, quiet: bool, output_format: str, **options: Any) -> None:
    """Group the recordings of a collection by how they sound, and name the groups in words.

    A group is a dense region of the space (HDBSCAN); what lies between such regions is in no cluster. Words are those
    nearest to the middle of the region, with their cosines; central is the recording nearest to it.
    """
    from mmasc.collection import Collection
    from mmasc.studies.clusters import find_clusters, write_clusters

    with shown_progress("clustering", quiet):
        opened = Collection(folder)
        found = find_clusters(opened, prompts=prompts, **options)
    rows: list[dict[str, Any]] = [
        {
            "cluster": one.number,
            "size": one.size,
            "words": [word for word, _ in one.words],
            "cosines": [cosine for _, cosine in one.words],
            "central": one.central,
            **({"start": one.start, "end": one.end} if options["windows"] else {}),
        }
        for one in found.clusters
    ]
    columns = ["cluster", "size", "words", "cosines", "central"] + ["start", "end"] * options["windows"]
    if output_format == "table":
        _show_clusters(found, opened.head.root)
    else:
        joined = [{**row, **{key: "; ".join(map(str, row[key])) for key in ("words", "cosines")}} for row in rows]
        print_rows(joined if output_format == "csv" else rows, output_format, columns)
    if to is not None:
        write_clusters(found, to, opened.head.root)
    items = counted(len(found.labels), "window" if options["windows"] else "recording")
    said = f"{items}, {counted(len(found.clusters), 'cluster')}, {found.noise} in none"
    remark(said + (f"; words: {found.prompts}" if found.prompts else "") + (f" → {to}" if to else ""), quiet)


def _show_clusters(found: Any, root: str) -> None:
    """Clusters for people: the words with the first cosine, paths under the root."""
    rows = [
        {
            "cluster": one.number,
            "size": one.size,
            "words": ", ".join(word for word, _ in one.words),
            "cosine": one.words[0][1] if one.words else None,
            "central": os.path.relpath(one.central, root),
        }
        for one in found.clusters
    ]
    print_rows(rows, "table", ["cluster", "size", "words", "cosine", "central"])
