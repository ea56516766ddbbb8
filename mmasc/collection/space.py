"""A space as it is read: its windows in memory (without vectors), its index, and exact search where few rows pass."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mmasc.collection.columns import read_columns
from mmasc.collection.head import HEAD_NAME, Head, SpaceHead, read_head
from mmasc.collection.index import IndexPolicy
from mmasc.collection.index_upkeep import Building, index_of
from mmasc.collection.path_digests import stretches
from mmasc.collection.probes import PROBES, read_probes
from mmasc.collection.silence import is_silence, read_silence
from mmasc.collection.space_index import SpaceIndex, exact
from mmasc.collection.store import Store
from mmasc.collection.tracks import Tracks
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32

# Few rows pass a filter: exact over these rows alone; inverted lists would miss some
_EXACT_ROWS = 50_000
_EXACT_SHARE = 0.05
_SPREAD = 1_000
_AT_ONCE = 1 << 20  # windows whose columns are looked at together


class SpaceReader:
    """The windows of one space at one version, and search over their vectors.

    Attributes:
        name: Name of the space in its collection.
        space: What the head says of it.
        row_ids: Row ids of the windows in the store, int64 `[window]`; the other arrays follow their order. All are
            maps of files where there are many windows, and not to be changed.
        recording: Ids of the recordings, int64 `[window]`.
        lane: int16 `[window]`.
        start, end: Seconds, float64 `[window]`.
        policy: Sizes at which the index changes its kind.
        held: All vectors `[window dim]`, where `hold` keeps them in memory; not to be changed.
    """

    def __init__(self, store: Store, head: Head, name: str, policy: IndexPolicy | None = None) -> None:
        self.store, self.name, self.space = store, name, head.spaces[name]
        self._head = head  # its lease keeps the vectors on the disk for as long as this reader lives
        self.policy = policy or IndexPolicy()
        columns = read_columns(store, self.space, self.outdated)
        self.row_ids, self.recording, self.lane, self.start, self.end = columns
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
        runs, ids = self._runs
        first, last = np.searchsorted(ids, recording, "left"), np.searchsorted(ids, recording, "right")
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(*runs[one]) for one in range(first, last))])

    def recording_by_recording(
        self, recordings: Int[np.ndarray, " recording"], at_once: int
    ) -> Iterator[tuple[Int[np.ndarray, " item"], Int[np.ndarray, " item"]]]:
        """Windows of some recordings, whole recordings at a time: about `at_once` windows together.

        Args:
            recordings: Their ids, in the order that is wanted.
            at_once: Windows, at most; a recording that has more comes alone.
        Returns:
            Positions of the windows, those of one recording after those of the other, and the place among `recordings`
            of the one that each is of.
        """
        runs, ids = self._runs
        before = np.concatenate([[0], np.cumsum(runs[:, 1] - runs[:, 0])])
        left, right = np.searchsorted(ids, recordings, "left"), np.searchsorted(ids, recordings, "right")
        ends = np.cumsum(before[right] - before[left])
        first = 0
        while first < len(recordings):
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + at_once, "right")))
            counts = right[first:last] - left[first:last]
            chosen = runs[stretches(left[first:last], counts)]
            lengths = chosen[:, 1] - chosen[:, 0]
            place = np.repeat(np.repeat(np.arange(first, last), counts), lengths)
            yield stretches(chosen[:, 0], lengths), place
            first = last

    def windows_of(self, recordings: np.ndarray) -> np.ndarray:
        """Which windows are of one of these recordings (ids), bool `[window]`."""
        runs, ids = self._runs
        order = np.argsort(runs[:, 0])
        return np.repeat(np.isin(ids, recordings)[order], np.diff(runs[order], axis=1)[:, 0])

    @property
    def recordings(self) -> np.ndarray:
        """Ids of the recordings that have windows here, ascending, int64 `[item]`."""
        return np.unique(self._runs[1])

    @cached_property
    def several_lanes(self) -> bool:
        """Whether there are windows of another lane than the first."""
        return any(bool(self.lane[first : first + _AT_ONCE].any()) for first in range(0, len(self), _AT_ONCE))

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
    def tracks(self) -> Tracks:
        """Windows of single recordings in the order of time; for one thread."""
        return Tracks(self)

    @cached_property
    def spread(self) -> tuple[np.ndarray, np.ndarray]:
        """What the usual window is like: unit vectors `[item dim]` of up to 1,000 windows spread evenly over the space,
        without damaged ones, and which of them are silence, bool `[item]`.
        """
        places = np.unique(np.linspace(0, len(self) - 1, min(len(self), _SPREAD)).round().astype(np.int64))
        vectors = self.vectors(places)
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        return unit_float32(vectors), self.is_silence(vectors)

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray]:
        """Stretches of windows of one recording that follow each other, int64 `[run 2]` (first, behind the last), and
        their recordings, ascending; a recording's windows were written together, so there are about as many as these.
        """
        edges = [np.zeros(min(len(self), 1), np.int64)]
        for first in range(1, len(self), _AT_ONCE):
            last = min(first + _AT_ONCE, len(self))
            edges.append(first + np.flatnonzero(self.recording[first:last] != self.recording[first - 1 : last - 1]))
        starts = np.concatenate(edges)
        runs = (
            np.stack([starts, np.append(starts[1:], len(self))], axis=1) if len(starts) else np.zeros((0, 2), np.int64)
        )
        ids = np.asarray(self.recording[starts])
        order = np.argsort(ids, kind="stable")
        return runs[order], ids[order]

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
        if self.kind_of_search(passing) == "exact":
            assert allowed is not None  # all windows are never few
            return exact(self.vectors, queries, k, np.flatnonzero(allowed))
        scores, positions = self._index.search(queries, k, allowed, text, self.vectors)
        if (positions < 0).any() or positions.shape[1] < k:
            # Inverted lists found fewer than there are: look at all that may be found
            inside = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
            return exact(self.vectors, queries, k, inside)
        return scores, positions

    def kind_of_search(self, passing: int | None = None) -> str:
        """How a search finds its hits, where so many windows may be found (default: all).

        Returns:
            "exact": all of them are compared as they are stored; "flat": as fp16; "ivf" or "rabitq": the nearest
            inverted lists alone, with the recall that `refresh_index().recall` tells.
        """
        kind = self._index.kind
        few = passing is not None and (passing <= _EXACT_ROWS or passing <= _EXACT_SHARE * len(self))
        return "exact" if few and passing != len(self) and kind != "flat" else kind

    @property
    def needs_probes(self) -> bool:
        """Whether its next index is approximate, and there are no texts yet to measure its recall with."""
        approximate = self.policy.kind(len(self), self.space.dim) != "flat"
        return approximate and not (self._folder / PROBES).exists()

    def refresh_index(self, building: Building | None = None) -> SpaceIndex:
        """The index, built again and saved where the store has moved too far from it."""
        if building is not None:
            self.__dict__["_index"] = index_of(self, building)
        return self._index

    @cached_property
    def _index(self) -> SpaceIndex:
        return index_of(self)

    def outdated(self) -> bool:
        """Whether the windows have changed since this version."""
        now = read_head(self.store.folder / HEAD_NAME).spaces.get(self.name)
        return now is None or now.version != self.space.version

    def probes(self) -> np.ndarray | None:
        """Text vectors `[item dim]` that the recall of the index is measured with; None where there are none."""
        try:
            return read_probes(self._folder, self.space.dim)
        except MmascError as error:
            self.store.remark(f"{error}; the recall of the index is measured on windows alone")
            return None

    @property
    def _folder(self) -> Path:
        return self.store.space_folder(self.space.identity)


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
