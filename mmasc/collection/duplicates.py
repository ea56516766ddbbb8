"""`collection duplicates`: the same sound under several names, found by vectors and proved on the waveforms.

Vectors only name candidates: recordings with windows that are near each other, and files with the same bytes. Whether
two hold the same sound is decided by `mmasc.audio.similarity`. What is found is told, nothing is removed.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from mmasc.audio.comparable_files import ComparableFiles
from mmasc.audio.similarity import NO_MATCH, Compared, Match, match_compared
from mmasc.collection.copies import Facts, best_first, equally_long, facts_of, reason_to_keep
from mmasc.collection.filters import passing_windows
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.collection.stamps import DIGEST
from mmasc.errors import MmascError, show_path
from mmasc.windows.units import unit_float32

SIMILARITY = 0.8  # lossy coding at the lowest rates leaves 0.88 and more, two takes of one thing below 0.5
_NEAR_COSINE = 0.7  # of windows of two recordings that are worth a look
_NEIGHBOURS = 20  # of each window
_PARTNERS = 40  # of each recording: the nearest
_WINDOWS_AT_ONCE = 1_024
_TILE = 128  # recordings whose transforms are in memory together with those of as many others
_PREPARED_BYTES = 256 << 20
# A recording lies whole in another one if this share of it does, or all but so many seconds: encoders pad both ends
_WHOLE_SHARE, _PADDING_SECONDS = 0.98, 0.15


@dataclass(frozen=True)
class Copy:
    """A recording in a group of duplicates.

    Attributes:
        path: Where it lies now.
        keep: Whether to keep it: true for the first of a group, and for those that have something of their own.
        relation: To the recording that is kept: "kept", "same file" (the same bytes), "same sound", "part" (it lies
            whole in the other one), or "overlap" (each has something that the other one lacks).
        similarity: Absolute value of the normalised correlation with the kept one where they overlap, 0 to 1.
        offset: Where in the kept one it begins, in seconds; below 0 if it begins before.
        overlap: Length of what both have, in seconds.
        duration, sample_rate, channels, lossless, size: Facts of the file: seconds, Hz, number, whether its coding
            loses nothing, bytes.
        why: Why it is kept, or what it is a copy of, in words.
    """

    path: str
    keep: bool
    relation: str
    similarity: float
    offset: float
    overlap: float
    duration: float
    sample_rate: int
    channels: int
    lossless: bool
    size: int
    why: str


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        groups: Groups of two or more recordings, the one to keep first; in the order of their paths.
        compared: Number of pairs whose waveforms were compared.
        problems: One line for each recording that could not be read.
    """

    groups: list[list[Copy]]
    compared: int
    problems: list[str]

    @property
    def to_remove(self) -> int:
        """Number of recordings that need not be kept."""
        return sum(not copy.keep for group in self.groups for copy in group)


