"""`mmasc search`: where does it sound like this?"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import TABLE_WIDTH, print_rows, print_table, remark, shorten

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_OWN_WIDTH = 24  # characters of a user's own column in the table


@click.command()
@click.argument("collection")
@click.argument("queries", nargs=-1, metavar="QUERY...")
@click.option("--text", multiple=True, metavar="TEXT", help="Query as text, even if a file has that name.")
@click.option("--audio", multiple=True, metavar="FILE", help="Sound file as query.")
@click.option("--image", multiple=True, metavar="FILE", help="Picture as query, if the encoder understands pictures.")
@click.option(
    "--not", "negatives", multiple=True, metavar="QUERY", help="Query to stay away from; may be given several times."
)
@click.option("-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Maximum number of hits.")
@click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond' and start < 60\".")
@click.option("--space", metavar="NAME", help="Space to search; default: the oldest that understands the query.")
@click.option("--per-recording", is_flag=True, help="Only the best window of every recording.")
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
    """Search a collection by text, by sound or by picture.

    QUERY is a sound or a picture if it is an existing file, otherwise a text. Several queries are combined: the score
    is the mean cosine to them minus the mean cosine to the queries of --not.
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
        remark("no window meets the condition of --where" if where else "nothing found", quiet)
    if output_format != "table":
        print_rows(hits, output_format)
        return
    if hits:
        _print_table(hits, opened.head.root, quiet)


def _print_table(hits: Sequence[Mapping[str, Any]], root: str, quiet: bool) -> None:
    """Hits for people: paths under the root, times as clock times, and as many user columns as fit on the terminal."""
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
