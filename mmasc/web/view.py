"""The recordings of a collection as they were when it was read last: paths, durations, clocks by row and by id."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmasc.collection.clock import begin_column
from mmasc.collection.head import Head
from mmasc.errors import show_path
from mmasc.remote.addresses import place_of
from mmasc.remote.paths import as_path
from mmasc.web.faults import Refused


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