def find_duplicates(
    collection: Snapshot,
    threshold: float = SIMILARITY,
    space: str | None = None,
    where: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Duplicates:
    """Find recordings that hold the same sound: copies, re-coded, at another level or rate, cut out of one another.

    Of each group the recording to keep is the longest; among equally long ones the one with the most channels, then
    the highest sample rate, then a lossless one, then the one that was written first.

    Args:
        collection: Opened.
        threshold: Least similarity of two waveforms, 0 to 1, see `mmasc.audio.similarity.match_waveforms`.
        space: Space whose vectors name the candidates; default: the oldest.
        where: SQL on columns of recordings and windows: only those that pass are compared.
        progress: Called with the number of pairs done, and of all pairs.
    Raises:
        MmascError: If there is no such space, or `where` cannot be read.
        ValueError: If `threshold` is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    reader = collection.space(space)
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    chosen = reader.recording if allowed is None else reader.recording[allowed]
    rows = sorted(collection.row_of[int(one)] for one in np.unique(chosen))
    with ComparableFiles() as files:
        bench = _Bench(collection, files, threshold)
        rows = bench.present(rows)
        same_bytes = bench.same_bytes(rows)
        pairs = candidates(collection, reader, allowed)
        # Of files with the same bytes one is compared for all
        leader = {row: group[0] for group in same_bytes for row in group}
        wanted = {
            (min(one, other), max(one, other))
            for one, other in ((leader.get(a, a), leader.get(b, b)) for a, b in pairs)
            if one != other and not {one, other} & bench.problems.keys()
        }
        groups = _Groups(same_bytes)
        for done, (one, other) in enumerate(in_tiles(wanted)):
            progress(done, len(wanted))
            if bench.match(one, other).similarity >= threshold:
                groups.join(one, other)
        progress(len(wanted), len(wanted))
        found = [_judged(bench, group) for group in groups.all()]
    found.sort(key=lambda group: group[0].path)
    return Duplicates(found, len(bench.matches), list(bench.problems.values()))


def candidates(collection: Snapshot, reader: SpaceReader, allowed: np.ndarray | None = None) -> set[tuple[int, int]]:
    """Pairs of rows of recordings, the lower one first, that have windows near each other.

    Of every recording the nearest forty others, by the cosine of the nearest two windows; silence is near nothing.
    """
    pairs: set[tuple[int, int]] = set()
    order = np.argsort(reader.recording, kind="stable")
    order = order if allowed is None else order[allowed[order]]
    best: dict[int, float] = {}
    current = -1
    for first in range(0, len(order), _WINDOWS_AT_ONCE):
        positions = order[first : first + _WINDOWS_AT_ONCE]
        vectors = reader.vectors(positions)
        usable = np.isfinite(vectors).all(axis=1) & ~reader.is_silence(vectors) & vectors.any(axis=1)
        positions = positions[usable]
        scores, found = reader.search(unit_float32(vectors[usable]), _NEIGHBOURS + 1, allowed)
        for position, near, places in zip(positions, scores, found, strict=True):
            recording = int(reader.recording[position])
            if recording != current:
                pairs |= _nearest(collection, current, best)
                current, best = recording, {}
            for other, score in zip(reader.recording[places].tolist(), near.tolist(), strict=True):
                if other != recording and score >= _NEAR_COSINE:
                    best[other] = max(score, best.get(other, -1.0))
    return pairs | _nearest(collection, current, best)


def _nearest(collection: Snapshot, recording: int, best: dict[int, float]) -> set[tuple[int, int]]:
    """Pairs of rows of one recording and those nearest to it."""
    others = sorted(best, key=lambda other: (-best[other], other))[:_PARTNERS]
    rows = [(collection.row_of[recording], collection.row_of[other]) for other in others]
    return {(min(one, other), max(one, other)) for one, other in rows}


class _Bench:
    """Compares recordings by row of the table, each pair once; knows which files cannot be read."""

    def __init__(self, collection: Snapshot, files: ComparableFiles, threshold: float) -> None:
        table = collection.recordings
        self.stored = table.column("path").to_pylist()  # under the root, for people
        self.paths = [collection.path_of(path) for path in self.stored]
        self.digests = table.column(DIGEST).to_pylist()
        self.durations = table.column("duration").to_pylist()
        self.threshold = threshold
        self.matches: dict[tuple[int, int], Match] = {}
        self.problems: dict[int, str] = {}
        self._table, self._files = table, files
        self._prepared: OrderedDict[int, Compared] = OrderedDict()
        self._prepared_bytes = 0

    def present(self, rows: Iterable[int]) -> list[int]:
        """Rows whose files exist; the others are problems."""
        there = []
        for row in rows:
            if os.path.exists(self.paths[row]):
                there.append(row)
            else:
                self.problems[row] = f"{show_path(self.paths[row])}: no such file"
        return there

    def same_bytes(self, rows: Iterable[int]) -> list[list[int]]:
        """Groups of rows whose files hold the same bytes."""
        groups: dict[bytes, list[int]] = {}
        for row in rows:
            if self.digests[row] is not None:
                groups.setdefault(self.digests[row], []).append(row)
        return [group for group in groups.values() if len(group) > 1]

    def match(self, one: int, other: int) -> Match:
        """How `other` lies in `one`; no match if one of them cannot be read."""
        if one > other:
            return self.match(other, one).turned()
        if self.digests[one] is not None and self.digests[one] == self.digests[other]:
            return Match(1.0, 0.0, self.durations[one], 1.0)
        if (one, other) not in self.matches:
            waveforms = [self._waveform(row) for row in (one, other)]
            whole = all(waveform is not None for waveform in waveforms)
            self.matches[one, other] = match_compared(*waveforms) if whole else NO_MATCH  # type: ignore[arg-type]
        return self.matches[one, other]

    def facts(self, row: int) -> Facts:
        """Facts of the file of a row."""
        return facts_of(self.paths[row], self._table.slice(row, 1).to_pylist()[0])

    def _waveform(self, row: int) -> Compared | None:
        if row in self.problems:
            return None
        if row not in self._prepared:
            try:
                self._prepared[row] = Compared(self._files.get(self.paths[row]))
            except (MmascError, OSError) as error:
                self.problems[row] = (
                    str(error) if isinstance(error, MmascError) else f"{show_path(self.paths[row])}: {error}"
                )
                return None
            self._prepared_bytes = sum(one.nbytes for one in self._prepared.values())
            while self._prepared_bytes > _PREPARED_BYTES and len(self._prepared) > 2:
                self._prepared_bytes -= self._prepared.popitem(last=False)[1].nbytes
        self._prepared.move_to_end(row)
        return self._prepared[row]


def in_tiles(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of rows in an order in which few rows come again late: what is kept of them is used often."""
    return sorted(pairs, key=lambda pair: (pair[0] // _TILE, pair[1] // _TILE, pair))


class _Groups:
    """Rows that belong together (union and find)."""

    def __init__(self, groups: Iterable[list[int]]) -> None:
        self._parent: dict[int, int] = {}
        for group in groups:
            for row in group[1:]:
                self.join(group[0], row)

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parent[second] = first

    def all(self) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for row in sorted(self._parent):
            groups.setdefault(self._root(row), []).append(row)
        return list(groups.values())

    def _root(self, row: int) -> int:
        self._parent.setdefault(row, row)
        while self._parent[row] != row:
            row = self._parent[row]
        return row


def _judged(bench: _Bench, rows: list[int]) -> list[Copy]:
    """The members of a group, the best first: each is a copy of one that is kept, or is kept itself."""
    facts = {row: bench.facts(row) for row in rows}
    kept: list[int] = []
    copies = []
    for row in best_first(facts):
        own = facts[row]
        found = [(bench.match(keeper, row), keeper) for keeper in kept]
        found = [(match, keeper) for match, keeper in found if match.similarity >= bench.threshold]
        whole = [(match, keeper) for match, keeper in found if _is_whole(match, own.duration)]
        # Of several that are kept, the best one that holds it whole
        match, keeper = (whole or found or [(NO_MATCH, -1)])[0]
        if not kept:
            relation, why = "kept", reason_to_keep(own, [facts[other] for other in rows if other != row])
        elif whole:
            relation = _relation(bench, keeper, row)
            why = f"{relation} as" if relation.startswith("same") else "part of"
            why += f" {show_path(bench.stored[keeper])}"
        elif found:
            relation, why = "overlap", f"only {match.overlap:.1f} s of it are in {show_path(bench.stored[keeper])}"
        else:
            relation, why = "overlap", "overlaps with copies only, not with what is kept"
        keep = not whole
        if keep:
            kept.append(row)
        similarity = 1.0 if relation == "kept" else match.similarity
        overlap = own.duration if relation == "kept" else match.overlap
        copies.append(
            Copy(
                path=own.path,
                keep=keep,
                relation=relation,
                similarity=similarity,
                offset=match.offset,
                overlap=overlap,
                duration=own.duration,
                sample_rate=own.sample_rate,
                channels=own.channels,
                lossless=own.lossless,
                size=own.size,
                why=why,
            )
        )
    return copies


def _is_whole(match: Match, duration: float) -> bool:
    return match.overlap >= min(_WHOLE_SHARE * duration, max(duration - _PADDING_SECONDS, 0.9 * duration))


def _relation(bench: _Bench, keeper: int, row: int) -> str:
    if bench.digests[row] is not None and bench.digests[row] == bench.digests[keeper]:
        return "same file"
    return "same sound" if equally_long(bench.durations[row], bench.durations[keeper]) else "part"
