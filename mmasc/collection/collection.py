"""A collection: recordings with their windows' vectors in named spaces, opened to be asked and kept in order."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from mmasc.audio.clock import ClockRules
from mmasc.collection.annotations import Annotations
from mmasc.collection.check import Finding, check
from mmasc.collection.clock import ClockReport, set_clocks
from mmasc.collection.columns import forget_columns
from mmasc.collection.export import export
from mmasc.collection.frames import as_frame, described, window_order, windows_described
from mmasc.collection.growing import Growing
from mmasc.collection.id_map import IdMap
from mmasc.collection.indexing import build_indexes, renew_indexes
from mmasc.collection.journal import fold_annotations
from mmasc.collection.merge import merge
from mmasc.collection.metadata import metadata_table
from mmasc.collection.publish import PublishReport, publish
from mmasc.collection.published import open_store
from mmasc.collection.removal import ids_to_remove, places_gone
from mmasc.collection.returning import keep_removed
from mmasc.collection.store import Store
from mmasc.collection.vectors import vectors_with_labels
from mmasc.errors import MmascError, show_path
from mmasc.inputs import as_count, as_paths
from mmasc.remote.addresses import absolute, is_address


class Collection(Growing):
    """A folder of vectors, as it stood when it was opened; `refresh` sees what other processes have added since.

    Args:
        folder: Folder with a collection in it; `mmasc.embed` makes one. Or the address of a published one, which is
            only read.
        policy: When the index changes its kind; the default follows the machine's memory.
        device: Device on which encoders of queries run.
    Raises:
        MmascError: If there is no collection or a newer mmasc made it.
    """

    @classmethod
    def open(cls, folder: str | Path, **options: Any) -> "Collection":
        """The same as `Collection(folder)`."""
        return cls(folder, **options)

    @classmethod
    def create(cls, folder: str | Path, root: str | Path, **options: Any) -> "Collection":
        """A new collection without recordings, for vectors of your own; `mmasc.embed` makes one where there is sound.

        Args:
            folder: New or empty folder; a collection that is there is opened as it is.
            root: Folder that paths of recordings are relative to; it need not exist.
            **options: As for `Collection`.
        """
        Store.create(folder, root)
        return cls(folder, **options)

    @property
    def remarks(self) -> list[str]:
        """What users may want to know, one line each: an index that cannot be saved, words that no encoder learned."""
        return self.store.remarks

    @cached_property
    def annotations(self) -> Annotations:
        """Labels on moments of the recordings: add, ask for, change and undo them here."""
        return Annotations(self)

    def info(self) -> dict[str, Any]:
        """What is there: recordings, hours, own columns, root, format, every space with its identity, annotations."""
        return {**super().info(), "annotations": len(self.annotations)}

    def remove(self, paths: Any = (), where: str | None = None, missing: bool = False) -> int:
        """Remove recordings (from the collection, not from the disk) with all their windows.

        Those that meet everything given are removed: of the paths, those that pass the condition.

        Args:
            paths: Files, or folders for all below them: a path, or several in any container.
            where: SQL on columns of the recordings; what cannot be read whole is refused, and removes nothing.
            missing: Whether to remove only those whose files no longer exist.
        Returns:
            How many recordings were removed.
        Raises:
            MmascError: If a path or a condition finds nothing to be read, or all files are missing, as they are when
                a disk is not mounted.
        """
        several = as_paths(paths)
        with self.store.transaction() as change:
            ids = ids_to_remove(self.store, change.head, several, where, missing)
            keep_removed(self.store, change.head, ids)
            change.remove_recordings(ids)
        self.refresh()
        return len(ids)

    def move_root(self, root: str | Path) -> int:
        """Set the folder under which the recordings are now; vectors and relative paths stay as they are.

        Returns:
            How many recordings are not found there.
        """
        if not is_address(root) and not Path(root).is_dir():
            raise MmascError(f"{root} is not a folder; give the folder that holds the recordings now")
        with self.store.transaction() as change:
            change.set_root(absolute(root))
        self.refresh()
        return sum(int(absent.sum()) for _, absent in places_gone(self.store, self.head))

    def merge(self, *others: str | Path) -> dict[str, int]:
        """Take over other collections' recordings, windows, own columns and annotations; what is there already stays.

        A recording that both have (same path) with the same content gets the windows, values of own columns and
        annotations that it lacks here; where both have a value, ours stays. Annotations of one id are one: what was
        removed here is not added again.

        Args:
            others: Folders of the collections, merged one after the other, each wholly or not at all.
        Returns:
            Numbers of recordings and windows added; of recordings that were there (already_there), those with another
            content among them (other_content, nothing of these is taken over); of values of own columns taken over
            (values), and of those that differ from ours (values_that_differ); of annotations added (annotations), and
            of those that are here with other values (annotations_that_differ).
        Raises:
            MmascError: If a space of the same name was made by another encoder or cut otherwise, or own columns of
                one name hold different kinds of values.
        """
        result: dict[str, int] = {}
        try:
            for store in [open_store(other) for other in others]:  # all are opened before the first is merged
                for name, number in merge(self.store, store).items():
                    result[name] = result.get(name, 0) + number
        finally:
            self.refresh()
        return result

    def publish(self, address: str) -> PublishReport:
        """Copy the collection to an object store, see `mmasc.collection.publish`; again, only what is new is sent.

        Args:
            address: s3://bucket/name or gs://bucket/name; `Collection.open` reads it from there.
        """
        return publish(self.store, address)

    def read_clocks(self, clock: str | None = None, timezone: str | None = None, dry_run: bool = False) -> ClockReport:
        """Read when and where the recordings were made, from names and headers, into columns; nothing is decoded.

        The columns are recorded_at (the wall clock), utc_offset, site, recorder, serial, temperature (degrees Celsius),
        gain, latitude and longitude, as far as they are known. A column of such a name that holds anything of your own
        is left as it is.

        Args:
            clock: Pattern that reads the time from the names, see `mmasc.audio.clock_patterns`.
            timezone: Zone of the place (Europe/Berlin, +02:00): clocks that say how far they are from UTC are turned
                into it, others are taken to be in it.
            dry_run: Whether to report only, without changes.
        Returns:
            What was found, and how many recordings were changed.
        Raises:
            MmascError: If the pattern or the zone cannot be read.
        """
        report = set_clocks(self.store, ClockRules.of(clock, timezone), dry_run)
        self.refresh()
        return report

    def compact(self) -> None:
        """Join small files, drop what was deleted and every old version, and rebuild the indexes."""
        with self.store.transaction() as change:
            change.compact()
            # Under the collection's lock: a merge adds annotations before its recordings count
            ids = self.store.recordings(change.head, ["id"]).column("id").to_numpy()
            fold_annotations(self.store.folder, IdMap(ids))
        for space in self.head.spaces.values():
            forget_columns(self.store.space_folder(space.identity))
        self.refresh()  # moves the own lease, so that the old versions can go
        self.store.clean()
        renew_indexes(self)

    def index(self, space: str | None = None, workers: int = 1) -> list[dict[str, Any]]:
        """Build what the indexes lack: exact ones of small spaces, segments of large ones; continues after a kill.

        Segments that are not full become full ones where there are enough of them.

        Args:
            space: Whose index; default: those of all spaces.
            workers: Processes that build a segment each. With more than one, a script needs the usual
                `if __name__ == "__main__":`.
        Returns:
            For each segment: space, kind ("flat", "ivf", "rabitq"), windows, gone (windows that were removed since),
            nprobe (lists that a search looks into) and recall (measured at 10, the lower one of windows and texts).
            The last row of a space is for windows outside of all segments, if there are any: they are compared one by
            one.
        Raises:
            ValueError: If `workers` is not a whole number of 1 or more.
        """
        return build_indexes(self, self.spaces if space is None else [space], as_count(workers, "workers"))

    def check(self) -> list[Finding]:
        """Look for faults: windows without recordings, doubles, gaps, NaN, missing files, an index that is wrong."""
        return check(self)

    def export(self, to: str | Path, space: str | None = None, file_format: str = "npy") -> list[Path]:
        """Write a space as vectors.npy + windows.parquet ("npy") or as one table ("csv"), rows in equal order.

        Rows are sorted by path, lane and start. Where there are annotations, they are written as annotations.parquet
        ("npy") or annotations.csv, with the columns of `Annotations.to_table`.
        """
        return export(self, self.space(space), Path(to), file_format)

    def to_frame(self, windows: bool = False, space: str | None = None) -> Any:
        """The recordings as a pandas DataFrame, which needs pandas: pip install 'mmasc[pandas]'.

        Args:
            windows: A row per window instead of a row per recording, sorted by path, lane and start.
            space: Whose windows; default: the oldest.
        Returns:
            A row per recording, in the order of `recordings`: id, path (where it lies now, as in hits), duration in
            seconds, sample_rate in Hz, channels, status, reason, and your own columns with their types (whole numbers
            with gaps are Int64). With `windows` further start and end in seconds, and lane.
        Raises:
            MmascError: If pandas is not installed, or there is no such space.
            ValueError: If a space is named without `windows`.
        """
        if not windows:
            if space is not None:
                raise ValueError("recordings belong to all spaces; give windows=True for the windows of one")
            return as_frame(described(self, self.recordings.column("id").to_numpy()))
        reader = self.space(space)
        return as_frame(windows_described(self, reader, window_order(self, reader, np.arange(len(reader)))))

    def vectors(
        self, label: str | None = None, space: str | None = None, where: str | None = None, windows: bool = False
    ) -> tuple[Float32[np.ndarray, "item dim"], np.ndarray | None, pa.Table]:
        """Vectors, labels and recordings in equal order, as scikit-learn takes them.

        Args:
            label: Own column with the labels; recordings without one are left out.
            space: Whose vectors; default: the oldest.
            where: SQL on columns of recordings and windows; vectors are made of the windows that pass.
            windows: A row per window instead of a row per recording.
        Returns:
            X: float32 `[item dim]`, sorted by path. Of a recording the mean of its windows weighted by the time that
                each adds, lanes alike, silence left out where there is sound, as heads see it; not normalised. Of a
                window the vector as the encoder gave it (sorted by path, lane, start).
            y: Labels `[item]` in the type that they are stored in, texts as NumPy texts; None without `label`.
            recordings: Table with a row per row of X: id, path (where it lies now, as in hits), duration, sample_rate,
                channels, status, reason and your own columns; with `windows` also start, end, lane.
                `recordings["place"].to_numpy()` gives groups for cross-validation.
        Raises:
            MmascError: If there is no such column or space, `where` cannot be read, or vectors are damaged (NaN).
        """
        return vectors_with_labels(self, self.space(space), label, where, windows)

    def set_metadata(self, columns: Any) -> None:
        """Set own columns of recordings.

        Args:
            columns: Id → name of the column → value: a number, text, truth value (kept as text) or time (kept as text,
                but in columns of clocks); None, NaN, NaT and NA say that nothing is known.
        Raises:
            MmascError: If there is no such recording, or a name or value cannot be stored in the column.
            ValueError: If it is not such a mapping.
        """
        if not isinstance(columns, Mapping) or not all(isinstance(one, Mapping) for one in columns.values()):
            raise ValueError("columns must be {id: {name: value}}, with ids from `recordings`")
        rows = {int(one) if isinstance(one, np.integer) else one: dict(values) for one, values in columns.items()}
        with self.store.transaction() as change:
            there = IdMap(self.store.recordings(change.head, ["id"]).column("id").to_numpy())
            if strange := [one for one in rows if one not in there]:
                raise MmascError(f"{show_path(self.store.folder)} has no recording with the id {strange[0]!r}")
            change.update_recordings(metadata_table(rows, self.store.recordings_schema(change.head)))
        self.refresh()
