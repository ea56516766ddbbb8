"""`mmasc search`: where does it sound like this?"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import TABLE_WIDTH, print_rows, print_table, remark, shorten

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_OWN_WIDTH = 24  # of a column of the users' own in the table


@click.command()
@click.argument("collection")
@click.argument("queries", nargs=-1, metavar="QUERY...")
@click.option("--text", multiple=True, metavar="TEXT", help="A text, even where a file has that name.")
@click.option("--audio", multiple=True, metavar="FILE", help="A sound file.")
@click.option("--image", multiple=True, metavar="FILE", help="A picture, where the space has pictures.")
@click.option("--not", "negatives", multiple=True, metavar="QUERY", help="Away from this; may be given several times.")
@click.option("-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Hits, at most.")
@click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond' and start < 60\".")
@click.option("--space", metavar="NAME", help="Space to look in; default: the oldest that understands the query.")
@click.option("--per-recording", is_flag=True, help="The best window of every recording alone.")
@device_option
@quiet_option
@format_option()
def search(
    collection: str,
    queries: tuple[str, ...],
    text: tuple[str, ...],
    audio: tuple[str, ...],
    image: tuple[str, ...],
    negatives: tuple[str, ...],
    k: int,
    where: str | None,
    space: str | None,
    per_recording: bool,
    device: str,
    quiet: bool,
    output_format: str,
) -> None:
    """Find where it sounds like a text, a sound or a picture.

    QUERY is a sound or picture if it is an existing file, else a text. Several queries are asked together; the score
    is the mean cosine to them less the mean cosine to what --not names.
    """
    from mmasc.collection import Collection

    opened = Collection(collection, device=device)
    asked, unwanted = _sorted_by_kind(queries), _sorted_by_kind(negatives)
    question: dict[str, Any] = {
        "text": [*asked["text"], *text],
        "audio": [*asked["audio"], *audio],
        "image": [*asked["image"], *image],
        **{f"not_{kind}": items for kind, items in unwanted.items()},
    }
    hits = opened.search(**question, k=k, where=where, space=space, per_recording=per_recording)
    for line in opened.remarks:
        remark(line, quiet)
    if not hits:
        remark("no window passes" if where else "nothing found", quiet)
    if output_format != "table":
        print_rows(hits, output_format)
        return
    if hits:
        _print_table(hits, opened.head.root, quiet)


def _print_table(hits: Sequence[Mapping[str, Any]], root: str, quiet: bool) -> None:
    """Hits for people: paths under the root, times as clocks, and as many of the own columns as the terminal holds."""
    from rich.console import Console

    rows = []
    for hit in hits:
        own = {name: shorten(str(value), _OWN_WIDTH) for name, value in hit.items() if value is not None}
        times = {name: _clock(hit[name]) for name in ("start", "end")}
        same = {"duplicate": "same" if hit["duplicate"] else ""}
        rows.append({**own, "path": os.path.relpath(hit["path"], root), **times, "score": hit["score"], **same})
    names = ["rank", "path", "start", "end", "score"]
    if any(row["duplicate"] for row in rows):
        names.append("duplicate")
    own_names = [name for name in hits[0] if name not in (*names, "duplicate")]
    room = Console().width if sys.stdout.isatty() else TABLE_WIDTH
    while own_names and sum(_width(rows, name) for name in (*names, own_names[0])) <= room:
        names.append(own_names.pop(0))
    print_table(rows, names)
    if own_names:
        remark(f"more columns ({', '.join(own_names)}): --format csv or jsonl", quiet)


def _width(rows: list[dict[str, Any]], name: str) -> int:
    return 2 + max(len(name), *(len(str(row.get(name, ""))) for row in rows))


def _sorted_by_kind(queries: tuple[str, ...]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {"text": [], "audio": [], "image": []}
    for query in queries:
        if not os.path.isfile(query):
            _refuse_missing_file(query)
            kinds["text"].append(query)
        elif os.path.splitext(query)[1].lower() in _PICTURES:
            kinds["image"].append(query)
        else:
            kinds["audio"].append(query)
    return kinds


def _refuse_missing_file(query: str) -> None:
    """A path that leads nowhere is a slip; asked as a text it would find something all the same."""
    from mmasc.audio import AUDIO_EXTENSIONS
    from mmasc.errors import MmascError

    extension = os.path.splitext(query)[1].lower()
    if " " not in query and (extension in _PICTURES or extension.removeprefix(".") in AUDIO_EXTENSIONS):
        raise MmascError(f"{query}: no such file; mend the path, or ask for it as a text with --text")


def _clock(seconds: float) -> str:
    """Seconds as minutes and seconds, hours where there are any."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
