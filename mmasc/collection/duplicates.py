"""`collection duplicates`: the same sound under several names, found by vectors and proved on the waveforms.

Vectors only name candidates: recordings with windows that are near each other, and files with the same bytes. Whether
two hold the same sound is decided by `mmasc.audio.similarity`. What is found is told, nothing is removed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from mmasc.audio.comparable_files import ComparableFiles
from mmasc.audio.similarity import NO_MATCH, Match
from mmasc.collection.copies import best_first, equally_long, reason_to_keep
from mmasc.collection.filters import passing_windows
from mmasc.collection.near_recordings import candidates
from mmasc.collection.pair_matches import PairMatches, in_tiles
from mmasc.collection.snapshot import Snapshot
from mmasc.errors import show_path

SIMILARITY = 0.8  # lossy coding at the lowest rates leaves 0.88 and more, two takes of one thing below 0.5
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
        bench = PairMatches(collection, files, threshold)
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


def _judged(bench: PairMatches, rows: list[int]) -> list[Copy]:
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


def _relation(bench: PairMatches, keeper: int, row: int) -> str:
    if bench.digests[row] is not None and bench.digests[row] == bench.digests[keeper]:
        return "same file"
    return "same sound" if equally_long(bench.durations[row], bench.durations[keeper]) else "part"
