"""The map of a space: every window as a point on two principal axes, as a table or as a picture."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, UInt8

from mmasc.collection.filters import passing_windows
from mmasc.collection.frames import window_order, windows_described
from mmasc.collection.projection import principal_axes
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.collection.touched_windows import annotations_by_recording
from mmasc.collection.vectors import check_column
from mmasc.errors import MmascError, show_path
from mmasc.progress import current
from mmasc.storage.files import replacing
from mmasc.studies.map_colours import LABEL, column_colours, label_colours


@dataclass(frozen=True)
class WindowMap:
    """Windows of a space, and where they lie on its map.

    Attributes:
        space: Name of the space.
        windows: A row per window, by path, lane and start: path, start, end, lane and the columns of your own.
        places: Where each lies, in [-1, 1], float32 `[window 2]`.
        colours: Number of the colour of each, 0 for none, uint8 `[window]`.
        names: Names of the colours, "" first.
    """

    space: str
    windows: pa.Table
    places: Float32[np.ndarray, "window 2"]
    colours: UInt8[np.ndarray, " window"]
    names: list[str]

    def write(self, target: str | Path) -> Path:
        """Write a table (FILE.csv) or a picture (FILE.png).

        Raises:
            MmascError: If the file has another ending, or is a folder.
        """
        path = Path(target)
        check_target(path)
        if path.suffix.lower() == ".png":
            from mmasc.studies.map_plot import plot_map  # late: it loads matplotlib

            return plot_map(self.places, self.colours, self.names, self.space, path)
        with (
            replacing(path) as beside,
            open(beside, "w", encoding="utf-8", newline="", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            coloured = len(self.names) > 1
            writer.writerow(["x", "y", *(["colour"] if coloured else []), *self.windows.column_names])
            for row, (x, y), code in zip(self.windows.to_pylist(), self.places, self.colours.tolist(), strict=True):
                # A float32 as the shortest text that reads back as the same number
                writer.writerow([x, y, *([self.names[code]] if coloured else []), *row.values()])
        return path


def map_windows(
    collection: Snapshot, space: str | None = None, where: str | None = None, colour: str | None = None
) -> WindowMap:
    """Where the windows of a space lie on its map: unit vectors on their two principal axes, scaled into [-1, 1].

    A rough map: two dimensions cannot keep all neighbours. `mmasc serve` shows the same one.

    Args:
        collection: Opened.
        space: Its name; default: the oldest.
        where: SQL on columns of recordings and windows: the windows that are wanted. The map is always that of all.
        colour: Column of your own that windows are coloured by, or "label" for annotations.
    Raises:
        MmascError: If there is no such space or column, the condition cannot be read, or no window passes it.
    """
    if colour not in (None, LABEL):
        assert colour is not None
        check_column(collection, colour)
    reader = collection.space(space)
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    chosen = np.flatnonzero(np.ones(len(reader), bool) if allowed is None else allowed)
    if not len(chosen):
        folder = show_path(collection.store.folder)
        raise MmascError(
            f"space {reader.name!r} of {folder} has no windows" + ("" if where is None else " that meet the condition")
        )
    with current().phase("two principal axes"):
        places = principal_axes(lambda space, some: space.vectors(some), reader)
    chosen = chosen[window_order(collection, reader, chosen)]
    table = windows_described(collection, reader, chosen)
    codes, names = _colours(collection, reader, chosen, table, colour)
    columns = ["path", "start", "end", "lane", *collection.metadata_columns]
    return WindowMap(reader.name, table.select(columns), places[chosen], codes, names)


def check_target(target: str | Path) -> None:
    """Refuse a file that a map cannot be written to, before anything is worked out.

    Raises:
        MmascError: If its name ends in neither .csv nor .png, or it is a folder.
    """
    if os.path.isdir(target):
        raise MmascError(f"{show_path(target)} is a folder; name a file that ends in .csv or .png")
    if Path(target).suffix.lower() not in (".csv", ".png"):
        raise MmascError(f"{show_path(target)}: a map is a table or a picture; name a file that ends in .csv or .png")


def _colours(
    collection: Snapshot, reader: SpaceReader, chosen: np.ndarray, table: pa.Table, colour: str | None
) -> tuple[np.ndarray, list[str]]:
    if colour is None:
        return np.zeros(len(chosen), np.uint8), [""]
    if colour != LABEL:
        by_row, names = column_colours(collection.recordings.column(colour))
        return by_row[collection.row_of.of(reader.recording[chosen])], names
    codes, names = label_colours(reader, annotations_by_recording(collection))
    return codes[chosen], names
