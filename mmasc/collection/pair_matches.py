"""Pairs of recordings → how the waveform of one lies in that of the other, each pair compared once."""

from collections import OrderedDict
from collections.abc import Iterable

from mmasc.audio.comparable_files import ComparableFiles
from mmasc.audio.similarity import NO_MATCH, Compared, Match, match_compared
from mmasc.collection.copies import Facts, facts_of
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.stamps import DIGEST
from mmasc.errors import MmascError, show_path
from mmasc.remote.sightings import gone

_TILE = 128  # recordings whose transforms are in memory together with those of as many others
_PREPARED_BYTES = 256 << 20


class PairMatches:
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
        there, rows = [], list(rows)
        absent = dict(zip(rows, gone([self.paths[row] for row in rows]), strict=True))
        for row in rows:
            if absent[row]:
                self.problems[row] = f"{show_path(self.paths[row])}: no such file"
            else:
                there.append(row)
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
            self._prepared_bytes += self._prepared[row].nbytes
            while self._prepared_bytes > _PREPARED_BYTES and len(self._prepared) > 2:
                self._prepared_bytes -= self._prepared.popitem(last=False)[1].nbytes
        self._prepared.move_to_end(row)
        return self._prepared[row]


def in_tiles(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of rows in an order in which few rows come again late: what is kept of them is used often."""
    return sorted(pairs, key=lambda pair: (pair[0] // _TILE, pair[1] // _TILE, pair))
