"""`mmasc label import` and `mmasc label export`: labels of a collection from files of other programs, and to them."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.classify_target import say_odd_names
from mmasc.cli.output import echo, remark
from mmasc.cli.targets import ResultPath
from mmasc.errors import MmascError, show_path
from mmasc.label_files.formats import FORMATS, READABLE
from mmasc.printing import counted
from mmasc.storage.values import is_missing

if TYPE_CHECKING:
    from mmasc.collection.label_exchange import LabelImport

# Tables of results of other programs → what reads them
_RESULTS = {"birdnet": "mmasc.integrations.birdnet:read_birdnet", "perch": "mmasc.integrations.perch:read_perch"}
_VERDICTS = ["present", "absent", "unsure"]
_MOST_PROBLEMS = 20
_WITH_MISSING = ("csv", "raven")  # tables, in which some words stand for what is missing
_PARQUET = "parquet"  # a table for programs, which no recording has of its own


@click.command("import")
@click.argument("folder", metavar="COLLECTION")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option(
    "--from",
    "--format",
    "source_format",
    type=click.Choice((*READABLE, *_RESULTS)),
    default=None,
    help="Format; default: by content and ending. birdnet and perch: their tables of results.",
)
@click.option("--label-column", metavar="NAME", help="Column with the labels; default: one of the usual names.")
@click.option(
    "--from-folders", is_flag=True, help="Label whole recordings with the names of the folders that they lie in."
)
@click.option("--from-column", metavar="NAME", help="Label whole recordings with a column of the collection.")
@click.option("--by", metavar="NAME", help="Name of the annotator, if the file does not give one.")
@click.option("--verdict", type=click.Choice(_VERDICTS), help="Verdict of all labels, instead of the file's.")
@click.option(
    "--names-only", is_flag=True, help="Find recordings by their file names alone; folders in FILE are ignored."
)
@click.pass_context
def import_files(
    ctx: click.Context,
    folder: str,
    files: tuple[str, ...],
    from_folders: bool,
    from_column: str | None,
    source_format: str | None,
    **options: Any,
) -> None:
    """Add labels to a collection from label files: selection tables of Raven, label tracks of Audacity, CSV, JSON.

    FILE may be a folder of label files, or the table of `mmasc review` with your verdicts (yes, no, unsure). A file
    that names no recording belongs to the one that it is named after.
    Lines that cannot be used are listed, the rest is added; what is there already is not added again.
    """
    if (bool(files) + from_folders + (from_column is not None)) != 1:
        raise click.UsageError("give label files, --from-folders or --from-column, one of them")
    from mmasc.collection import Collection
    from mmasc.collection.annotation import UNNAMED
    from mmasc.collection.label_exchange import (
        import_column_labels,
        import_folder_labels,
        import_labels,
        unfound_lines,
    )

    collection, said = Collection(folder), (options["by"] or UNNAMED, options["verdict"] or "present")
    if files:
        found = import_labels(collection, files, _reader(source_format), **options)
    elif from_column is None:
        found = import_folder_labels(collection, *said)
    else:
        found = import_column_labels(collection, from_column, *said)
    for problem in found.problems[:_MOST_PROBLEMS]:
        remark(str(problem))
    if len(found.problems) > _MOST_PROBLEMS:
        remark(f"... and {counted(len(found.problems) - _MOST_PROBLEMS, 'more line')} that could not be used")
    if files:
        for line in unfound_lines(found):
            remark(line)
        if found.missing:
            remark(f"add recordings with: mmasc embed PATH --into {show_path(folder)}")
    elif found.missing:
        lie, have, they = ("lies", "has", "it") if len(found.missing) == 1 else ("lie", "have", "they")
        where = f"{lie} in no folder under the root" if from_folders else f"{have} no {from_column}"
        remark(f"{counted(len(found.missing), 'recording')} {where}: {they} got no label")
    echo(_summary(found))
    lost = bool(found.problems or found.missing or found.unclear or found.unjudged)
    if not found.added and not found.known:
        if lost:
            ctx.exit(1)
        remark("no labels there: nothing to add")


def _reader(source_format: str | None) -> Any:
    """What `import_labels` takes for a format."""
    if source_format not in _RESULTS:
        return source_format
    module, _, name = _RESULTS[source_format].partition(":")
    return getattr(import_module(module), name)


def _summary(found: "LabelImport") -> str:
    parts = [
        f"{len(found.added)} added",
        f"{found.known} already there",
        f"{counted(len(found.problems), 'line')} not usable",
    ]
    missing = sum(found.missing.values())
    parts += [f"{missing} of recordings that are not here"] if missing else []
    parts += [f"{len(found.unclear)} unclear recordings"] if found.unclear else []
    parts += [f"{found.unjudged} without a verdict"] if found.unjudged else []
    return ", ".join(parts)


@click.command("export")
@click.argument("folder", metavar="COLLECTION")
@click.option(
    "--format",
    "output_format",
    type=click.Choice([*FORMATS, _PARQUET]),
    default="csv",
    show_default=True,
    help="Format of the file.",
)
@click.option("--to", type=ResultPath(), metavar="FILE|FOLDER", help="File to write instead of stdout; --each: folder.")
@click.option("--each", is_flag=True, help="A file for each recording; subfolders are those of the recordings.")
def export_files(folder: str, output_format: str, to: str | None, each: bool) -> None:
    """Write the labels of a collection to label files.

    csv, json, jsonl and parquet hold everything that a label says; raven (selection table) all but line breaks;
    audacity (label track) and m3u (playlist) only labels that are present, with their times.
    """
    if output_format == _PARQUET and (each or to is None):
        raise click.UsageError("--format parquet needs --to FILE")
    if each and (to is None or output_format == "m3u"):
        raise click.UsageError("--each needs --to FOLDER, and a format other than m3u")
    from mmasc.collection import Collection
    from mmasc.collection.label_exchange import export_labels, export_text, label_rows
    from mmasc.label_files.parquet import parquet_bytes
    from mmasc.storage.files import write_atomically

    collection = Collection(folder)
    if output_format == "raven":
        say_odd_names(collection.annotations.stored_path(one) for one in collection.annotations.all())
    if to is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")
        echo(export_text(collection, output_format), nl=False)
        return
    if output_format in _WITH_MISSING:
        _say_missing_words((one.label for one in collection.annotations.all()), output_format)
    target = Path(to)
    if each and target.exists() and not target.is_dir():
        raise MmascError(f"{show_path(target)} is a file; --each writes into a folder: name another one")
    if not each and target.is_dir():
        raise MmascError(f"{show_path(target)} is a folder; name a file in it, or write a file for each (--each)")
    if output_format == _PARQUET:
        rows = label_rows(collection, whole_paths=True)
        write_atomically(target, parquet_bytes(rows))
        echo(f"{counted(len(rows), 'label')} in 1 file → {show_path(target)}")
        return
    written = export_labels(collection, output_format, target, each)
    if written.left_out:
        left = counted(written.left_out, "label that is absent or unsure was", "labels that are absent or unsure were")
        remark(f"{left} left out: {output_format} cannot say so")
    files = counted(len(written.files), "file")
    echo(f"{counted(len(collection.annotations) - written.left_out, 'label')} in {files} → {show_path(target)}")


def _say_missing_words(labels: Iterable[str], output_format: str) -> None:
    """Say which labels are words that tables have for a missing value: read again, they are missing."""
    words = sorted({label for label in labels if is_missing(label)})
    if words:
        remark(
            f"programs that read the {output_format} take the labels {', '.join(words)} for missing values; "
            "rename them (mmasc label rename), or write json"
        )
