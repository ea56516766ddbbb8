"""A collection as plain dictionaries: what every command does to it, and what every question must be answered.

`Model` is never changed in place: a command gives the model that follows, so that the one before can still be asked.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.helpers.life.sounds import Sound, Window, windows_of


@dataclass(frozen=True)
class Recording:
    """One recording: its sound as it was embedded, its own columns, and the spaces that hold its windows.

    `id` is None until the collection gave one, which must then stay. `notes` are its annotations by id (start, end,
    label), `erased` the ids of those that were removed.
    """

    sound: Sound
    columns: Mapping[str, Any] = field(default_factory=dict)
    spaces: frozenset[str] = frozenset()
    id: int | None = None
    notes: Mapping[str, tuple[float, float, str]] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()

    def with_notes(self, theirs: Mapping[str, tuple[float, float, str]]) -> "Recording":
        """With annotations of another collection whose ids were never here."""
        new = {name: note for name, note in theirs.items() if name not in self.notes and name not in self.erased}
        return replace(self, notes={**self.notes, **new})

    def windows(self, space: str) -> tuple[Window, ...]:
        """Its windows in a space; none where it was not embedded."""
        return windows_of(self.sound, space) if space in self.spaces else ()

    def labelled(self, columns: Mapping[str, Any]) -> "Recording":
        """With more columns; what a table leaves empty stays as it was."""
        return replace(self, columns={**self.columns, **{k: v for k, v in columns.items() if v is not None}})


@dataclass(frozen=True)
class Row:
    """One window as a search and an export give it."""

    path: str
    recording: Recording
    start: float
    end: float
    vector: np.ndarray

    def __getitem__(self, name: str) -> Any:
        known = {"path": self.path, "start": self.start, "end": self.end, "duration": self.recording.sound.duration}
        return known.get(name, self.recording.columns.get(name))


@dataclass(frozen=True)
class Model:
    """Recordings by path under the root, the spaces, and every column that was ever named."""

    root: str
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    spaces: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    removed: Mapping[tuple[str, Sound], Recording] = field(default_factory=dict)

    def rows(self, space: str) -> list[Row]:
        """All windows of a space, in the order of path and start."""
        return [
            Row(path, recording, start, end, np.frombuffer(vector, np.float32))
            for path, recording in sorted(self.recordings.items())
            for start, end, vector in recording.windows(space)
        ]

    def scores(self, space: str, target: np.ndarray, allowed: Callable[[Row], bool]) -> list[tuple[float, Row]]:
        """Every window that passes, with its cosine to a target `[dim]` (of any length), best first: brute force."""
        scored = []
        for row in self.rows(space):
            if allowed(row):
                vector = row.vector.astype(np.float64)
                scored.append((float(vector @ target / np.linalg.norm(vector)), row))
        return sorted(scored, key=lambda pair: -pair[0])

    def missing(self, disk: Mapping[str, Sound]) -> set[str]:
        """Recordings whose files are gone."""
        return set(self.recordings) - set(disk)

    def has(self, columns: Iterable[str]) -> bool:
        """Whether some recording has a value in each of these columns."""
        return set(columns) <= {name for one in self.recordings.values() for name in one.columns}

    # What commands do

    def prepared(
        self, found: Iterable[str], disk: Mapping[str, Sound], own: Mapping[str, Mapping[str, Any]]
    ) -> "Model":
        """After the first step of an embed of these files with these own columns by path.

        A file that holds a recording whose own file does not is that recording; where several could be meant, none
        is. A recording whose file holds another one goes aside. Own columns are set, also where the file itself cannot
        be read any more.
        """
        recordings, found = dict(self.recordings), set(found)
        away = [path for path, one in self.recordings.items() if disk.get(path) != one.sound]
        others = [path for path in found if path not in self.recordings or path in away]
        moved: dict[str, str] = {}
        for path in others:
            old = [one for one in away if self.recordings[one].sound == disk[path]]
            new = [one for one in others if disk[one] == disk[path]]
            if len(old) == len(new) == 1:
                moved[old[0]] = path
        sounds = {one.sound for one in self.recordings.values()}
        for path in others:
            if path in self.recordings and path not in moved and disk[path] in sounds:
                names = [f"{path}.replaced{number}" for number in ("", *range(2, 99))]
                moved[path] = next(one for one in names if one not in self.recordings)
        for path in moved:
            del recordings[path]
        recordings |= {path: self.recordings[old] for old, path in moved.items()}
        for path in found & set(recordings):
            recordings[path] = recordings[path].labelled(own.get(path, {}))
        named = frozenset(name for columns in own.values() for name in columns)
        return replace(self, recordings=recordings, columns=self.columns | named)

    def embedded(
        self, found: Iterable[str], disk: Mapping[str, Sound], space: str, own: Mapping[str, Mapping[str, Any]]
    ) -> "Model":
        """After the other steps of an embed: a changed file keeps its recording and loses its windows everywhere."""
        recordings = dict(self.recordings)
        for path in found:
            sound = disk[path]
            if sound.state == "failed":
                continue
            known = recordings.get(path) or self._returned(path, sound, recordings).labelled(own.get(path, {}))
            if known.sound != sound:
                known = replace(known, sound=sound, spaces=frozenset())
            recordings[path] = replace(known, spaces=known.spaces | {space})
        spaces = self.spaces if space in self.spaces else (*self.spaces, space)
        return replace(self, recordings=recordings, spaces=spaces)

    def under(self, root: str) -> "Model":
        """After the root was moved."""
        return replace(self, root=root)

    def without(self, paths: Iterable[str]) -> "Model":
        """After these recordings were removed."""
        gone = set(paths)
        named = {(path, one.sound): one for path, one in self.recordings.items() if path in gone}
        named = {key: one for key, one in named.items() if one.notes or one.erased}
        ids = {one.id for one in named.values()}
        removed = {key: one for key, one in self.removed.items() if one.id not in ids} | named
        left = {path: one for path, one in self.recordings.items() if path not in gone}
        return replace(self, recordings=left, removed=removed)

    def _returned(self, path: str, sound: Sound, there: Mapping[str, Recording]) -> Recording:
        """A file that is new here: the recording that was removed if it is the same sound under its path."""
        old = self.removed.get((path, sound))
        if old is None or old.id in {one.id for one in there.values()}:
            return Recording(sound)
        return Recording(sound, id=old.id, notes=old.notes, erased=old.erased)

    def labelled(self, own: Mapping[str, Mapping[str, Any]]) -> "Model":
        """After columns were set by path."""
        recordings = {path: one.labelled(own.get(path, {})) for path, one in self.recordings.items()}
        named = frozenset(name for columns in own.values() for name in columns)
        return replace(self, recordings=recordings, columns=self.columns | named)

    def noted(self, path: str, name: str, note: tuple[float, float, str] | None) -> "Model":
        """After an annotation was added to a recording, or (None) removed."""
        one = self.recordings[path]
        notes = {key: value for key, value in one.notes.items() if key != name}
        if note is None:
            one = replace(one, notes=notes, erased=one.erased | {name})
        else:
            one = replace(one, notes={**notes, name: note})
        return replace(self, recordings={**self.recordings, path: one})

    def with_notes_of(self, other: "Model") -> "Model":
        """A merge that died before its head counted: only annotations of recordings that both have are there."""
        recordings = dict(self.recordings)
        for path, theirs in other.recordings.items():
            if path in recordings and recordings[path].sound == theirs.sound:
                recordings[path] = recordings[path].with_notes(theirs.notes)
        return replace(self, recordings=recordings)

    def merged(self, other: "Model") -> "Model":
        """After taking over another collection: recordings that we lack, and of the same sounds windows and labels."""
        recordings = dict(self.recordings)
        for path, theirs in other.recordings.items():
            ours = recordings.get(path)
            if ours is None:
                recordings[path] = replace(theirs, id=None, erased=frozenset())
            elif ours.sound == theirs.sound:
                ours = replace(ours, spaces=ours.spaces | theirs.spaces).with_notes(theirs.notes)
                recordings[path] = replace(ours, columns={**theirs.columns, **ours.columns})
        spaces = (*self.spaces, *[name for name in other.spaces if name not in self.spaces])
        return replace(self, recordings=recordings, spaces=spaces, columns=self.columns | other.columns)
