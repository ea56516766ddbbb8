"""One collection, open for the whole life of the server, and the one thread that touches it and all others.

Collections, indexes and encoders are not made for several threads: all code that needs them is called through
`Session.call`. What requests need all the time (paths, durations, clocks) lies in a `View`, which never changes.
"""

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from mmasc.collection import Collection
from mmasc.collection.annotations import UNNAMED, Annotation
from mmasc.collection.head import HEAD_NAME, read_head
from mmasc.collection.journal import Journal, why_not_labelled
from mmasc.collection.query import Query, QueryEncoders
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import absolute, is_address
from mmasc.remote.paths import as_path
from mmasc.web.cache import RenderCache
from mmasc.web.faults import Refused
from mmasc.web.places import Maps
from mmasc.web.view import View
from mmasc.web.worker import Worker
from mmasc.windows.units import unit_float32

HEADS_FOLDER = "heads-of-mine"  # in the folder of a collection
_HELD_BYTES = 1_000_000_000  # vectors of a space that are kept in memory, at most
_SAMPLE = 10_000  # windows that the distribution of scores is worked out from


class Session:
    """What the server has open; see the module's first lines.

    Args:
        folder: Folder of the collection, or the address of a published one, which is only read.
        space: Space that is asked where a request names none; default: the oldest that understands the query.
        by: Name of the annotator.
        read_only: Whether nothing may be written.
        companion: Another one of the same server: they share the thread, the encoders and the rendered files.
    Attributes:
        source: Where the collection is: its folder or address.
        folder: Folder with its annotations and heads: the same, or the cache of a published one.
        only_read_because: Why nothing may be written, with what helps; "" where all may.
        state: "loading", "ready" or "failed"; `error` says why.
        encoders: Encoders of queries; for the worker's thread.
        cache: Rendered files.
        head_scores: What heads said of the windows of a space.
        maps: Where windows lie on the map.
    """

    def __init__(
        self,
        folder: str | Path,
        space: str | None = None,
        by: str | None = None,
        read_only: bool = False,
        companion: "Session | None" = None,
    ) -> None:
        self.source = self.folder = as_path(absolute(folder))
        self.space, self.by = space, by or UNNAMED
        self.only_read_because = _why_only_read(self.source, read_only)
        self.state, self.error = "loading", ""
        self.cache: RenderCache = RenderCache() if companion is None else companion.cache
        self.encoders: QueryEncoders = QueryEncoders("cpu") if companion is None else companion.encoders
        self.loaded = threading.Event()
        self._worker: Worker = Worker("mmasc-worker") if companion is None else companion._worker
        self._collection: Collection | None = None
        self._view: View | None = None
        self._marks: tuple[object, dict[int, list[Annotation]]] | None = None
        self._samples: WeakKeyDictionary[SpaceReader, np.ndarray] = WeakKeyDictionary()
        self.head_scores: WeakKeyDictionary[SpaceReader, dict[tuple[str, str, int], np.ndarray]] = WeakKeyDictionary()
        self._since: tuple[int, tuple[int, int]] = (-1, (0, 0))
        self.maps = Maps(self.vectors)

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        return bool(self.only_read_because)

    @property
    def name(self) -> str:
        """What people call the collection: the name of its folder."""
        return show_path(self.source.name)

    @property
    def view(self) -> View:
        """The recordings.

        Raises:
            Refused: While the collection is loading, or if that failed.
        """
        if self._view is None or self.state != "ready":
            raise Refused(503, self.error or "the collection is still loading")
        return self._view

    def start(self) -> None:
        """Begin to load, in the worker's thread."""
        self._worker.submit(self._load)

    def call(self, work: Callable[[Collection], Any]) -> Any:
        """What `work` gives, run in the worker's thread.

        Raises:
            Refused: While the collection is loading, or if that failed.
        """
        _ = self.view
        return self._worker.submit(lambda: work(self.collection)).result()

    @property
    def collection(self) -> Collection:
        """The collection; for the worker's thread."""
        assert self._collection is not None
        return self._collection

    def reader(self, space: str | None = None) -> SpaceReader:
        """A space with its vectors in memory, as far as there is room; for the worker's thread.

        Raises:
            Refused: If there is no such space.
        """
        name = space or self.space
        if name is not None and name not in self.collection.head.spaces:
            raise Refused(404, f"there is no space {name!r}; there are: {', '.join(self.collection.spaces)}")
        reader = self.collection.space(name)
        reader.hold(_HELD_BYTES)
        return reader

    @property
    def annotations(self) -> int:
        """How many annotations there were when they were read last."""
        return 0 if self._marks is None else sum(map(len, self._marks[1].values()))

    def counts(self) -> dict[int, int]:
        """Number of annotations by recording, as they were read last."""
        return {} if self._marks is None else {one: len(some) for one, some in self._marks[1].items()}

    def text_side(self, reader: SpaceReader) -> Any:
        """What makes vectors of words in a space; None where it understands none. For the worker's thread.

        Raises:
            MmascError: If it cannot be loaded, or another one made the space.
        """
        query = Query(texts=("sound",))
        return self.encoders.of(reader, None, query) if query.fits(reader.space.encoder) else None

    def sample(self, reader: SpaceReader) -> np.ndarray:
        """Unit vectors of up to 10,000 windows spread evenly over a space; for the worker's thread."""
        if reader not in self._samples:
            places = np.linspace(0, len(reader) - 1, min(len(reader), _SAMPLE)).round().astype(np.int64)
            self._samples[reader] = unit_float32(reader.vectors(places))
        return self._samples[reader]

    def vectors(self, reader: SpaceReader, positions: np.ndarray) -> np.ndarray:
        """Vectors of windows `[item dim]`, for other threads than the worker's."""
        if reader.held is not None:
            return reader.held[positions]
        return self.call(lambda _: reader.vectors(positions))

    def marks(self) -> dict[int, list[Annotation]]:
        """Annotations by recording; for the worker's thread."""
        stamp = (Journal(self.folder).stamp(), self.collection.head.generation)
        if self._marks is None or self._marks[0] != stamp:
            found: dict[int, list[Annotation]] = {}
            for one in self.collection.annotations.all():
                found.setdefault(one.recording, []).append(one)
            self._marks = (stamp, found)
        return self._marks[1]

    def reload(self) -> None:
        """See what other processes have added since."""

        def work(collection: Collection) -> None:
            collection.refresh()
            self._see()

        self.call(work)

    def came_and_went(self) -> tuple[int, int]:
        """How many recordings came, and how many went, since the collection was read; counted in the background."""
        generation = self._generation()
        if generation == self.view.head.generation:
            return 0, 0
        if self._since[0] != generation:
            self._since = (generation, self._since[1])
            self._worker.submit(self._count_since, generation)
        return self._since[1]

    def has_changed(self) -> bool:
        """Whether other processes have changed the collection since it was read."""
        return self._generation() != self.view.head.generation

    def check_writable(self) -> None:
        """Raises:
        Refused: If nothing may be written.
        """
        if self.only_read_because:
            raise Refused(403, self.hidden(self.only_read_because))

    def hidden(self, text: str) -> str:
        """A text without paths of the disk: what lies under the root is named from there."""
        roots = [str(self.folder), str(self.source), tempfile.gettempdir(), os.path.expanduser("~")]
        if self._view is not None:
            roots.append(self._view.head.root)
        for root in sorted({root.rstrip("/") for root in roots} - {""}, key=len, reverse=True):
            text = text.replace(root + os.sep, "").replace(root, os.path.basename(root))
        return text

    def close(self) -> None:
        """End: what waits for the worker is dropped, temporary files are deleted."""
        self._worker.drop()
        self.cache.close()

    def _load(self) -> None:
        try:
            self._collection = Collection(self.source)
            self.folder = self._collection.store.folder
            self._see()
            self.state = "ready"
            self._warm()
        except (MmascError, OSError, ImportError) as error:
            self.state, self.error = "failed", self.hidden(str(error))
        finally:
            self.loaded.set()

    def _see(self) -> None:
        collection = self.collection
        if self.space is not None and self.space not in collection.head.spaces:
            raise MmascError(f"{self.name} has no space {self.space!r}; it has: {', '.join(collection.spaces)}")
        view = View(collection.head, collection.recordings, collection.metadata_columns)
        _ = view.rows, view.paths, view.durations, view.begins
        self._view = view
        self.marks()

    def _warm(self) -> None:
        """What the first search needs; what fails here, fails there with its reason."""
        if not self.collection.head.spaces:
            return
        reader = self.reader()
        reader.refresh_index()
        try:
            side = self.text_side(reader)
            if side is not None:
                side.embed_text(["sound"])
            self.sample(reader)
        except MmascError as error:
            self.error = self.hidden(str(error))

    def _generation(self) -> int:
        """The newest version of the collection; where it cannot be read just now, the one that was read."""
        try:
            return read_head(self.folder / HEAD_NAME).generation
        except MmascError:
            return self.view.head.generation

    def _count_since(self, generation: int) -> None:
        store = self.collection.store
        there = store.recordings(store.head(), ["id"]).column("id").to_numpy()
        came = int(np.isin(there, self.view.ids, invert=True).sum())
        self._since = (generation, (came, len(self.view.ids) - (len(there) - came)))


def _why_only_read(source: Path, asked: bool) -> str:
    """Why nothing may be written to a collection, "" where all may."""
    if asked:
        return "this server only reads: start it without --read-only to write"
    if is_address(source):
        return "what is published is only read: label the collection where it was made"
    return why_not_labelled(source)
