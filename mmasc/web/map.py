"""`/api/map`: all windows of a space as points; what is drawn is a sample where there are very many windows."""

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response
from jaxtyping import Bool, Int

from mmasc.collection.moments import Moment
from mmasc.collection.space import SpaceReader
from mmasc.studies.map_colours import LABEL, column_colours, label_colours
from mmasc.web.allowed import labelled, window_rows
from mmasc.web.anchors import anchors_of
from mmasc.web.bodies import Select, Words
from mmasc.web.faults import Refused
from mmasc.web.places import inside_polygon
from mmasc.web.search import hits_of
from mmasc.web.state import Session

_MOST_POINTS = 200_000
_MOST_WORDS = 80


def shown_points(count: int, always: Bool[np.ndarray, " window"]) -> Int[np.ndarray, " point"]:
    """Which windows are drawn: all, or of very many a fixed sample that holds those that always are."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    kept = np.flatnonzero(always)[:_MOST_POINTS]
    others = np.random.default_rng(0).permutation(np.flatnonzero(~always))[: _MOST_POINTS - len(kept)]
    return np.sort(np.concatenate([kept, others]))


def map_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/map")
    def points(space: str | None = None, colour: str | None = None) -> Response:
        reader = session.call(lambda _: session.reader(space))
        waiting = session.maps.of(reader)
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
        inside = np.flatnonzero(inside_polygon(session.maps.of(reader).result(), np.array(asked.polygon)))
        chosen = inside[np.unique(np.linspace(0, len(inside) - 1, min(len(inside), asked.k)).round().astype(int))]
        hits = session.call(lambda _: _hits(session, reader, chosen)) if len(inside) else []
        return {"positions": len(inside), "hits": hits}

    @router.get("/api/map/anchors")
    def anchors(
        space: str | None = None, text: Annotated[list[Words] | None, Query(max_length=_MOST_WORDS)] = None
    ) -> dict[str, Any]:
        reader = session.call(lambda _: session.reader(space))
        waiting = session.maps.of(reader)
        if not waiting.done():
            raise Refused(503, "the map is still being worked out")
        places = waiting.result()
        return session.call(lambda _: {"anchors": anchors_of(session, reader, places, text or [])})

    return router


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
    if column == LABEL:
        return *label_colours(reader, session.marks()), marked
    if column not in session.view.own:
        raise Refused(404, "the recordings have no such column")
    by_row, names = column_colours(session.view.table.column(column))
    return by_row[window_rows(session, reader)] if len(by_row) else codes, names, marked


def _answer(positions: np.ndarray, places: np.ndarray, codes: np.ndarray, names: list[str], ready: bool) -> Response:
    content = np.uint32(len(positions)).tobytes() + positions.tobytes() + places.tobytes() + codes.tobytes()
    # Headers are Latin letters: JSON writes the others as escapes
    headers = {"X-Colours": json.dumps(names), "X-Ready": str(int(ready))}
    return Response(content, headers=headers, media_type="application/octet-stream")
