"""Annotations and their events as Arrow tables: the folded journal, and what is given to other programs."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmasc.collection.annotation import FIELDS, Annotation
from mmasc.collection.damage import reason_of
from mmasc.collection.history import OPS, Event
from mmasc.errors import MmascError, show_path
from mmasc.storage.files import write_atomically

_NUMBERS = ("start", "end", "score", "low_hz", "high_hz")
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("recording", "channel"), pa.int64()),
    **dict.fromkeys(_NUMBERS, pa.float64()),
}
# Columns that tables of earlier versions lack
_LATER = ("low_hz", "high_hz", "channel")
ANNOTATION_SCHEMA = pa.schema([pa.field(name, _TYPES.get(name, pa.string())) for name in FIELDS])
# Columns of an event, and those of the annotation that it sets; null where it sets none
_EVENT_FIELDS = [
    pa.field("event", pa.string()),
    pa.field("op", pa.string()),
    pa.field("event_at", pa.string()),
    pa.field("ids", pa.list_(pa.string())),
    pa.field("old", pa.string()),
    pa.field("new", pa.string()),
    pa.field("path", pa.string()),
]
_EVENT_SCHEMA = pa.schema([*_EVENT_FIELDS, *ANNOTATION_SCHEMA])


def annotation_columns(annotations: Sequence[Annotation]) -> dict[str, pa.Array]:
    """Columns of annotations, in the order of their fields."""
    return {
        item.name: pa.array([getattr(one, item.name) for one in annotations], item.type) for item in ANNOTATION_SCHEMA
    }


def write_events(path: Path, events: Sequence[Event]) -> None:
    """Write events to a Parquet file, whole or not at all."""
    rows = [row for event in events for row in _rows(event)]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_EVENT_SCHEMA.names)}
    table = pa.table({item.name: pa.array(columns[item.name], item.type) for item in _EVENT_SCHEMA})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def read_events(path: Path) -> list[Event]:
    """Events of a file that `write_events` wrote; none where there is no file.

    Raises:
        MmascError: If it is damaged or cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MmascError(f"{show_path(path)} cannot be read ({error.strerror}); check its permissions") from error
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        for name in _LATER:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), _TYPES[name]))
        return list(_events(table.select(_EVENT_SCHEMA.names).cast(_EVENT_SCHEMA)))
    except Exception as error:  # Arrow raises many kinds
        message = f"{show_path(path)} is damaged ({reason_of(error)}); restore it from a backup"
        raise MmascError(message) from error


def _rows(event: Event) -> Iterator[tuple[Any, ...]]:
    head = (event.id, event.op, event.at, list(event.ids), event.old, event.new)
    if event.op != "set":
        yield (*head, None, *[None] * len(FIELDS))
    for one, path in zip(event.annotations, event.paths, strict=True):
        yield (*head, path, *[getattr(one, name) for name in FIELDS])


def _events(table: pa.Table) -> Iterator[Event]:
    columns = [column.to_pylist() for column in table.columns]
    n_head = len(_EVENT_FIELDS)
    for _, group in groupby(zip(*columns, strict=True), key=lambda row: row[0]):
        rows = list(group)
        name, op, at, ids, old, new, _ = rows[0][:n_head]
        if op not in OPS:
            raise ValueError(f"it holds {str(op)[:20]!r}, which this version does not know")
        event = Event(name, op, at, ids=tuple(ids), old=old, new=new)
        if op == "set":
            annotations = tuple(Annotation(**dict(zip(FIELDS, row[n_head:], strict=True))) for row in rows)
            paths = tuple(row[n_head - 1] for row in rows)
            event = Event(name, op, at, annotations, paths)
        yield event
