"""A number for each of very many ids, in two arrays: 16 bytes per id."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Int


class IdMap(Mapping[int, int]):
    """Numbers by id.

    Args:
        ids: int64 `[item]`; of several equal ones, which only damage makes, the last counts.
        values: int64 `[item]`; default: 0, 1, 2 and so on.
    """

    def __init__(self, ids: Int[np.ndarray, " item"], values: Int[np.ndarray, " item"] | None = None) -> None:
        order = np.argsort(ids, kind="stable")
        self._ids = ids[order]
        self._values = order if values is None else values[order]

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids.tolist())

    def __contains__(self, one: object) -> bool:
        whole = isinstance(one, int | np.integer) and not isinstance(one, bool)
        return whole and bool(self.find(np.array([one]))[1].all())

    def __getitem__(self, one: int) -> int:
        values, there = self.find(np.array([one], np.int64))
        if not there[0]:
            raise KeyError(one)
        return int(values[0])

    def find(self, ids: Int[np.ndarray, " item"]) -> tuple[Int[np.ndarray, " item"], Bool[np.ndarray, " item"]]:
        """Numbers of several ids, and which of them are there; the numbers of others mean nothing."""
        if not len(self._ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        where = np.maximum(np.searchsorted(self._ids, ids, "right") - 1, 0)
        return self._values[where], self._ids[where] == ids


def is_in(values: Int[np.ndarray, " item"], wanted: Int[np.ndarray, " number"]) -> Bool[np.ndarray, " item"]:
    """Which values are among some, which ascend."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    return wanted[np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)] == values
