"""Filters of a request → which windows of a space may be found.

What may take long (conditions in SQL, heads) is worked out in the thread of the request, so that nobody else waits.
"""

import threading
from datetime import date

import numpy as np
from jaxtyping import Bool, Int

from mmasc.collection.filters import passing_windows
from mmasc.collection.space import SpaceReader
from mmasc.collection.touched_windows import touched_windows
from mmasc.web.bodies import Filters, HeadScore
from mmasc.web.faults import Refused
from mmasc.web.head_scores import head_scores
from mmasc.web.places import inside_polygon
from mmasc.web.state import Session

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_WHERE_SECONDS = 5.0
_AT_ONCE = threading.BoundedSemaphore(2)  # conditions


def takes_long(filters: Filters, where: str | None) -> bool:
    """Whether `passing_beforehand` has anything to work out."""
    return bool(where and where.strip()) or filters.head is not None or filters.inside is not None


def passing_beforehand(
    session: Session, reader: SpaceReader, filters: Filters, where: str | None
) -> Bool[np.ndarray, " window"] | None:
    """Which windows pass a condition, what a head says and a part of the map; None where all do.

    For any thread but the worker's.

    Raises:
        Refused: If there is no such head or label, or the condition takes longer than 5 s.
        MmascError: If `where` cannot be read, or the head is of another space.
    """
    parts = []
    if where is not None and where.strip():
        parts.append(_passing(session, reader, where))
    if filters.head is not None:
        parts.append(_passing_head(session, reader, filters.head))
    if filters.inside is not None:
        parts.append(inside_polygon(session.maps.of(reader).result(), np.array(filters.inside)))
    return np.logical_and.reduce(parts) if parts else None


def allowed_windows(
    session: Session, reader: SpaceReader, filters: Filters, passed: Bool[np.ndarray, " window"] | None
) -> Bool[np.ndarray, " window"] | None:
    """Which windows pass everything; None where all do. For the worker's thread.

    Args:
        session, reader, filters: Where, and what is wanted.
        passed: What `passing_beforehand` gave.
    Raises:
        Refused: If days cannot be read, or clocks are asked for and not known.
    """
    parts = [] if passed is None else [passed]
    if filters.length is not None:
        parts.append(_as_long(session, filters.length)[window_rows(session, reader)])
    if filters.site is not None:
        parts.append(_at_sites(session, filters.site)[window_rows(session, reader)])
    if filters.begin is not None or filters.to is not None or filters.hours is not None:
        parts.append(_in_time(session, reader, filters))
    if filters.label is not None:
        parts.append(labelled(session, reader, filters.label))
    if filters.reviewed is not None:
        parts.append(labelled(session, reader, None) == filters.reviewed)
    return np.logical_and.reduce(parts) if parts else None


def window_rows(session: Session, reader: SpaceReader) -> Int[np.ndarray, " window"]:
    """Row in the table of recordings of each window."""
    ids = session.view.ids
    order = np.argsort(ids, kind="stable")
    places = np.searchsorted(ids[order], reader.recording)
    return order[np.minimum(places, max(len(ids) - 1, 0))]


def labelled(session: Session, reader: SpaceReader, label: str | None) -> Bool[np.ndarray, " window"]:
    """Windows that share time with an annotation: with this label (present, or unsure), or with any."""
    return touched_windows(reader, session.marks(), label)


def _passing(session: Session, reader: SpaceReader, where: str) -> Bool[np.ndarray, " window"]:
    table = session.view.table
    if not _AT_ONCE.acquire(timeout=_WHERE_SECONDS):
        raise Refused(503, "other conditions are being worked out; try again")
    try:
        return passing_windows(where, table, reader, _WHERE_SECONDS)
    finally:
        _AT_ONCE.release()


def _passing_head(session: Session, reader: SpaceReader, asked: HeadScore) -> Bool[np.ndarray, " window"]:
    scores = head_scores(session, reader, asked.name, asked.label)
    with np.errstate(invalid="ignore"):
        return (scores >= asked.least) & (scores <= asked.most)


def _as_long(session: Session, length: tuple[float | None, float | None]) -> Bool[np.ndarray, " recording"]:
    least, most = length
    durations = session.view.durations
    return (durations >= (least or 0.0)) & (durations <= (np.inf if most is None else most))


def _at_sites(session: Session, sites: list[str]) -> Bool[np.ndarray, " recording"]:
    table = session.view.table
    if "site" not in table.column_names:
        raise Refused(422, "the recordings have no sites; they are read with: mmasc collection clock")
    wanted = set(sites)
    return np.array([value is not None and str(value) in wanted for value in table.column("site").to_pylist()], bool)


def _in_time(session: Session, reader: SpaceReader, filters: Filters) -> Bool[np.ndarray, " window"]:
    begins = session.view.begins
    if np.isnat(begins).all():
        raise Refused(422, "no clock of the recordings is known; they are read with: mmasc collection clock")
    begin = begins[window_rows(session, reader)]
    passed = ~np.isnat(begin)
    clock = begin + (reader.start * 1e6).astype("timedelta64[us]")
    if filters.begin is not None:
        passed &= clock >= _day(filters.begin)
    if filters.to is not None:
        passed &= clock < _day(filters.to) + np.timedelta64(1, "D")
    if filters.hours is not None:
        low, high = filters.hours
        hour = (np.where(passed, clock, np.datetime64(0, "us")).astype(np.int64) % _DAY_US) / _HOUR_US
        passed &= (hour >= low) & (hour < high) if low <= high else (hour >= low) | (hour < high)
    return passed


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(date.fromisoformat(text), "us")
    except ValueError as error:
        raise Refused(422, f"{text} is not a day; write it as 2024-05-31") from error
