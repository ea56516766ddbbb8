"""A hit: what a search found, with attributes for those who write Python and as a mapping for tables and JSON."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn


class Hit(dict[str, Any]):
    """One window that a search found. Reads as a mapping, too; neither way can it be changed.

    As a mapping it holds the attributes by name, `lane` only where there are several, then the recording's own columns
    (times as texts), and `clock` at the end where it is known: `pandas.DataFrame(hits)` makes a table of hits,
    `json.dumps(hits)` a text, `dict(hit)` what can be changed.

    Attributes:
        rank: 1 for the best.
        path: Where the recording lies now.
        start, end: Start and end of the window, in seconds.
        score: Mean cosine to what was asked for less mean cosine to what was not, in [-2, 2].
        duplicate: Whether the hit is the query itself, or a copy of it.
        lane: Which lane of the channel policy the window comes from; None where there is one only.
        columns: The recording's own columns, by name; read-only.
        clock: When the window began, as "2024-05-01 04:13:20"; None where it is not known, or where a column of the
            user's own has that name.
    """

    __slots__ = ("clock", "columns", "duplicate", "end", "lane", "path", "rank", "score", "start")
    rank: int
    path: str
    start: float
    end: float
    score: float
    duplicate: bool
    lane: int | None
    columns: Mapping[str, Any]
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
        clock: str | None = None,
    ) -> None:
        own = dict(columns or {})
        clock = None if "clock" in own else clock or None
        named = {"rank": rank, "path": path, "start": start, "end": end, "score": score, "duplicate": duplicate}
        super().__init__(
            {**named, **({} if lane is None else {"lane": lane}), **own, **({} if clock is None else {"clock": clock})}
        )
        for name, value in {**named, "lane": lane, "columns": MappingProxyType(own), "clock": clock}.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Hit({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __reduce__(self) -> tuple[type["Hit"], tuple[Any, ...]]:
        """For pickle and copy, which would fill in a dictionary item by item."""
        named = (self.rank, self.path, self.start, self.end, self.score, self.duplicate, self.lane)
        return type(self), (*named, dict(self.columns), self.clock)

    def _refuse(self, *given: Any, **named: Any) -> NoReturn:
        raise TypeError("a hit cannot be changed; change a copy of it: dict(hit)")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
