"""The two sides of a comparison of labels: files or collections as events by recording, under the same names."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmasc.collection import Collection
from mmasc.collection.label_exchange import ENDINGS, label_rows
from mmasc.errors import MmascError, show_path
from mmasc.label_files.formats import read_each
from mmasc.label_files.rows import LabelRow, recording_named_by
from mmasc.labelling.sources import is_collection
from mmasc.printing import counted
from mmasc.storage.matching import FileMatcher
from mmasc.storage.texts import listed
from mmasc.windows.timeline import Event


@dataclass
class Side:
    """Labels of one side.

    Attributes:
        name: As it was given.
        rows: By recording, also of those without labels.
        files: Recordings of a collection by their whole path, with their seconds; empty for label files.
        root: Root of the collection, or the folder of the label files.
        remarks: What could not be used, one line each.
    """

    name: str
    rows: dict[str, list[LabelRow]] = field(default_factory=dict)
    files: dict[str, float] = field(default_factory=dict)
    root: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def scored(self) -> bool:
        """Whether every label has a score."""
        rows = [row for own in self.rows.values() for row in own if row.verdict == "present"]
        return bool(rows) and all(row.score is not None for row in rows)


def read_side(name: str) -> Side:
    """Labels of a file, a folder of label files, a COLLECTION, or of one annotator: COLLECTION:WHO.

    Raises:
        MmascError: If there is no such thing, or nobody of that name has labelled.
    """
    place, _, who = name.rpartition(":")
    if is_collection(name):
        return _of_collection(name, name, None)
    if place and not Path(name).exists() and is_collection(place):
        return _of_collection(name, place, who)
    path = Path(name)
    side = Side(name, root=os.path.abspath(path if path.is_dir() else path.parent))
    for file in read_each(path):
        for row in file.rows:
            side.rows.setdefault(row.path, []).append(row)
        if not file.rows and not file.problems:
            # A label track without labels says that there is nothing in its recording
            inside = Path(file.path).parent.relative_to(path) if path.is_dir() else Path()
            side.rows.setdefault(str(inside / recording_named_by(file.path)), [])
        side.remarks += [f"{show_path(file.path)}: {problem}" for problem in file.problems]
    return side


def under_same_names(truth: Side, guess: Side) -> tuple[Side, Side]:
    """Both sides with the names of the collection, if one is one, otherwise with those of `truth`.

    Names that are not clear are left out, with a remark; those that only one side has stay.
    """
    known = truth if truth.files or not guess.files else guess
    files = {os.path.abspath(os.path.join(known.root, name)): name for name in known.files or known.rows}
    return tuple(side if side is known else _renamed(side, files, known.root) for side in (truth, guess))  # type: ignore[return-value]


def events_of(side: Side, other: Side) -> dict[str, list[Event]]:
    """What is present, as events by recording; whole recordings end where they end, or where all known labels do.

    Raises:
        MmascError: If nothing says where a recording ends.
    """
    durations = {**side.files, **other.files}
    found: dict[str, list[Event]] = {}
    for name, rows in side.rows.items():
        own = found.setdefault(name, [])
        ends = [row.end for row in [*rows, *other.rows.get(name, [])] if row.end < math.inf]
        last = durations.get(name, max(ends, default=math.inf))
        for row in rows:
            if row.verdict != "present":
                continue
            end = last if row.end == math.inf else row.end
            if end == math.inf:
                raise MmascError(
                    f"{show_path(side.name)}: nothing says where {show_path(name)} ends, which {row.label!r} labels "
                    "as a whole; write its end, or compare with a collection"
                )
            own.append(Event(row.start, max(end, row.start), row.label, 1.0 if row.score is None else row.score))
    return found


def _of_collection(name: str, folder: str, who: str | None) -> Side:
    collection = Collection(folder)
    table = collection.recordings
    side = Side(name, root=collection.head.root)
    side.files = dict(zip(table.column("path").to_pylist(), table.column("duration").to_pylist(), strict=True))
    rows = label_rows(collection)
    annotators = Counter(row.by for row in rows)
    if who is not None and who not in annotators:
        raise MmascError(f"{show_path(folder)} has no labels by {who!r}; annotators: {listed(annotators) or 'none'}")
    if who is None and len(annotators) > 1:
        side.remarks.append(
            f"{show_path(folder)} has labels by {listed(annotators)}, all of which count: choose one with "
            f"{show_path(folder)}:NAME"
        )
    for row in rows:
        if who is None or row.by == who:
            side.rows.setdefault(row.path, []).append(row)
    return side


def _renamed(side: Side, files: dict[str, str], root: str) -> Side:
    matcher = FileMatcher(files, [root, side.root])
    renamed = Side(side.name, {}, {}, side.root, list(side.remarks))
    for name, rows in side.rows.items():
        found = matcher.find(name, ENDINGS)
        if len(found) > 1:
            several = listed(show_path(files[one]) for one in found)
            renamed.remarks.append(
                f"{show_path(side.name)}: {show_path(name)} could be several recordings: {several}; its "
                f"{counted(len(rows), 'label was', 'labels were')} left out; write the folder too"
            )
            continue
        renamed.rows.setdefault(files[found[0]] if found else name, []).extend(rows)
    return renamed
