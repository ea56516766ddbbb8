"""`/api/map`: all windows of a space as points, two principal axes of their vectors; a rough map, and quick.

Worked out in the background once for a space; what is drawn is a sample where there are very many windows.
"""

import json
from concurrent.futures import Future
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from jaxtyping import Bool, Float, Int

from mmasc.collection.moments import Moment
from mmasc.collection.space import SpaceReader
from mmasc.web.allowed import labelled, window_rows
from mmasc.web.bodies import Select
from mmasc.web.faults import Refused
from mmasc.web.search import hits_of
from mmasc.web.state import Session
from mmasc.web.worker import Worker
from mmasc.windows.units import unit_float32

_MOST_POINTS = 200_000
_MOST_COLOURS = 20
_AT_ONCE = 65_536
_LABEL = "label"  # colour by annotation instead of by a column


class Maps:
    """Positions on the maps of a session's spaces, by the reader that they belong to.

    Args:
        session: Whose collection.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._thread = Worker("mmasc-map")
        self._known: dict[tuple[str, int], Future[Float[np.ndarray, "window 2"]]] = {}

    def of(self, reader: SpaceReader) -> "Future[np.ndarray]":
        """Where each window lies, float32 `[window 2]`; begins to work it out, if that is not done yet."""
        key = (reader.name, reader.space.version or 0)
        if key not in self._known:
            for old in [one for one in self._known if one[0] == reader.name]:
                del self._known[old]
            self._known[key] = self._thread.submit(principal_axes, self._session, reader)
        return self._known[key]


def principal_axes(session: Session, reader: SpaceReader) -> Float[np.ndarray, "window 2"]:
    """Unit vectors on their first two principal axes, scaled together into [-1, 1].

    The sign of an axis is such that its largest coordinate is positive.
    """

    def pieces() -> Any:
        for first in range(0, len(reader), _AT_ONCE):
            some = np.arange(first, min(first + _AT_ONCE, len(reader)))
            yield some, unit_float32(np.nan_to_num(session.vectors(reader, some)))

    dim = reader.space.dim
    total, products = np.zeros(dim), np.zeros((dim, dim))
    for _, units in pieces():
        total += units.sum(axis=0, dtype=np.float64)
        products += units.T @ units
    mean = total / max(len(reader), 1)
    _, axes = np.linalg.eigh(products / max(len(reader), 1) - np.outer(mean, mean))
    best = axes[:, ::-1][:, :2].astype(np.float32)
    places = np.zeros((len(reader), 2), np.float32)
    for some, units in pieces():
        places[some, : best.shape[1]] = (units - mean.astype(np.float32)) @ best
    if len(places):
        places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1).astype(np.float32)
        places /= max(float(np.abs(places).max()), 1e-12)
    return places


def shown_points(count: int, always: Bool[np.ndarray, " window"]) -> Int[np.ndarray, " point"]:
    """Which windows are drawn: all, or of very many a fixed sample that holds those that always are."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    kept = np.flatnonzero(always)[:_MOST_POINTS]
    others = np.random.default_rng(0).permutation(np.flatnonzero(~always))[: _MOST_POINTS - len(kept)]
    return np.sort(np.concatenate([kept, others]))


def map_router(session: Session, maps: Maps) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/map")
    def points(space: str | None = None, colour: str | None = None) -> Response:
        reader = session.call(lambda _: session.reader(space))
        waiting = maps.of(reader)
        if not waiting.done():
            return _answer(np.zeros(0, np.uint32), np.zeros((0, 2), np.float32), np.zeros(0, np.uint8), [], False)
        places = waiting.result()
        codes, names, always = session.call(lambda _: _colours(session, reader, colour))
        chosen = shown_points(len(reader), always)
        return _answer(chosen.astype(np.uint32), places[chosen], codes[chosen], names, True)

    @router.get("/api/windows/{position}")
    def window(position: int, space: str | None = None) -> dict[str, Any]:
        return session.call(lambda _: _hits(session, session.reader(space), np.array([position]))[0])

    @router.post("/api/map/select")
    def select(asked: Select) -> dict[str, Any]:
        reader = session.call(lambda _: session.reader(asked.space))
        inside = np.flatnonzero(inside_polygon(maps.of(reader).result(), np.array(asked.polygon)))
        chosen = inside[np.unique(np.linspace(0, len(inside) - 1, min(len(inside), asked.k)).round().astype(int))]
        hits = session.call(lambda _: _hits(session, reader, chosen)) if len(inside) else []
        return {"positions": len(inside), "hits": hits}

    return router


def inside_polygon(points: Float[np.ndarray, "point 2"], polygon: np.ndarray) -> Bool[np.ndarray, " point"]:
    """Which points lie in a polygon `[corner 2]`: a ray to the right crosses its edges an odd number of times."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def _hits(session: Session, reader: SpaceReader, positions: np.ndarray) -> list[dict[str, Any]]:
    if len(positions) and not (positions.min() >= 0 and positions.max() < len(reader)):
        raise Refused(404, "there is no such window any more")
    moments = [
        Moment(position, float("nan"), float(reader.start[position]), float(reader.end[position]))
        for position in positions.tolist()
    ]
    return hits_of(session, reader, moments)


def _colours(
    session: Session, reader: SpaceReader, column: str | None
) -> tuple[np.ndarray, list[str], Bool[np.ndarray, " window"]]:
    """Number of the colour of each window, the names of the colours, and which windows are labelled.

    Colour 0 is that of everything else.
    """
    codes, marked = np.zeros(len(reader), np.uint8), labelled(session, reader, None)
    if not column:
        return codes, [""], marked
    if column == _LABEL:
        labels = sorted({one.label for some in session.marks().values() for one in some if one.verdict == "present"})
        for number, label in enumerate(labels[:_MOST_COLOURS], 1):
            codes[labelled(session, reader, label)] = number
        return codes, ["", *labels[:_MOST_COLOURS]], marked
    if column not in session.view.own:
        raise Refused(404, "the recordings have no such column")
    values = [None if one is None else str(one) for one in session.view.table.column(column).to_pylist()]
    counts: dict[str, int] = {}
    for value in values:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    names = sorted(sorted(counts), key=lambda name: -counts[name])[:_MOST_COLOURS]
    place = {name: number for number, name in enumerate(names, 1)}
    by_row = np.array([place.get(value, 0) if value is not None else 0 for value in values], np.uint8)
    return by_row[window_rows(session, reader)] if len(by_row) else codes, ["", *names], marked


def _answer(positions: np.ndarray, places: np.ndarray, codes: np.ndarray, names: list[str], ready: bool) -> Response:
    content = np.uint32(len(positions)).tobytes() + positions.tobytes() + places.tobytes() + codes.tobytes()
    # Headers are Latin letters: JSON writes the others as escapes
    headers = {"X-Colours": json.dumps(names), "X-Ready": str(int(ready))}
    return Response(content, headers=headers, media_type="application/octet-stream")
