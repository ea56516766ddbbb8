"""Where annotations are kept: a journal that grows by a line for every event, folded into a table when it is long.

    annotations/
        journal.jsonl      a JSON line per event, oldest first, each with the CRC-32 of what follows it in the line
        folded.parquet     older events, a row per annotation that one set; the other events have a row of their own
        .lock              held by who writes

An event is written with one `write` and synced before it is acknowledged. A writer that is killed in its middle leaves
half a line at the end, which counts nothing; the next one closes it with a mark and goes on. To fold, all events are
written to a new table, which takes the old one's name, and then an empty journal takes the journal's: killed between
them, events are in both, and one that is read twice counts once. Readers take no lock and read the journal first, so
what is folded meanwhile is in the table that they read next.
"""

import contextlib
import errno
import json
import logging
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmasc.collection.annotation import FIELDS, Annotation, check_label
from mmasc.collection.annotation_table import read_events, write_events
from mmasc.collection.damage import cannot_write, unharmed
from mmasc.collection.history import OPS, Event
from mmasc.collection.locks import locked
from mmasc.errors import MmascError
from mmasc.storage.files import is_there, make_folders, sync_folder, write_atomically
from mmasc.storage.texts import parse_json

FOLDER, JOURNAL, FOLDED = "annotations", "journal.jsonl", "folded.parquet"
# A journal is folded when it is as long as this and as the table
FOLD_BYTES = 1 << 20
_CRC = b'{"crc32":"'
_CRC_END = len(_CRC) + 8
# Ends what a killed writer left of a line; no whole line ends so
_CUT = b"#cut\n"
# Left out of lines where they have these values
_USUAL: dict[str, Any] = {
    **dict.fromkeys(("identity", "score", "low_hz", "high_hz", "channel")),
    **dict.fromkeys(("question", "note"), ""),
}
_log = logging.getLogger(__name__)


@dataclass
class Contents:
    """What was read.

    Attributes:
        events: Oldest first, those of the table and then those of the journal; some may be in both.
        damaged: Lines of the journal that cannot be read: their numbers, from 1, and why.
        kept: These lines as they are.
    """

    events: list[Event] = field(default_factory=list)
    damaged: list[tuple[int, str]] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)


