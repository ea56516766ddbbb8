"""The recordings of a collection as they were when it was last read: paths, durations, clocks by row and by id."""

import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmasc.collection.clock import begin_column, begin_of
from mmasc.collection.head import Head
from mmasc.errors import show_path
from mmasc.printing import plain
from mmasc.remote.addresses import place_of
from mmasc.remote.paths import as_path
from mmasc.web.faults import Refused

CLOCKS = ("recorded_at", "site")  # own columns that are shown by themselves
_MOST_SHOWN = 4_096  # recordings whose values are kept as they are shown


@dataclass(frozen=True)
class ShownRecording:
    """A recording as hits show it.

    Attributes:
        name, path_shown: The file's name, and its path under the root, safe to show.
        duration: In seconds.
        begin: When it began, if that is known.
        site: Where it was, if that is known.
        metadata: The users' own columns but those of clocks.
    """

    name: str
    path_shown: str
    duration: float
    begin: datetime | None
    site: Any
    metadata: dict[str, Any]


@dataclass(frozen=True)
class View:
    """The recordings as they were when the collection was read last.

    Attributes:
        head: Versions that were read.
        table: The table of recordings.
        own: Names of the users' own columns.
    """

    head: Head
    table: pa.Table
    own: list[str]

    @cached_property
    def ids(self) -> np.ndarray:
        """Ids, int64 `[recording]`."""
        return self.table.column("id").to_numpy()

    @cached_property
    def rows(self) -> dict[int, int]:
        """Row by id."""
        return {one: row for row, one in enumerate(self.ids.tolist())}

    @cached_property
    def paths(self) -> list[str]:
        """Paths under the root."""
        return self.table.column("path").to_pylist()

    @cached_property
    def by_path(self) -> list[int]:
        """Rows in the order of their paths."""
        return sorted(range(len(self.paths)), key=self.paths.__getitem__)

    @cached_property
    def durations(self) -> np.ndarray:
        """Seconds, float64 `[recording]`."""
        return self.table.column("duration").to_numpy()

    @cached_property
    def begins(self) -> np.ndarray:
        """When each began, datetime64[us] `[recording]`; NaT where it is not known."""
        return begin_column(self.table).to_numpy().astype("datetime64[us]")

    @cached_property
    def _shown(self) -> dict[int, ShownRecording]:
        return {}

    def shown(self, row: int) -> ShownRecording:
        """A recording as hits show it; those asked for last are kept. For the worker's thread."""
        if row in self._shown:
            return self._shown[row]
        values = {name: plain(self.table.column(name)[row].as_py()) for name in self.own}
        path = self.paths[row]
        own = {name: value for name, value in values.items() if name not in CLOCKS}
        recording = ShownRecording(
            show_path(os.path.basename(path)),
            show_path(path),
            float(self.durations[row]),
            begin_of(self.table, row),
            values.get("site"),
            own,
        )
        if len(self._shown) >= _MOST_SHOWN:
            del self._shown[next(iter(self._shown))]
        self._shown[row] = recording
        return recording

    def row(self, recording: str) -> int:
        """Row of an id as clients send it.

        Raises:
            Refused: If there is no such recording.
        """
        if recording.isascii() and recording.isdigit() and len(recording) < 20 and int(recording) in self.rows:
            return self.rows[int(recording)]
        raise Refused(404, "the collection has no such recording any more")

    def file(self, recording: str) -> tuple[Path, float]:
        """Where a recording lies, and its seconds.

        Raises:
            Refused: If there is no such recording, or its file is gone.
        """
        row = self.row(recording)
        path = as_path(place_of(self.head.root, self.paths[row]))
        if not path.is_file():
            shown = show_path(self.paths[row])
            raise Refused(404, f"{shown} does not exist any more; if it was moved: mmasc collection move-root")
        return path, float(self.durations[row])
