"""`POST /api/export`: hits or annotations as a file for other programs, or cut out of the recordings in a ZIP."""

import math
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from mmasc.collection.clips import CLIPS_TABLE, cut_clips
from mmasc.collection.clock import clock_at
from mmasc.collection.label_exchange import label_rows
from mmasc.label_files.formats import rows_text
from mmasc.label_files.parquet import parquet_bytes
from mmasc.label_files.rows import LabelRow
from mmasc.remote.addresses import place_of
from mmasc.web.bodies import Export
from mmasc.web.faults import Refused
from mmasc.web.state import Session

_SUFFIXES = {
    "csv": "csv",
    "jsonl": "jsonl",
    "json": "json",
    "raven": "selections.txt",
    "audacity": "audacity.txt",
    "m3u": "m3u8",
    "parquet": "parquet",
    "clips": "zip",
}
_PRESENT_ALONE = ("audacity", "m3u")
_NO_LABEL = "hit"
_LEFT_OUT = "left_out.txt"  # in a ZIP of clips: why some are missing


def export_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.post("/api/export")
    def export(asked: Export) -> Response:
        rows = _hit_rows(session, asked) if asked.hits is not None else session.call(label_rows)
        if asked.format in _PRESENT_ALONE:
            rows = [row for row in rows if row.verdict == "present"]
        name = f"mmasc.{_SUFFIXES[asked.format]}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        if asked.format == "clips":
            return _clips(session, rows, asked.pad, headers)
        if asked.format == "parquet":
            return Response(parquet_bytes(rows), headers=headers, media_type="application/octet-stream")
        text = rows_text(rows, asked.format, paths=True)
        return Response(text.encode("utf-8", "surrogateescape"), headers=headers, media_type="text/plain")

    return router


def _hit_rows(session: Session, asked: Export) -> list[LabelRow]:
    """Hits as rows, with paths under the root."""
    view, rows = session.view, []
    for hit in asked.hits or ():
        row = view.row(hit.recording)
        if not hit.start < hit.end:
            raise Refused(422, "a hit must end after it starts")
        begin = view.begins[row].item()
        rows.append(
            LabelRow(
                view.paths[row],
                hit.start,
                min(hit.end, float(view.durations[row])),
                hit.label.strip() or _NO_LABEL,
                hit.score,
                clock=clock_at(begin, hit.start),
            )
        )
    return rows


def _clips(session: Session, rows: list[LabelRow], pad: float, headers: dict[str, str]) -> Response:
    """Clips and their table in a ZIP; the table names recordings by their paths under the root.

    What cannot be cut is named in a file of the ZIP, and the header X-Left-Out says how many recordings that are.
    """
    if not rows:
        raise Refused(422, "there is nothing to cut out")
    view = session.view
    whole = {path: place_of(view.head.root, path) for path in {row.path for row in rows}}
    seconds = dict(zip(view.paths, view.durations.tolist(), strict=True))
    durations = {whole[path]: seconds.get(path, math.inf) for path in whole}
    placed = [replace(row, path=whole[row.path]) for row in rows]
    with tempfile.TemporaryDirectory(dir=session.cache.folder) as folder:
        report = cut_clips(placed, Path(folder) / "clips", pad, pad, durations)
        if not report.clips:
            reason = report.failed[0][1] if report.failed else "none of them is present"
            raise Refused(422, f"nothing could be cut out: {reason}")
        target = Path(tempfile.mkstemp(suffix=".zip", dir=session.cache.folder)[1])
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for clip in report.clips:
                archive.write(Path(folder) / "clips" / clip.clip, clip.clip)
            table = (Path(folder) / "clips" / CLIPS_TABLE).read_text("utf-8", "surrogateescape")
            archive.writestr(CLIPS_TABLE, session.hidden(table).encode("utf-8", "surrogateescape"))
            if report.failed:
                reasons = "".join(f"{reason}\n" for _, reason in report.failed)
                archive.writestr(_LEFT_OUT, session.hidden(reasons).encode("utf-8", "surrogateescape"))
                headers = {**headers, "x-left-out": str(len(report.failed))}
    gone = BackgroundTask(target.unlink, missing_ok=True)
    return FileResponse(target, media_type="application/zip", headers=headers, background=gone)
