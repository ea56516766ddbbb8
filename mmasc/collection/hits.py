"""A hit: what a search found, with attributes for those who write Python and as a mapping for tables and JSON."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from mmasc.label_files.rows import LabelRow


class Hit(dict[str, Any]):
    """A moment (or a window) that a search found. Reads as a mapping, too; it cannot be changed.

    As a mapping it holds the attributes by name, `lane` only where there are several, then the recording's own columns
    (times as texts), and `clock` at the end where it is known: `pandas.DataFrame(hits)` makes a table of hits,
    `json.dumps(hits)` a text, `dict(hit)` what can be changed.

    Attributes:
        rank: 1 for the best.
        path: Where the recording lies now.
        start, end: Start and end of the moment, in seconds: of all its windows together.
        score: Score of its best window: mean cosine to the queries less mean cosine to those against, in [-2, 2].
        duplicate: Whether the hit is the query itself, or a copy of it.
        lane: Which lane of the channel policy the window comes from; None where there is one only.
        columns: The recording's own columns, by name; read-only. Columns with the name of an attribute are only here.
        best_start, best_end: Start and end of its best window, in seconds: where to listen first.
        clock: When the hit begins, as "2024-05-01 04:13:20"; None where it is not known, or where a column of the
            user's own has that name.
    """

    __slots__ = (
        "best_end", "best_start", "clock", "columns", "duplicate", "end", "lane", "path", "rank", "score", "start"
    )  # fmt: skip
    rank: int
    path: str
    start: float
    end: float
    score: float
    duplicate: bool
    lane: int | None
    columns: Mapping[str, Any]
    best_start: float
    best_end: float
    clock: str | None

    def __init__(
        self,
        rank: int,
        path: str,
        start: float,
        end: float,
        score: float,
        duplicate: bool,
        lane: int | None = None,
        columns: Mapping[str, Any] | None = None,
        best_start: float | None = None,
        best_end: float | None = None,
        clock: str | None = None,
    ) -> None:
        own = dict(columns or {})
        clock = None if "clock" in own else clock or None
        named = {"rank": rank, "path": path, "start": start, "end": end, "score": score, "duplicate": duplicate}
        named["best_start"] = start if best_start is None else best_start
        named["best_end"] = end if best_end is None else best_end
        beside = {name: value for name, value in own.items() if name not in (*named, "lane")}
        said = {**({} if lane is None else {"lane": lane}), **beside, **({} if clock is None else {"clock": clock})}
        super().__init__({**named, **said})
        for name, value in {**named, "lane": lane, "columns": MappingProxyType(own), "clock": clock}.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Hit({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __reduce__(self) -> tuple[type["Hit"], tuple[Any, ...]]:
        """For pickle and copy, which would fill in a dictionary item by item."""
        named = (self.rank, self.path, self.start, self.end, self.score, self.duplicate, self.lane)
        return type(self), (*named, dict(self.columns), self.best_start, self.best_end, self.clock)

    def _refuse(self, *given: Any, **named: Any) -> NoReturn:
        raise TypeError("a hit cannot be changed; change a copy of it: dict(hit)")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def label_rows(hits: Iterable[Hit], label: str, best: bool = False) -> list[LabelRow]:
    """Hits as rows of label files, best first; the note says which part of a moment is the best.

    Args:
        hits: Hits of one search.
        label: What was asked for.
        best: Whether a row is the best window of a moment instead of the whole.
    """
    if best:
        return [LabelRow(hit.path, hit.best_start, hit.best_end, label, hit.score) for hit in hits]
    rows = []
    for hit in hits:
        joined = (hit.best_start, hit.best_end) != (hit.start, hit.end)
        note = f"best: {hit.best_start:.2f}-{hit.best_end:.2f} s" if joined else ""
        rows.append(LabelRow(hit.path, hit.start, hit.end, label, hit.score, note=note, clock=hit.clock or ""))
    return rows
