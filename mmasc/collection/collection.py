"""A collection: recordings with their windows' vectors in named spaces, opened to be asked and kept in order."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmasc.collection import coverage, exchange, inspection, merging
from mmasc.collection.filters import passing_recordings
from mmasc.collection.index import IndexPolicy
from mmasc.collection.index_files import forget
from mmasc.collection.metadata import metadata_table
from mmasc.collection.query import Query, QueryEncoders, search_space
from mmasc.collection.space import SpaceReader, space_summary
from mmasc.collection.store import RECORDING_COLUMNS, Head, Store
from mmasc.encoders import SPECS
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.inputs import as_count


class _Rows(dict[int, int]):
    """Positions by id; windows of a recording that is not there are told as damage."""

    def __init__(self, folder: Path, ids: Sequence[int]) -> None:
        super().__init__({one: row for row, one in enumerate(ids)})
        self._folder = folder

    def __missing__(self, one: int) -> int:
        raise MmascError(
            f"{self._folder} is damaged: it holds windows of a recording that is not there ({one}); "
            "restore it from a backup, or see what is wrong with: mmasc collection check"
        )


class Collection:
    """A folder of vectors, as it stood when it was opened; `refresh` sees what other processes have added since.

    Args:
        folder: With a collection in it; `mmasc.embed` makes one.
        policy: When the index changes its kind; the default follows the machine's memory.
        device: Where encoders of queries run.
    Raises:
        MmascError: If there is no collection or a newer mmasc made it.
    """

    def __init__(self, folder: str | Path, policy: IndexPolicy | None = None, device: str = "cpu") -> None:
        self.store = Store(folder)
        self._policy = policy
        self._encoders = QueryEncoders(device)
        self._readers: dict[str, SpaceReader] = {}
        self.head: Head = self.store.head()

    @classmethod
    def open(cls, folder: str | Path, **options: Any) -> "Collection":
        """The same as `Collection(folder)`."""
        return cls(folder, **options)

    def refresh(self) -> None:
        """See the collection as it is now."""
        self.head = self.store.head()
        self._readers.clear()
        for name in ("recordings", "row_of"):
            self.__dict__.pop(name, None)

    @property
    def remarks(self) -> list[str]:
        """What users may want to know and what changes no answer, a line each: an index that cannot be saved."""
        return self.store.remarks

    @cached_property
    def recordings(self) -> pa.Table:
        """All recordings: id, path under the root, size, mtime_ns, duration, sample_rate, channels, status, reason,
        and the columns of your own."""
        return self.store.recordings(self.head)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Row in `recordings` by id; an id that is not there is a fault of the collection, and raises MmascError."""
        return _Rows(self.store.folder, self.recordings.column("id").to_pylist())

    @property
    def metadata_columns(self) -> list[str]:
        """Names of the users' own columns."""
        return [name for name in self.recordings.column_names if name not in RECORDING_COLUMNS]

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces, oldest first."""
        return list(self.head.spaces)

    def space(self, name: str | None = None) -> SpaceReader:
        """Read access to one space; without a name the only or oldest one.

        Raises:
            MmascError: If there is no such space; the line lists those there are.
        """
        if not self.head.spaces:
            raise MmascError(f"{self.store.folder} holds no vectors yet; add some with: mmasc embed PATH --into ...")
        if name is None:
            name = self.spaces[0]
        if name not in self.head.spaces:
            raise MmascError(f"{self.store.folder} has no space {name!r}; it has: {', '.join(self.spaces)}")
        if name not in self._readers:
            self._readers[name] = SpaceReader(self.store, self.head, name, self._policy)
        return self._readers[name]

    def path_of(self, relative: str) -> str:
        """Where a recording lies now: the root and its path under it."""
        return os.path.normpath(os.path.join(self.head.root, relative))

    def search(
        self,
        text: Any = (),
        audio: Any = (),
        image: Any = (),
        vectors: Any = None,
        *,
        not_text: Any = (),
        not_audio: Any = (),
        not_image: Any = (),
        k: int | np.integer = 10,
        where: str | None = None,
        space: str | None = None,
        encoder: Encoder | None = None,
        per_recording: bool = False,
    ) -> list[dict[str, Any]]:
        """Windows nearest to texts, sounds, pictures or vectors, and far from others.

        The score is the mean cosine to what is asked for less the mean cosine to what is not.

        Args:
            text, audio, image: Asked for: texts; sound files (or their bytes, or open binary files); picture files, PIL
                images or uint8 arrays [height, width, 3]; one or several of each in any container.
            vectors: Asked for, as vectors of the space, `[dim]` or `[item dim]`.
            not_text, not_audio, not_image: Not asked for.
            k: Hits, at most.
            where: SQL on columns of recordings and windows (start, end, lane), applied inside the search.
            space: Name of the space; default: the oldest that understands the query.
            encoder: Loaded encoder of that space, to save loading it.
            per_recording: The best window of every recording alone.
        Returns:
            A mapping a hit, best first: rank, path, start, end (seconds), score, duplicate (whether the hit is the
            query itself or a copy of it), lane where there are several, and the recordings' own columns.
            `pandas.DataFrame(hits)` makes a table of it.
        Raises:
            MmascError: If nothing is asked, the space does not understand the query, another encoder made the
                space, or `where` cannot be read.
            ValueError: If `k` is no whole number of 1 or more, or a text, sound or picture is none.
        """
        k = as_count(k, "k")
        query = Query.of(text, audio, image, vectors, not_text, not_audio, not_image)
        name = space or self.space_for(query, encoder)
        reader = self.space(name)
        return search_space(self, reader, query, self._encoders.of(reader, encoder, query), k, where, per_recording)

    def space_for(self, query: Query, encoder: Encoder | None = None) -> str:
        """Name of the space that a query without one is put to: the encoder's, or the oldest that understands it.

        Raises:
            MmascError: If there is none.
        """
        if encoder is not None:
            same = [name for name, space in self.head.spaces.items() if space.identity == encoder.identity]
            if self.head.spaces and not same:
                raise MmascError(
                    f"{self.store.folder} has no vectors of {encoder.spec.name} {encoder.identity}; "
                    f"it has: {', '.join(f'{name} {space.identity}' for name, space in self.head.spaces.items())}"
                )
            return same[0] if same else ""
        fitting = [name for name in self.spaces if query.fits(self.head.spaces[name].encoder)]
        if self.spaces and not fitting:
            asked = " and ".join(sorted(query.modalities))
            able = [name for name, spec in SPECS.items() if query.modalities <= set(spec.modalities)]
            add = f"; add one with: mmasc embed PATH --into ... --encoder {able[0]}" if able else ""
            raise MmascError(
                f"no space of {self.store.folder} understands {asked}; it has: {', '.join(self.spaces)}{add}"
            )
        return fitting[0] if fitting else self.space().name

    def info(self) -> dict[str, Any]:
        """What is there: recordings, hours, own columns, root, format and every space with its identity."""
        durations = self.recordings.column("duration").to_numpy()
        return {
            "folder": str(self.store.folder),
            "root": self.head.root,
            "format": self.head.format,
            "recordings": len(self.recordings),
            "hours": float(durations.sum()) / 3600,
            "truncated": sum(status == "truncated" for status in self.recordings.column("status").to_pylist()),
            "columns": self.metadata_columns,
            "spaces": {name: space_summary(name, space) for name, space in self.head.spaces.items()},
        }

    def remove(self, paths: Sequence[str | Path] = (), where: str | None = None, missing: bool = False) -> int:
        """Remove recordings (from the collection, not from the disk) with all their windows.

        Args:
            paths: Files, or folders for all below them.
            where: SQL on columns of the recordings; what cannot be read whole is refused, and removes nothing.
            missing: Of these (of all, where neither is given) only those whose files are not there any more.
        Returns:
            How many recordings were removed.
        Raises:
            MmascError: If a path or a condition finds nothing to be read, or all files are missing, as they are when
                a disk is not mounted.
        """
        with self.store.transaction() as change:
            recordings = self.store.recordings(change.head)
            ids = set() if where is None else set(passing_recordings(where, recordings).tolist())
            ids |= exchange.ids_under(paths, recordings, change.head.root)
            if missing:
                gone = coverage.gone_ids(self.store.folder, recordings, change.head.root)
                ids = ids & gone if paths or where is not None else gone
            change.remove_recordings(sorted(ids))
        self.refresh()
        return len(ids)

    def move_root(self, root: str | Path) -> int:
        """Say that the recordings lie under another folder now; vectors and paths under it stay.

        Returns:
            How many recordings are not found there.
        """
        if not Path(root).is_dir():
            raise MmascError(f"{root} is no folder; give the folder that holds the recordings now")
        with self.store.transaction() as change:
            change.set_root(os.path.abspath(root))
        self.refresh()
        return sum(not os.path.exists(self.path_of(path)) for path in self.recordings.column("path").to_pylist())

    def merge(self, other: str | Path) -> dict[str, int]:
        """Take over another collection's recordings, windows and own columns; what is there already (same path) stays.

        A recording that both have with the same content gets the windows and the values of own columns that it lacks
        here; where both have a value, ours stays.

        Returns:
            Numbers of recordings and windows added; of recordings that were there (already_there), those with another
            content among them (other_content, nothing of these is taken over); of values of own columns taken over
            (values), and of those that differ from ours (values_that_differ).
        Raises:
            MmascError: If a space of the same name was made by another encoder or cut otherwise, or own columns of
                one name hold different kinds of values.
        """
        result = merging.merge(self.store, Store(other))
        self.refresh()
        return result

    def compact(self) -> None:
        """Join small files, drop what was deleted and every old version, and build the indexes anew."""
        with self.store.transaction() as change:
            change.compact()
        self.refresh()  # moves the own lease, so that the old versions can go
        self.store.clean()
        for name, space in self.head.spaces.items():
            forget(self.store.space_folder(space.identity))
            if space.windows:
                self.space(name).refresh_index()

    def check(self) -> list[inspection.Finding]:
        """Look for faults: windows without recordings, doubles, gaps, NaN, missing files, an index that is wrong."""
        return inspection.check(self)

    def export(self, to: str | Path, space: str | None = None, file_format: str = "npy") -> list[Path]:
        """Write a space as vectors.npy + windows.parquet ("npy") or as one table ("csv"), rows in equal order.

        Rows are sorted by path, lane and start.
        """
        return exchange.export(self, self.space(space), Path(to), file_format)

    def set_metadata(self, columns: dict[int, dict[str, Any]]) -> None:
        """Set own columns of recordings: id → name → value."""
        with self.store.transaction() as change:
            change.update_recordings(metadata_table(columns, self.store.recordings(change.head).schema))
        self.refresh()
