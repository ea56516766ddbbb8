"""Vectors of another program as they are handed over: rows that are checked before anything is stored."""

import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from mmasc.errors import MmascError, show_path
from mmasc.inputs import as_numbers, as_vectors
from mmasc.printing import counted

_AT_ONCE = 65_536


@dataclass(frozen=True)
class VectorRows:
    """Vectors with the moments that they are of.

    Attributes:
        vectors: float32 `[row dim]`; finite, none of them zero.
        paths: Recordings, each once, as they were named.
        of: Which of them each row is of, int64 `[row]`.
        starts, ends: Seconds, float64 `[row]`; finite, not negative, each end after its start.
    """

    vectors: Float32[np.ndarray, "row dim"]
    paths: list[str]
    of: Int[np.ndarray, " row"]
    starts: Float[np.ndarray, " row"]
    ends: Float[np.ndarray, " row"]

    @classmethod
    def checked(cls, vectors: Any, recordings: Any, starts: Any, ends: Any) -> "VectorRows":
        """From what a caller hands over, see `Collection.add_vectors`.

        Raises:
            ValueError: If shapes or types do not fit together.
            MmascError: If a row cannot be used; the line names it.
        """
        matrix = _matrix(vectors)
        count = len(matrix)
        names = _names(recordings, count)
        begin, end = _seconds(starts, "starts", count), _seconds(ends, "ends", count)
        refuse_row(begin >= end, lambda row: f"starts[{row}] is {begin[row]:g} s, its end {end[row]:g} s: not after it")
        known = {name: place for place, name in enumerate(dict.fromkeys(names))}
        of = np.fromiter((known[name] for name in names), np.int64, count)
        return cls(matrix, list(known), of, begin, end)

    def durations(self, given: Any) -> dict[str, float]:
        """Lengths of recordings in seconds, by name.

        Args:
            given: By name, or a number per row; None for none.
        Raises:
            MmascError: If a length is not above 0, or rows of one recording say two.
        """
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            seconds = _seconds(given, "durations", len(self.of))
            first = np.unique(self.of, return_index=True)[1]
            differs = seconds != seconds[first][self.of]
            refuse_row(differs, lambda row: f"durations[{row}] is not that of other rows of {self._shown(row)}")
            given = {path: seconds[row] for path, row in zip(self.paths, first, strict=True)}
        found = {os.fspath(path): _length(length) for path, length in given.items()}
        for (path, length), told in zip(found.items(), given.values(), strict=False):
            if not 0 < length < np.inf:
                raise MmascError(f"durations: {show_path(path)} must last more than 0 seconds, got {str(told)[:40]}")
        return found

    def _shown(self, row: int) -> str:
        return show_path(self.paths[self.of[row]])


def _length(seconds: Any) -> float:
    """A number as it is, anything else as NaN."""
    return float(seconds) if isinstance(seconds, numbers.Real) and not isinstance(seconds, bool) else float("nan")


def refuse_row(bad: Any, line: Callable[[int], str]) -> None:
    """Refuse rows that cannot be used.

    Args:
        bad: Which these are, bool `[row]`.
        line: Row → what is wrong with it, in one line; asked for the first.
    Raises:
        MmascError: If there are any.
    """
    if bad.any():
        more = int(bad.sum()) - 1
        raise MmascError(line(int(bad.argmax())) + (f" (and {counted(more, 'more row')})" if more else ""))


def checked_probes(probes: Any, dim: int) -> Float32[np.ndarray, "item dim"] | None:
    """Vectors that an index will be measured with; None where there are none.

    Raises:
        ValueError: If they have another width.
        MmascError: If one cannot be used.
    """
    found = None if probes is None else as_vectors(probes)
    if found is not None and found.shape[1] != dim:
        raise ValueError(f"probes must have {dim} numbers as the vectors have, got {found.shape[1]}")
    return found


def _matrix(vectors: Any) -> Float32[np.ndarray, "row dim"]:
    array = _array(vectors, "vectors")
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.shape[1]:
        raise ValueError(f"vectors must be numbers [row, dim], got {array.dtype} {list(array.shape)}")
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        matrix = array.astype(np.float32, copy=False)
    odd, zero = np.zeros(len(matrix), bool), np.zeros(len(matrix), bool)
    for first in range(0, len(matrix), _AT_ONCE):
        some, here = matrix[first : first + _AT_ONCE], slice(first, first + _AT_ONCE)
        odd[here], zero[here] = ~np.isfinite(some).all(axis=1), ~some.any(axis=1)
    refuse_row(odd, lambda row: f"vectors[{row}] holds NaN or infinity")
    refuse_row(zero, lambda row: f"vectors[{row}] is zero and has no direction")
    return matrix


def _array(values: Any, what: str) -> np.ndarray:
    try:
        return as_numbers(values)
    except ValueError as error:
        raise ValueError(f"{what}: {str(error).splitlines()[0]}") from error


def _names(recordings: Any, count: int) -> Sequence[str]:
    if isinstance(recordings, str | os.PathLike):
        return [os.fsdecode(recordings)] * count
    names: list[Any] = list(() if recordings is None else recordings)
    if len(names) != count:
        raise ValueError(f"recordings must be one path, or one per row: {count} rows, {len(names)} recordings")
    for row, name in enumerate(names):
        if not isinstance(name, str | os.PathLike) or not os.fspath(name):
            raise ValueError(f"recordings[{row}] must be a path, got {type(name).__name__} {str(name)[:40]!r}")
    return [os.fsdecode(name) for name in names]


def _seconds(values: Any, what: str, count: int) -> Float[np.ndarray, " row"]:
    array = _array(values, what)
    if array.shape != (count,) or array.dtype.kind not in "fiu":
        raise ValueError(f"{what} must be {count} numbers, one per row, got {array.dtype} {list(array.shape)}")
    seconds = array.astype(np.float64)
    refuse_row(~np.isfinite(seconds), lambda row: f"{what}[{row}] is {seconds[row]:g}, not a time")
    refuse_row(seconds < 0, lambda row: f"{what}[{row}] is {seconds[row]:g} s; times begin at 0")
    return seconds