class Journal:
    """The annotations' files of the collection in `folder`; there need be none."""

    def __init__(self, folder: Path) -> None:
        self.collection = folder
        self.folder = folder / FOLDER
        self.path, self.table = self.folder / JOURNAL, self.folder / FOLDED

    def stamp(self) -> tuple[Any, ...]:
        """What changes whenever the files do."""
        return tuple(_stamp(path) for path in (self.path, self.table))

    def read(self, quiet: bool = False) -> Contents:
        """All events. Needs no right to write.

        Args:
            quiet: Log no warning of damaged lines.
        Raises:
            MmascError: If the table is damaged or a file cannot be read.
        """
        contents = Contents()
        events = []
        for number, line in enumerate(self._lines(), 1):
            try:
                events.append(_parsed(line))
            except (MmascError, ValueError, KeyError, TypeError, AttributeError) as error:
                contents.damaged.append((number, str(error)))
                contents.kept.append(line)
            # an unfinished line says nothing
        if contents.damaged and not quiet:
            _log.warning("%s: %d lines are damaged, see: mmasc collection check", self.path, len(contents.damaged))
        contents.events = [*read_events(self.table), *[one for one in events if one is not None]]
        return contents

    @contextlib.contextmanager
    def writing(self) -> Iterator["Journal"]:
        """Hold the lock, so that nobody else writes; what was added may be folded at the end.

        Raises:
            MmascError: If the folder cannot be written to.
        """
        with unharmed(self.collection):
            make_folders(self.folder)
            with locked(self.folder):
                yield self
                self._fold_if_long()

    def append(self, events: Sequence[Event]) -> None:
        """Write events and wait until they are on the disk; call it in `writing`. All of them count, or none."""
        lines = b"".join(map(_line, events))
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            try:
                _write(handle, (_CUT if _is_torn(handle, size) else b"") + lines)
                os.fsync(handle)
            except OSError:
                # Not acknowledged, so it must not count
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self.folder)

    def fold(self, recordings: Collection[int] | None = None) -> None:
        """Write all events to the table and begin a new journal; call it in `writing`. Damaged lines stay in it.

        Args:
            recordings: Ids of the recordings that there are: annotations of others that no person gave are dropped.
                None drops nothing.
        """
        contents = self.read(quiet=True)
        events = list({one.id: one for one in contents.events}.values())
        if recordings is not None:
            events = [kept for one in events if (kept := _of_recordings(one, recordings)) is not None]
        write_events(self.table, events)
        sync_folder(self.folder)
        write_atomically(self.path, b"".join(line + b"\n" for line in contents.kept))
        sync_folder(self.folder)

    def _fold_if_long(self) -> None:
        size = _size(self.path)
        if size < FOLD_BYTES or size < _size(self.table):
            return
        try:
            self.fold()
        except (MmascError, OSError) as error:
            # What was added is on the disk and counts
            _log.warning("the journal %s stays long: %s", self.path, error)

    def _lines(self) -> Iterator[bytes]:
        """Lines of the journal; the last counts only if it ends."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise MmascError(f"{self.path} cannot be read ({error.strerror}); check its permissions") from error
        yield from content.split(b"\n")[:-1]


def _line(event: Event) -> bytes:
    values: dict[str, Any] = {"id": event.id, "op": event.op, "at": event.at}
    if event.op == "set":
        values["set"] = [_brief(one, path, event.at) for one, path in zip(event.annotations, event.paths, strict=True)]
    if event.ids:
        values["ids"] = event.ids
    if event.op == "rename":
        values.update(old=event.old, new=event.new)
    return closed(values)


def closed(values: Mapping[str, Any]) -> bytes:
    """A line of these values, with its checksum in front and its end."""
    rest = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    rest = b'",' + rest[1:]
    return _CRC + b"%08x" % zlib.crc32(rest) + rest + b"\n"


def _brief(one: Annotation, path: str, at: str) -> dict[str, Any]:
    """An annotation without what is usual or stands in its event."""
    values = {name: getattr(one, name) for name in FIELDS}
    usual = {**_USUAL, "at": at}
    return {name: value for name, value in values.items() if name not in usual or value != usual[name]} | {"path": path}


def _parsed(line: bytes) -> Event | None:
    """The event in a line; None for one whose writer was killed.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, MmascError: If it is damaged.
    """
    if line.endswith(_CUT[:-1]):
        return None
    if not line.startswith(_CRC) or b"%08x" % zlib.crc32(line[_CRC_END:]) != line[len(_CRC) : _CRC_END]:
        raise ValueError("its checksum differs")
    raw = parse_json(line)
    op = raw["op"]
    if op not in OPS:
        raise ValueError(f"it holds {str(op)[:20]!r}, which this version does not know")
    event = Event(_text(raw["id"]), op, _text(raw["at"]), ids=tuple(map(_text, raw.get("ids", ()))))
    if op == "rename":
        check_label(raw["new"])
        return replace(event, old=_text(raw["old"]), new=raw["new"])
    if op == "set":
        paths = tuple(_text(one.pop("path")) for one in raw["set"])
        annotations = tuple(Annotation(**{"at": event.at, **one}) for one in raw["set"])
        if not all(one.id for one in annotations):
            raise ValueError("an annotation has no id")
        return replace(event, paths=paths, annotations=annotations)
    return event


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _of_recordings(event: Event, recordings: Collection[int]) -> Event | None:
    """The event without what heads said of recordings that are gone; None if nothing is left of it.

    What people said stays: the same file may be embedded again.
    """
    pairs = zip(event.annotations, event.paths, strict=True)
    left = [(one, path) for one, path in pairs if one.recording in recordings or one.identity is None]
    if event.op != "set" or len(left) == len(event.annotations):
        return event
    if not left:
        return None
    return replace(event, annotations=tuple(one for one, _ in left), paths=tuple(path for _, path in left))


def _write(handle: int, content: bytes) -> None:
    """One write; the system splits only very large ones, and where the disk is full."""
    while content:
        content = content[os.write(handle, content) :]


def _is_torn(handle: int, size: int) -> bool:
    """Whether the last line has no end."""
    if not size:
        return False
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1) != b"\n"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def fold_annotations(folder: Path, recordings: Collection[int]) -> None:
    """Fold the journal of the collection in `folder`, if there is one, and drop what heads said of other recordings."""
    if (folder / FOLDER).is_dir():
        with Journal(folder).writing() as journal:
            journal.fold(recordings)


def why_not_labelled(folder: Path) -> str:
    """Why no annotation can be added to the collection in `folder`, and what helps, in one line.

    It is "" where one can, and where there is no collection, which is said when it is opened.
    """
    annotations = folder / FOLDER
    needed = [annotations, annotations / ".lock", annotations / JOURNAL]
    there = [one for one in needed if is_there(one)]
    for one in there or ([folder] if is_there(folder) else []):
        if not os.access(one, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            only_read = os.name == "posix" and os.statvfs(one).f_flag & os.ST_RDONLY
            number = errno.EROFS if only_read else errno.EACCES
            return str(cannot_write(folder, OSError(number, os.strerror(number), str(one))))
    return ""
