"""`mmasc search`: where does it sound like this?"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import TABLE_WIDTH, echo, print_rows, print_table, remark, rows_text, shorten
from mmasc.cli.progress import shown_progress
from mmasc.cli.targets import ResultPath
from mmasc.printing import counted
from mmasc.remote.addresses import is_address

if TYPE_CHECKING:
    from mmasc.collection.hits import Hit

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
# Label files of other programs
LABEL_FORMATS = ("raven", "audacity", "m3u")
_OWN_WIDTH = 24  # characters of a user's own column in the table


@click.command()
@click.argument("collection")
@click.argument("queries", nargs=-1, metavar="QUERY...")
@click.option("--text", multiple=True, metavar="TEXT", help="Query as text, even if a file has that name.")
@click.option("--audio", multiple=True, metavar="FILE", help="Sound file as query.")
@click.option("--image", multiple=True, metavar="FILE", help="Picture as query, if the encoder understands pictures.")
@click.option("--film", multiple=True, metavar="FILE", help="Pictures of a film as query, if the encoder reads films.")
@click.option(
    "--not", "negatives", multiple=True, metavar="QUERY", help="Query to stay away from; may be given several times."
)
@click.option(
    "--like",
    multiple=True,
    metavar="PATH[@START-END]",
    help="Recording of the collection, or a moment of it in seconds, as query: a.wav@12-15; no encoder is needed.",
)
@click.option("--not-like", multiple=True, metavar="PATH[@START-END]", help="Recording or moment to stay away from.")
@click.option(
    "--weights", metavar="W,W...", help="A weight for each query: texts, sounds, pictures, then stored moments."
)
@click.option("--not-weights", metavar="W,W...", help="Weights of the queries of --not.")
@click.option("-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Maximum number of hits.")
@click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond' and start < 60\".")
@click.option("--space", metavar="NAME", help="Space to search; default: the oldest that understands the query.")
@click.option("--per-recording", is_flag=True, help="Only the best hit of every recording: --spread 1.")
@click.option("--spread", type=click.IntRange(min=1), metavar="N", help="Maximum number of hits of one recording.")
@click.option("--windows", is_flag=True, help="Single windows as hits; default: good neighbouring windows are one hit.")
@click.option(
    "--gap",
    type=NumberRange(min=0),
    metavar="SECONDS",
    help="Longest gap between windows of one hit; default: the hop of the space.",
)
@click.option("--to", type=ResultPath(dir_okay=False), metavar="FILE", help="File for the hits instead of stdout.")
@device_option
@quiet_option
@format_option(*LABEL_FORMATS)
def search(
    collection: str,
    queries: tuple[str, ...],
    per_recording: bool,
    to: str | None,
    device: str,
    quiet: bool,
    output_format: str,
    **asked: Any,
) -> None:
    """Search a collection by text, by sound or by picture.

    QUERY is a sound or a picture if it is an existing file, otherwise a text. Several queries are combined: the score
    is the mean cosine to them minus the mean cosine to the queries of --not. A hit is a moment: the best window and its
    good neighbours together. csv, json and jsonl hold the best window of each (best_start, best_end); raven, audacity
    and m3u are selection tables, label tracks and playlists for other programs.
    """
    answer = {name: asked[name] for name in ("k", "where", "space", "spread", "windows", "gap")}
    if per_recording and answer["spread"] is not None:
        raise click.UsageError("--per-recording is --spread 1: give one of them")
    if answer["windows"] and answer["gap"] is not None:
        raise click.UsageError("--gap joins windows, --windows does not: give one of them")
    if to is not None and output_format == "table":
        raise click.UsageError("--to writes a file for programs: give its --format (csv, json, jsonl, raven, ...)")
    from mmasc.collection import Collection

    opened = Collection(collection, device=device)
    question = question_of(queries, asked["negatives"])
    for kind, more in (("text", ("text",)), ("audio", ("audio",)), ("image", ("image", "film"))):
        question[kind] += [item for option in more for item in asked[option]]
    question |= {name: [_moment(one) for one in asked[name]] for name in ("like", "not_like")}
    weights: dict[str, Any] = {
        "weights": _weights(asked["weights"], "--weights", question, ""),
        "not_weights": _weights(asked["not_weights"], "--not-weights", question, "not_"),
    }
    if per_recording:
        answer["spread"] = 1
    with shown_progress("searching", quiet):
        hits = opened.search(**question, **weights, **answer)
    for line in opened.remarks:
        remark(line, quiet)
    if not hits:
        remark("no window meets the condition of --where" if answer["where"] else "nothing found", quiet)
    if output_format in LABEL_FORMATS or to is not None:
        _write(hits, output_format, to, question_label(question), quiet)
    elif output_format != "table":
        print_rows(hits, output_format)
    elif hits:
        _print_table(hits, opened.head.root, quiet)


def _weights(given: str | None, name: str, question: Mapping[str, Sequence[Any]], side: str) -> list[float] | None:
    """Numbers of `--weights`: one for each query of its side."""
    numbers = numbers_of(given, name)
    items = sum(len(question[f"{side}{kind}"]) for kind in ("text", "audio", "image", "like"))
    if numbers is not None and len(numbers) != items:
        raise click.UsageError(f"{name} {given}: give one number for each of the {counted(items, 'query', 'queries')}")
    return numbers


def numbers_of(given: str | None, name: str) -> list[float] | None:
    """Numbers above 0 with commas between them."""
    if given is None:
        return None
    try:
        numbers = [float(one) for one in given.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < one < float("inf") for one in numbers):
        raise click.UsageError(f"{name} {given}: write numbers above 0, with commas between them")
    return numbers


def _write(hits: "list[Hit]", output_format: str, to: str | None, label: str, quiet: bool) -> None:
    """Hits as a file, or as the text of a label file on stdout."""
    if output_format in LABEL_FORMATS:
        from mmasc.cli.classify_target import say_odd_names
        from mmasc.collection.hits import label_rows
        from mmasc.label_files.formats import rows_text as label_text

        if output_format == "raven":
            say_odd_names(str(hit["path"]) for hit in hits)
        text = label_text(label_rows(hits, label), output_format, paths=True)
    else:
        text = rows_text(hits, output_format)
    if to is None:
        echo(text, nl=False)
        return
    from pathlib import Path

    from mmasc.storage.files import write_atomically

    write_atomically(Path(to), text.encode("utf-8", "surrogateescape"))
    remark(f"{counted(len(hits), 'hit')} → {to}", quiet)


def _moment(text: str) -> Any:
    """What `--like` says: PATH, or PATH@START-END."""
    found = re.fullmatch(r"(.+)@([0-9.]+)-([0-9.]+)", text)
    if found is None:
        return text
    try:
        start, end = float(found[2]), float(found[3])
    except ValueError as error:
        raise click.UsageError(f"{text}: write a moment as PATH@START-END in seconds") from error
    if not start < end:
        raise click.UsageError(f"{text}: the moment must end after it starts")
    return found[1], start, end


def _shown(moment: Any) -> str:
    """A stored moment in a label: the name of its file, and its seconds."""
    if isinstance(moment, str):
        return os.path.basename(moment)
    return f"{os.path.basename(moment[0])} {moment[1]:g}-{moment[2]:g} s"


def question_label(question: Mapping[str, Sequence[Any]]) -> str:
    """What was asked for, as the label of hits in other programs: "rain + frog.wav - wind"."""
    asked = [*question["text"], *map(os.path.basename, [*question["audio"], *question["image"]])]
    unwanted = [*question["not_text"], *map(os.path.basename, [*question["not_audio"], *question["not_image"]])]
    asked += [_shown(one) for one in question.get("like", ())]
    unwanted += [_shown(one) for one in question.get("not_like", ())]
    return " ".join([" + ".join(asked), *(f"- {one}" for one in unwanted)])


def _print_table(hits: Sequence[Mapping[str, Any]], root: str, quiet: bool) -> None:
    """Hits for people: paths under the root, times as clock times, and as many user columns as fit on the terminal."""
    from rich.console import Console

    rows = []
    for hit in hits:
        own = {name: shorten(str(value), _OWN_WIDTH) for name, value in hit.items() if value is not None}
        times = {name: _clock(hit[name]) for name in ("start", "end")} | {"best": _clock(hit["best_start"])}
        same = {"duplicate": "same" if hit["duplicate"] else ""}
        rows.append({**own, "path": os.path.relpath(hit["path"], root), **times, "score": hit["score"], **same})
    names = ["rank", "path", "start", "end", "score"]
    if any((hit["best_start"], hit["best_end"]) != (hit["start"], hit["end"]) for hit in hits):
        names.insert(4, "best")
    if any(row["duplicate"] for row in rows):
        names.append("duplicate")
    if any(getattr(hit, "clock", None) for hit in hits):
        names.append("clock")
    # The clock says what recorded_at says
    left_out = {*names, "best_start", "best_end", "duplicate", *(["recorded_at"] if "clock" in names else [])}
    own_names = [name for name in hits[0] if name not in left_out]
    room = Console().width if sys.stdout.isatty() else TABLE_WIDTH
    while own_names and sum(_width(rows, name) for name in (*names, own_names[0])) <= room:
        names.append(own_names.pop(0))
    print_table(rows, names)
    if own_names:
        remark(f"more columns ({', '.join(own_names)}): --format csv or jsonl", quiet)


def _width(rows: list[dict[str, Any]], name: str) -> int:
    return 2 + max(len(name), *(len(str(row.get(name, ""))) for row in rows))


def question_of(queries: tuple[str, ...], negatives: tuple[str, ...]) -> dict[str, Any]:
    """What `Collection.search` takes: files are sounds or pictures by their names, anything else is a text."""
    return {**_sorted_by_kind(queries), **{f"not_{kind}": items for kind, items in _sorted_by_kind(negatives).items()}}


def _sorted_by_kind(queries: tuple[str, ...]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {"text": [], "audio": [], "image": []}
    for query in queries:
        if is_address(query):
            kinds["audio"].append(query)
        elif not os.path.isfile(query):
            _refuse_missing_file(query)
            kinds["text"].append(query)
        elif os.path.splitext(query)[1].lower() in _PICTURES:
            kinds["image"].append(query)
        else:
            kinds["audio"].append(query)
    return kinds


def _refuse_missing_file(query: str) -> None:
    """Refuse a path that does not exist: it is a typing error, and as a text query it would still find something."""
    from mmasc.audio.find import AUDIO_EXTENSIONS
    from mmasc.errors import MmascError

    extension = os.path.splitext(query)[1].lower()
    if " " not in query and (extension in _PICTURES or extension.removeprefix(".") in AUDIO_EXTENSIONS):
        raise MmascError(f"{query}: no such file; fix the path, or search for it as a text with --text")


def _clock(seconds: float) -> str:
    """Seconds as minutes and seconds, hours where there are any."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
