"""A space as it is read: its windows in memory (without vectors), its index, and exact search where few rows pass."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from mmasc.collection.head import HEAD_NAME, Head, SpaceHead, read_head
from mmasc.collection.index import IndexPolicy, Scan, VectorIndex
from mmasc.collection.probes import PROBES, read_probes
from mmasc.collection.silence import is_silence, read_silence
from mmasc.collection.store import Store
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32

# The index is built again when it lacks more than a quarter of its own size, or a tenth of it is gone
_FRESH_SHARE = 0.25
_GONE_SHARE = 0.10
# Few rows pass a filter: exact over these rows alone; inverted lists would miss some
_EXACT_ROWS = 50_000
_EXACT_SHARE = 0.05


class SpaceReader:
    """The windows of one space at one version, and search over their vectors.

    Attributes:
        name: Name of the space in its collection.
        space: What the head says of it.
        row_ids: Row ids of the windows in the store, int64 `[window]`; the other arrays follow their order.
        recording, lane: int64 `[window]`.
        start, end: Seconds, float64 `[window]`.
        held: All vectors `[window dim]`, where `hold` keeps them in memory; not to be changed.
    """

    def __init__(self, store: Store, head: Head, name: str, policy: IndexPolicy | None = None) -> None:
        self.store, self.name, self.space = store, name, head.spaces[name]
        self._head = head  # its lease keeps the vectors on the disk for as long as this reader lives
        self._policy = policy
        table = store.windows(self.space, row_ids=True)
        self.row_ids = table.column("_rowid").to_numpy().astype(np.int64)
        self.recording = table.column("recording").to_numpy()
        self.lane = table.column("lane").to_numpy().astype(np.int64)
        self.start = table.column("start").to_numpy()
        self.end = table.column("end").to_numpy()
        self.held: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.row_ids)

    def vectors(self, positions: np.ndarray | None = None) -> np.ndarray:
        """float32 `[item dim]` as the encoder gave them, of some windows or of all."""
        if self.held is not None:
            return self.held.copy() if positions is None else self.held[positions]
        return self.store.take_vectors(self.space, self.row_ids if positions is None else self.row_ids[positions])

    def of_recording(self, recording: int) -> np.ndarray:
        """Positions of the windows of a recording, ascending, int64 `[item]`."""
        order, ids = self._by_recording
        first, last = np.searchsorted(ids, recording, "left"), np.searchsorted(ids, recording, "right")
        return order[first:last]

    def hold(self, most_bytes: int) -> bool:
        """Keep all vectors in memory from here on, for a reader that is asked very often.

        Args:
            most_bytes: How much they may take; of more, nothing is kept.
        Returns:
            Whether they are kept.
        """
        if self.held is None and 4 * len(self) * self.space.dim <= most_bytes:
            self.held = self.vectors()
        return self.held is not None

    def is_silence(self, vectors: np.ndarray) -> np.ndarray:
        """Which of these vectors `[item dim]` are those of digital silence, bool `[item]`."""
        return is_silence(vectors, self._silence)

    @property
    def needs_silence(self) -> bool:
        """Whether nobody has kept yet what its encoder makes of silence."""
        return self._silence is None

    @cached_property
    def _by_recording(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions sorted by recording, and the recordings in this order."""
        order = np.argsort(self.recording, kind="stable")
        return order, self.recording[order]

    @cached_property
    def _silence(self) -> np.ndarray | None:
        return read_silence(self.store.space_folder(self.space.identity), self.space.dim)

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None, text: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best windows a query by inner product with their unit vectors.

        Args:
            queries: float32 `[query dim]`; unit vectors give cosines.
            k: Hits per query, at most; fewer come back where fewer windows are there or allowed.
            allowed: Which windows may be found, bool `[window]`; default: all.
            text: Whether the queries are texts.
        Returns:
            Scores and positions of windows `[query hit]`, best first.
        """
        passing = len(self) if allowed is None else int(allowed.sum())
        k = min(k, passing)
        if k == 0:
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        few = passing <= _EXACT_ROWS or passing <= _EXACT_SHARE * len(self)
        if allowed is not None and few and self._index.kind != "flat":
            return self._exact(queries, k, allowed)
        scores, positions = self._search_index(queries, k, allowed, text)
        if (positions < 0).any():
            # Inverted lists found fewer than there are: look at all that may be found
            return self._exact(queries, k, np.ones(len(self), bool) if allowed is None else allowed)
        return scores, positions

    @property
    def needs_probes(self) -> bool:
        """Whether its next index is approximate, and there are no texts yet to measure its recall with."""
        approximate = (self._policy or IndexPolicy()).kind(len(self), self.space.dim) != "flat"
        return approximate and not self._probes_file.exists()

    def refresh_index(self) -> VectorIndex:
        """The index, built again and saved where the store has moved too far from it."""
        return self._index

    @cached_property
    def _index(self) -> VectorIndex:
        index = VectorIndex.load(self._folder)
        wanted = (self._policy or IndexPolicy()).kind(len(self), self.space.dim)
        if index is None or index.kind != wanted or index.index.d != self.space.dim or self._far_from(index):
            index = VectorIndex.build(self._scan, len(self), self.space.dim, self._policy, self._probes())
            self._save(index)
        return index

    def _save(self, index: VectorIndex) -> None:
        """Keep a new index for the next reader; a collection that cannot be written to gives the same answers."""
        now = read_head(self.store.folder / HEAD_NAME).spaces.get(self.name)
        outdated = now is None or now.version != self.space.version
        try:
            index.save(self._folder, self.space.version or 0, outdated)
        except OSError as error:
            self.store.remark(
                f"the index of space {self.name!r} is in memory alone and is built again by every reader: "
                f"{self._folder} cannot be written to ({error.strerror or error})"
            )

    def _probes(self) -> np.ndarray | None:
        try:
            return read_probes(self._folder, self.space.dim)
        except MmascError as error:
            self.store.remark(f"{error}; the recall of the index is measured on windows alone")
            return None

    @property
    def _folder(self) -> Path:
        return self.store.space_folder(self.space.identity)

    @property
    def _probes_file(self) -> Path:
        return self._folder / PROBES

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Position of every index row among the windows (-1 where the window is gone), and windows not in the index."""
        return self._place(self._index.row_ids)

    @cached_property
    def _whole(self) -> bool:
        """Whether the index holds just these windows in just this order, as it does after every build."""
        places, fresh = self._places
        return not len(fresh) and np.array_equal(places, np.arange(len(self)))

    @cached_property
    def _fresh_index(self) -> VectorIndex:
        fresh = self._places[1]
        batch: Scan = lambda: iter([(fresh, self.vectors(fresh))])  # noqa: E731
        return VectorIndex.build(
            batch, len(fresh), self.space.dim, IndexPolicy(flat_numbers=1 << 62, memory_bytes=1 << 62)
        )

    @property
    def _scan(self) -> Callable:
        return lambda: self.store.vectors(self.space)

    def _place(self, index_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.row_ids, kind="stable")
        ids = self.row_ids[order]
        where = np.minimum(np.searchsorted(ids, index_rows), max(len(ids) - 1, 0))
        there = ids[where] == index_rows if len(ids) else np.zeros(len(index_rows), bool)
        places = np.where(there, order[where] if len(ids) else -1, -1)
        known = np.zeros(len(self), bool)
        known[places[there]] = True
        return places, np.flatnonzero(~known)

    def _far_from(self, index: VectorIndex) -> bool:
        places, fresh = self._place(index.row_ids)
        gone = int((places < 0).sum())
        return len(fresh) > _FRESH_SHARE * len(index) or gone > _GONE_SHARE * len(index)

    def _search_index(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None, text: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._whole:
            return self._index.search(queries, k, allowed, text)
        places, fresh = self._places
        mask = places >= 0
        if allowed is not None:
            mask &= allowed[np.maximum(places, 0)]
        scores, found = self._index.search(queries, min(k, len(places)), mask, text)
        positions = np.where(found >= 0, places[np.maximum(found, 0)], -1)
        if len(fresh):
            fresh_allowed = None if allowed is None else allowed[fresh]
            more, found = self._fresh_index.search(queries, min(k, len(fresh)), fresh_allowed)
            scores = np.concatenate([scores, more], axis=1)
            positions = np.concatenate([positions, np.where(found >= 0, fresh[np.maximum(found, 0)], -1)], axis=1)
        scores = np.where(positions >= 0, scores, -np.inf).astype(np.float32)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, 1), np.take_along_axis(positions, best, 1)

    def _exact(self, queries: np.ndarray, k: int, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Brute force over the allowed windows, read from the store a piece at a time."""
        inside = np.flatnonzero(allowed)
        scores, positions = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        for first in range(0, len(inside), _EXACT_ROWS):
            some = inside[first : first + _EXACT_ROWS]
            scores = np.concatenate([scores, queries @ unit_float32(self.vectors(some)).T], axis=1)
            positions = np.concatenate([positions, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores, positions = np.take_along_axis(scores, best, 1), np.take_along_axis(positions, best, 1)
        return scores, positions


def space_summary(name: str, space: SpaceHead) -> dict:
    """A space as `collection info` prints it."""
    return {
        "identity": space.identity,
        "encoder": space.encoder,
        "dim": space.dim,
        "windows": space.windows,
        "window_seconds": space.window_seconds,
        "hop_seconds": space.hop_seconds,
        "channels": space.channels,
    }
