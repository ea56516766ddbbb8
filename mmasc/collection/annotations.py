"""Annotations of a collection: added, asked for, changed, undone, and compared between annotators."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mmasc.collection.annotation import (
    FIELDS,
    UNNAMED,
    VERDICTS,
    Annotation,
    check_label,
    check_question,
    each_id,
    new_id,
    now,
)
from mmasc.collection.annotation_faults import Fault, damaged_lines, homeless, past_the_end
from mmasc.collection.annotation_table import annotation_columns
from mmasc.collection.contradictions import contradictions
from mmasc.collection.history import Event, History
from mmasc.collection.journal import Contents, Journal
from mmasc.collection.named_recordings import NamedRecordings
from mmasc.collection.snapshot import Snapshot
from mmasc.errors import MmascError, show_path
from mmasc.inputs import as_count
from mmasc.printing import counted
from mmasc.storage.texts import listed

__all__ = ["FIELDS", "UNNAMED", "VERDICTS", "Annotation", "Annotations"]

# An end this much after the recording's is set to it: programs round times, and decoders find other lengths of MP3
END_SLACK_SECONDS = 0.1
# What can be undone
_CHANGES = ("set", "remove", "rename")


class Annotations:
    """Annotations of the recordings that a collection had when it was opened, as the files say now.

    What other processes add is seen at once, without `Collection.refresh`, except those of recordings that came later.

    Args:
        collection: The collection.
    """

    def __init__(self, collection: Snapshot) -> None:
        self._collection = collection
        self._recordings = NamedRecordings(collection)
        self._journal = Journal(collection.store.folder)
        self._read: tuple[object, Contents, History] | None = None

    def __len__(self) -> int:
        return sum(one.recording in self._collection.row_of for one in self._history().state.values())

    def add(self, annotations: Annotation | Iterable[Annotation]) -> list[str]:
        """Add annotations, all or none; when it returns they are on the disk.

        Args:
            annotations: One or several, with the ids of recordings of this collection (see `recording_id`). An end up
                to 0.1 s after the recording's is set to it. One with the id of an annotation that is there takes its
                place. Empty `id`, `by` and `at` become a new id, "unnamed" and now; labels lose blanks around them.
        Returns:
            Their ids, in order.
        Raises:
            MmascError: If there is no such recording, a time lies past its end, or the folder cannot be written to.
        """
        given = [annotations] if isinstance(annotations, Annotation) else annotations
        whole = [self._whole(one, now()) for one in given]
        if whole:
            with self._journal.writing() as journal:
                journal.append([self._set(whole)])
        return [one.id for one in whole]

    def all(
        self,
        label: str | None = None,
        recording: int | str | Path | None = None,
        by: str | None = None,
        verdict: str | None = None,
    ) -> list[Annotation]:
        """Annotations that fit all that is given, sorted by path, start, end, label, annotator and id.

        Args:
            label: Only annotations with this label.
            recording: Only those of this recording: its id, or its path as in `recording_id`.
            by: Only those by this annotator.
            verdict: Only those that say "present", "absent" or "unsure".
        Raises:
            MmascError: If there is no such recording or verdict, or the files are damaged.
            ValueError: If one of them is of another type: nothing would fit it.
        """
        check_question(label, recording, by, verdict)
        if isinstance(recording, str | Path):
            recording = self.recording_id(recording)
        wanted = {"label": label, "recording": recording, "by": by, "verdict": verdict}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        found = [one for one in self._history().state.values() if one.recording in self._collection.row_of]
        for name, value in wanted.items():
            found = [one for one in found if getattr(one, name) == value]
        return sorted(found, key=self._place)

    def find(self, name: str) -> Annotation:
        """The annotation of this id, or the only one whose id begins so.

        Raises:
            MmascError: If there is none, or there are several.
        """
        if not name or not isinstance(name, str):
            raise MmascError("give the id of an annotation, or its beginning")
        state, rows = self._history().state, self._collection.row_of
        found = [one for one in state.values() if one.id.startswith(name) and one.recording in rows]
        if len(found) != 1:
            what = "no annotation has" if not found else counted(len(found), "annotation has", "annotations have")
            raise MmascError(f"{what} an id that begins with {name!r}; see: mmasc label list {self._folder}")
        return found[0]

    def remove(self, ids: str | Iterable[str]) -> int:
        """Remove annotations; `undo` brings them back.

        Args:
            ids: Whole ids, of annotations that are there; one or several.
        Returns:
            How many were removed.
        Raises:
            MmascError: If one does not exist; then none is removed.
            ValueError: If one is not a text.
        """
        names = each_id(ids)
        with self._journal.writing() as journal:
            self._require(names)
            if names:
                journal.append([Event.make("remove", ids=names)])
        return len(names)

    def rename(self, old: str, new: str, ids: Iterable[str] | None = None) -> int:
        """Give all annotations of a label another one, which may be there already.

        Args:
            old, new: The labels.
            ids: Only these annotations are changed.
        Returns:
            How many have another label now.
        Raises:
            MmascError: If none has the label, or the new one cannot be a label.
        """
        check_label(old)
        check_label(new)
        new = new.strip()
        with self._journal.writing() as journal:
            names = None if ids is None else each_id(ids)
            self._require(names or ())
            found = [one for one in self.all(label=old) if names is None or one.id in names]
            if not found:
                there = listed(sorted({one.label for one in self.all()})) or "none"
                raise MmascError(f"no annotation has the label {old!r}; labels of {self._folder}: {there}")
            if old != new:
                chosen = () if names is None else tuple(one.id for one in found)
                journal.append([Event.make("rename", old=old, new=new, ids=chosen)])
        return len(found)

    def undo(self, n: int = 1, ids: Collection[str] | None = None) -> list[str]:
        """Undo the last changes that count, also those of others; one `add` or `remove` is one change.

        Args:
            n: Number of changes; fewer if there are fewer.
            ids: Only changes of these annotations: what others did since stays.
        Returns:
            What was undone, a line each, the last change first.
        """
        count, chosen_ids = as_count(n, "n", 0), None if ids is None else each_id(ids)
        with self._journal.writing() as journal:
            counting = self._history().counting(_CHANGES)
            chosen = [one for one in counting if self._is_of_ours(one) and one.touches(chosen_ids)][:count]
            if chosen:
                journal.append([Event.make("undo", ids=tuple(one.id for one in chosen))])
        return [one.described() for one in chosen]

    def redo(self, n: int = 1, ids: Collection[str] | None = None) -> list[str]:
        """Bring back what the last calls of `undo` undid.

        Args:
            n: Number of calls; fewer if there are fewer.
            ids: Only calls that undid changes of these annotations.
        Returns:
            What came back, a line each.
        """
        count, chosen_ids = as_count(n, "n", 0), None if ids is None else each_id(ids)
        with self._journal.writing() as journal:
            history = self._history()
            of_them = {one.id for one in history.events if one.touches(chosen_ids)}
            undos = history.counting(["undo"])
            chosen = [one for one in undos if ids is None or not of_them.isdisjoint(one.ids)][:count]
            if chosen:
                journal.append([Event.make("redo", ids=tuple(one.id for one in chosen))])
        names = {name for one in chosen for name in one.ids}
        return [one.described() for one in reversed(history.events) if one.id in names]

    def to_table(
        self,
        label: str | None = None,
        recording: int | str | Path | None = None,
        by: str | None = None,
        verdict: str | None = None,
    ) -> pa.Table:
        """What `all` gives, as a pyarrow table: the fields of `Annotation`, and path (where the recording lies now)."""
        found = self.all(label, recording, by, verdict)
        columns = annotation_columns(found)
        table = pa.table({"id": columns.pop("id"), "recording": columns.pop("recording"), **columns})
        return table.add_column(2, "path", pa.array([self.path_of(one) for one in found], pa.string()))

    def disagreements(self) -> list[tuple[Annotation, Annotation]]:
        """Pairs in which one annotator says that a label is present and another that it is absent.

        Both are about one moment: they share half or more of the shorter one's time.
        """
        return contradictions(self.all())

    def recording_id(self, path: str | Path) -> int:
        """Id of the recording that a path means: under the root, from here, or the end of its path where it is clear.

        Raises:
            MmascError: If no recording, or more than one, is meant.
        """
        return self._recordings.id_of(path)

    def duration_of(self, recording: int) -> float:
        """Seconds of a recording: the end of a label of the whole of it.

        Raises:
            MmascError: If there is no such recording.
        """
        return self._recordings.known(recording)[1]

    def path_of(self, annotation: Annotation) -> str:
        """Current path of the recording of an annotation."""
        return self._collection.path_of(self._recordings.known(annotation.recording)[0])

    def stored_path(self, annotation: Annotation) -> str:
        """The path of its recording under the root."""
        return self._recordings.known(annotation.recording)[0]

    def faults(self) -> list[Fault]:
        """What does not hold: damaged lines, annotations of no recording, times past a recording's end."""
        try:
            history = self._history(quiet=True)
        except MmascError as error:
            return [("error", str(error))]
        assert self._read is not None
        lost = [one for one in history.state.values() if one.recording not in self._collection.row_of]
        late = [one for one in self.all() if one.end > self.duration_of(one.recording) + END_SLACK_SECONDS]
        first = self.stored_path(late[0]) if late else ""
        return [*damaged_lines(self._journal.path, self._read[1]), *homeless(lost), *past_the_end(late, first)]

    # Used inside

    @property
    def _folder(self) -> str:
        return show_path(self._collection.store.location)

    def _history(self, quiet: bool = False) -> History:
        stamp = self._journal.stamp()
        if self._read is None or self._read[0] != stamp:
            contents = self._journal.read(quiet)
            self._read = (stamp, contents, History(contents.events))
        return self._read[2]

    def _set(self, annotations: Sequence[Annotation]) -> Event:
        paths = tuple(self.stored_path(one) for one in annotations)
        return Event.make("set", annotations=tuple(annotations), paths=paths)

    def _whole(self, one: Annotation, at: str) -> Annotation:
        if not isinstance(one, Annotation):
            raise TypeError(f"annotations must be mmasc.collection.annotations.Annotation, got {type(one).__name__}")
        duration = self.duration_of(one.recording)
        if one.start > duration or one.end > duration + END_SLACK_SECONDS:
            late = one.start if one.start > duration else one.end
            raise MmascError(
                f"{show_path(self.stored_path(one))} lasts {duration:.3f} s: the annotation "
                f"{one.label!r} at {late:.3f} s lies past its end"
            )
        known = replace(one, id=one.id or new_id(), by=one.by or UNNAMED, at=one.at or at)
        return replace(known, label=one.label.strip(), end=min(one.end, duration))

    def _place(self, one: Annotation) -> tuple[str, float, float, str, str, str, str]:
        path = self.stored_path(one)
        return path, one.start, one.end, one.label, one.by, one.identity or "", one.id

    def _require(self, ids: Iterable[str]) -> None:
        state = self._history().state
        for name in ids:
            if name not in state:
                raise MmascError(f"{self._folder} has no annotation {name!r}; see: mmasc label list {self._folder}")

    def _is_of_ours(self, event: Event) -> bool:
        """Whether an event is about recordings that are here: others' changes cannot be seen."""
        rows = self._collection.row_of
        return event.op != "set" or any(one.recording in rows for one in event.annotations)
