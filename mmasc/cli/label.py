"""`mmasc label`: labels on moments of a collection's recordings."""

from collections.abc import Callable
from typing import Any

import click

from mmasc.cli.label_compare import compare_files
from mmasc.cli.label_files import export_files, import_files
from mmasc.cli.numbers import Number
from mmasc.cli.options import format_option
from mmasc.cli.output import echo, print_rows
from mmasc.printing import counted

_VERDICTS = ["present", "absent", "unsure"]
_ID_SHOWN = 8  # digits of an id in tables


@click.group()
def label() -> None:
    """Label moments of the recordings of a collection; list, change and undo labels."""


_folder = click.argument("folder", metavar="COLLECTION")
_verdict = click.option("--verdict", type=click.Choice(_VERDICTS), help="Annotations with this verdict alone.")


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose annotations."""
    for option in (
        _verdict,
        click.option("--by", metavar="NAME", help="Annotations by this annotator alone."),
        click.option("--recording", metavar="PATH", help="Annotations of this recording alone."),
        click.option("--label", "name", metavar="LABEL", help="Annotations with this label alone."),
    ):
        command = option(command)
    return command


def _annotations(folder: str) -> Any:
    from mmasc.collection import Collection

    return Collection(folder).annotations


@label.command()
@_folder
@click.argument("recording", metavar="RECORDING")
@click.option("--label", "name", required=True, metavar="LABEL", help="Label of this time.")
@click.option(
    "--start", type=Number(), default=0.0, metavar="SECONDS", help="Start of the label; default: that of the recording."
)
@click.option(
    "--end", type=Number(), default=None, metavar="SECONDS", help="End of the label; default: that of the recording."
)
@click.option(
    "--verdict", type=click.Choice(_VERDICTS), default="present", show_default=True,
    help="Whether the label is present at this time, absent or unsure; all three are stored.",
)  # fmt: skip
@click.option("--by", default="unnamed", show_default=True, metavar="NAME", help="Name of the annotator.")
@click.option("--note", default="", metavar="TEXT", help="Note, free text.")
def add(folder: str, recording: str, name: str, start: float, end: float | None, **rest: Any) -> None:
    """Label a stretch of time in a recording.

    RECORDING is a path, from here or under the root of the collection, or the end of one where it is clear.
    """
    from mmasc.collection.annotations import Annotation

    annotations = _annotations(folder)
    number = annotations.recording_id(recording)
    end = annotations.duration_of(number) if end is None else end
    (made,) = annotations.add([Annotation(recording=number, start=start, end=end, label=name, **rest)])
    echo(f"1 annotation added: {made}")


@label.command("list")
@_folder
@_filters
@format_option()
def list_labels(
    folder: str, name: str | None, recording: str | None, by: str | None, verdict: str | None, output_format: str
) -> None:
    """List annotations, sorted by path and time."""
    from mmasc.collection import Collection

    collection = Collection(folder)
    annotations = collection.annotations
    if output_format != "table":
        table = annotations.to_table(name, recording, by, verdict)
        rows = [row | _clock(collection, row["recording"], row["start"]) for row in table.to_pylist()]
        clocks = ["clock"] * any("clock" in row for row in rows)
        print_rows(rows, output_format, [*table.column_names, *clocks])
        return
    found = annotations.all(name, recording, by, verdict)
    if not found:
        echo("no annotations")
        return
    columns = ["id", "path", "start", "end", "label", "verdict", "by"]
    rows = [
        {**vars(one), "id": one.id[:_ID_SHOWN], "path": annotations.stored_path(one)}
        | _clock(collection, one.recording, one.start)
        for one in found
    ]
    columns += [name for name in ("score", "clock") if any(row.get(name) for row in rows)]
    print_rows(rows, "table", columns)


def _clock(collection: Any, recording: int, start: float) -> dict[str, str]:
    """The clock at the start of an annotation, as hits have it; {} where it is not known, or the recording is gone."""
    from mmasc.collection.clock import begin_of, clock_at

    row = collection.row_of.get(recording)
    shown = "" if row is None else clock_at(begin_of(collection.recordings, row), start)
    return {"clock": shown} if shown else {}


@label.command()
@_folder
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_filters
def remove(folder: str, ids: tuple[str, ...], **chosen: str | None) -> None:
    """Remove annotations by their ids, or by options.

    The beginnings of ids are enough. With options, all annotations that fit are removed.
    """
    given = {{"name": "label"}.get(name, name): value for name, value in chosen.items() if value is not None}
    if bool(ids) == bool(given):
        raise click.UsageError("name the annotations to remove: ID..., or --label, --recording, --by or --verdict")
    annotations = _annotations(folder)
    found = [annotations.find(one) for one in ids] if ids else annotations.all(**given)
    echo(
        f"{counted(annotations.remove(one.id for one in found), 'annotation')} removed of "
        f"{len(annotations) + len(found)}"
    )


@label.command()
@_folder
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.argument("ids", nargs=-1, metavar="[ID]...")
def rename(folder: str, old: str, new: str, ids: tuple[str, ...]) -> None:
    """Give annotations with the label OLD the label NEW.

    With ids, or the beginnings of them, only those are changed.
    """
    annotations = _annotations(folder)
    chosen = [annotations.find(one).id for one in ids] if ids else None
    echo(f"{counted(annotations.rename(old, new, chosen), 'annotation has', 'annotations have')} the label {new} now")


@label.command()
@_folder
@click.option("-n", "n", type=click.IntRange(min=1), default=1, show_default=True, help="Number of changes.")
def undo(folder: str, n: int) -> None:
    """Undo the last changes, also those made by others."""
    lines = _annotations(folder).undo(n)
    for line in lines or ["nothing to undo"]:
        echo(f"undone: {line}" if lines else line)


@label.command()
@_folder
def redo(folder: str) -> None:
    """Bring back what the last undo undid."""
    lines = _annotations(folder).redo()
    for line in lines or ["nothing to bring back"]:
        echo(f"brought back: {line}" if lines else line)


label.add_command(import_files)
label.add_command(export_files)
label.add_command(compare_files)
