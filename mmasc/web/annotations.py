"""`/api/annotations`: labels of moments. They are on the disk before the answer is sent."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query

from mmasc.collection.annotations import VERDICTS, Annotation
from mmasc.errors import show_path
from mmasc.web.about import label_counts
from mmasc.web.bodies import Change, Ids, NewAnnotations, Rename, Steps
from mmasc.web.faults import Refused
from mmasc.web.state import Session

_MOST = 10_000


def annotation_object(session: Session, one: Annotation) -> dict[str, Any]:
    """An annotation as the page shows it."""
    return {
        "id": one.id,
        "recording": str(one.recording),
        "path_shown": show_path(session.view.paths[session.view.rows[one.recording]]),
        "start": one.start,
        "end": one.end,
        "label": one.label,
        "verdict": one.verdict,
        "by": one.by,
        "score": one.score,
        "at": one.at,
        "question": one.question,
        "note": one.note,
    }


def annotation_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/annotations")
    def listed(
        recording: str | None = None,
        label: str | None = None,
        by: str | None = None,
        verdict: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
    ) -> dict[str, Any]:
        if verdict is not None and verdict not in VERDICTS:
            raise Refused(422, f"verdict must be one of {', '.join(VERDICTS)}")
        one = None if recording is None else _id(session, recording)
        return session.call(lambda opened: _found(session, opened.annotations.all(label, one, by, verdict), limit))

    @router.post("/api/annotations")
    def add(asked: NewAnnotations) -> dict[str, Any]:
        session.check_writable()
        by = asked.by or session.by
        new = [
            Annotation(recording=_id(session, one.recording), by=by, **one.model_dump(exclude={"recording"}))
            for one in asked.annotations
        ]
        return session.call(lambda _: {"ids": _added(session, new), "labels": label_counts(session)})

    @router.patch("/api/annotations")
    def change(asked: Change) -> dict[str, Any]:
        session.check_writable()
        return session.call(lambda _: _changed(session, asked))

    @router.delete("/api/annotations")
    def remove(asked: Ids) -> dict[str, Any]:
        session.check_writable()

        def work(opened: Any) -> dict[str, Any]:
            _of(session, asked.ids)
            return {"removed": opened.annotations.remove(asked.ids), "labels": label_counts(session)}

        return session.call(work)

    @router.post("/api/annotations/undo")
    def undo(asked: Steps) -> dict[str, Any]:
        session.check_writable()
        return session.call(
            lambda opened: {"undone": opened.annotations.undo(asked.n, asked.ids), "labels": label_counts(session)}
        )

    @router.post("/api/annotations/redo")
    def redo(asked: Steps) -> dict[str, Any]:
        session.check_writable()
        return session.call(
            lambda opened: {"undone": opened.annotations.redo(asked.n, asked.ids), "labels": label_counts(session)}
        )

    @router.post("/api/annotations/rename")
    def rename(asked: Rename) -> dict[str, Any]:
        session.check_writable()
        return session.call(
            lambda opened: {
                "renamed": opened.annotations.rename(asked.old, asked.new),
                "labels": label_counts(session),
            }
        )

    return router


def _id(session: Session, recording: str) -> int:
    return int(session.view.ids[session.view.row(recording)])


def _found(session: Session, found: list[Annotation], limit: int) -> dict[str, Any]:
    return {"total": len(found), "annotations": [annotation_object(session, one) for one in found[:limit]]}


def _of(session: Session, ids: list[str]) -> list[Annotation]:
    """Annotations by id, in order.

    Raises:
        Refused: If one is gone.
    """
    wanted = set(ids)
    there = {one.id: one for marks in session.marks().values() for one in marks if one.id in wanted}
    if wanted - there.keys():
        raise Refused(404, "an annotation does not exist any more; load the page again")
    return [there[one] for one in dict.fromkeys(ids)]


def _added(session: Session, new: list[Annotation]) -> list[str]:
    """Add annotations; those whose ids are there were sent once already, and stay as they are. Their ids, in order.

    Raises:
        Refused: If an id is that of an annotation of another moment or label.
    """
    wanted = {one.id for one in new if one.id}
    there = {one.id: one for marks in session.marks().values() for one in marks if one.id in wanted}
    for one in new:
        known = there.get(one.id)
        if known is not None and (known.recording, known.label) != (one.recording, one.label):
            raise Refused(409, "an annotation has this id already; send another one")
    fresh = iter(session.collection.annotations.add(one for one in new if one.id not in there))
    return [one.id if one.id in there else next(fresh) for one in new]


def _changed(session: Session, asked: Change) -> dict[str, Any]:
    """Annotations with other values, under their ids, in one change that can be undone."""
    values = {name: value for name, value in asked.model_dump(exclude={"ids"}).items() if value is not None}
    if not values:
        raise Refused(422, "nothing to change: give a label, a verdict, a start, an end or a note")
    changed = [replace(one, **values) for one in _of(session, asked.ids)]
    return {"ids": session.collection.annotations.add(changed), "labels": label_counts(session)}
