"""`/api/recordings`: the list, one of them with its annotations, and its loudness over time for a strip."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from mmasc.audio.decode import open_audio
from mmasc.errors import show_path
from mmasc.printing import plain
from mmasc.web.annotations import annotation_object
from mmasc.web.cache import file_stamp
from mmasc.web.state import Session
from mmasc.web.view import CLOCKS


def recording_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/recordings")
    def listed(
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        q: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        view, wanted = session.view, q.casefold()
        rows = [row for row in view.by_path if wanted in view.paths[row].casefold()] if q else view.by_path
        counts = session.counts()
        shown = [recording_object(session, row, counts) for row in rows[offset : offset + limit]]
        return {"total": len(rows), "recordings": shown}

    @router.get("/api/recordings/{recording}")
    def one(recording: str) -> dict[str, Any]:
        row = session.view.row(recording)
        return session.call(lambda _: _details_of(session, row))

    @router.get("/api/recordings/{recording}/overview")
    def overview(recording: str, width: Annotated[int, Query(ge=8, le=2_400)] = 600) -> dict[str, Any]:
        path, duration = session.view.file(recording)

        def make(target: Path) -> None:
            target.write_text(json.dumps(peaks_of(path, duration, width)))

        stamp = file_stamp(path)
        return json.loads(session.cache.get(f"overview {recording} {stamp} {width}", ".json", make).read_text())

    return router


def recording_object(session: Session, row: int, counts: dict[int, int]) -> dict[str, Any]:
    """A recording as the page shows it."""
    view = session.view
    table, begin = view.table, view.begins[row]
    values = {name: plain(table.column(name)[row].as_py()) for name in view.own}
    return {
        "id": str(view.ids[row]),
        "name": show_path(Path(view.paths[row]).name),
        "path_shown": show_path(view.paths[row]),
        "duration": float(view.durations[row]),
        "sample_rate": table.column("sample_rate")[row].as_py(),
        "channels": table.column("channels")[row].as_py(),
        "site": values.get("site"),
        "recorded_at": None if np.isnat(begin) else str(begin).replace("T", " ")[:19],
        "metadata": {name: value for name, value in values.items() if name not in CLOCKS},
        "annotations": counts.get(int(view.ids[row]), 0),
    }


def _details_of(session: Session, row: int) -> dict[str, Any]:
    view, marks = session.view, session.marks()
    recording = int(view.ids[row])
    own = marks.get(recording, [])
    place = view.by_path.index(row)
    order = [view.by_path[other] if 0 <= other < len(view.ids) else None for other in (place - 1, place + 1)]
    before, after = (None if other is None else str(view.ids[other]) for other in order)
    return {
        **recording_object(session, row, {}),
        "events": None,
        "annotations": [annotation_object(session, one) for one in own],
        "neighbours": {"previous": before, "next": after},
    }


def peaks_of(path: Path, duration: float, width: int) -> dict[str, Any]:
    """The loudest sample (0 to 1) in each of `width` equal stretches of a recording, read block by block.

    Raises:
        MmascError: If it cannot be read.
    """
    peaks = np.zeros(width, np.float32)
    frame = 0
    with open_audio(path) as file:
        total = max(duration * file.sample_rate, 1.0)
        for block in file.blocks(10.0):
            loud = np.abs(block).max(axis=0)
            first, last = (min(int(at / total * width), width - 1) for at in (frame, frame + len(loud) - 1))
            # Where each column of this block begins in it
            edges = np.ceil(np.arange(first + 1, last + 1) * total / width).astype(np.int64) - frame
            starts = np.concatenate([[0], np.clip(edges, 0, len(loud) - 1)])
            peaks[first : last + 1] = np.maximum(peaks[first : last + 1], np.maximum.reduceat(loud, starts))
            frame += len(loud)
        seconds = frame / file.sample_rate
    return {"columns": width, "peaks": np.round(peaks.clip(0, 1), 4).tolist(), "seconds": seconds}
