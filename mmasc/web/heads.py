"""Heads that the page keeps as files in the collection's folder, and what they find in all recordings."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from mmasc.collection import Collection
from mmasc.collection.clock import begins
from mmasc.errors import show_path
from mmasc.web.about import heads_of
from mmasc.web.activity import activity_object
from mmasc.web.bodies import Apply, KeepHead
from mmasc.web.faults import Refused
from mmasc.web.jobs import Job, Jobs
from mmasc.web.state import HEADS_FOLDER, Session

_SHOWN = 200  # recordings in the answer


def head_file(session: Session, name: str) -> Path:
    """The file of a head that was kept.

    Raises:
        Refused: If there is none of this name.
    """
    if name not in {one["name"] for one in heads_of(session.folder)}:
        raise Refused(404, "there is no head of this name")
    return session.folder / HEADS_FOLDER / f"{name}.head"


def head_router(session: Session, jobs: Jobs) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.post("/api/heads")
    def keep(asked: KeepHead) -> dict[str, Any]:
        session.check_writable()
        return _keep(session, asked)

    @router.post("/api/apply")
    def apply(asked: Apply) -> dict[str, Any]:
        path = head_file(session, asked.head)
        job = jobs.start(f"apply {asked.head}", lambda job: _apply(job, jobs.own_collection(), path, asked))
        return {"job": job.key}

    return router


def _keep(session: Session, asked: KeepHead) -> dict[str, Any]:
    """Fit a head and keep it; the worker's thread only reads what is labelled."""
    from mmasc.labelling.fit_moments import fit_windows  # late: it loads torch, which the first page does without
    from mmasc.labelling.moments import Moments, annotated_windows
    from mmasc.web.learning import learn_label, windows_to_learn

    target = session.folder / HEADS_FOLDER / f"{asked.name}.head"
    if target.exists() and not asked.replace:
        raise Refused(409, f"there is a head {asked.name!r} already; give another name")
    labels = asked.labels or ([asked.label] if asked.label else [])
    if not labels:
        raise Refused(422, "say which label the head is for")
    space = session.call(lambda _: session.reader(asked.space)).name
    if len(labels) == 1:
        learned = learn_label(*session.call(lambda opened: windows_to_learn(opened, labels[0], space)))
        if learned is None:
            raise Refused(422, f"nothing is known to be without {labels[0]!r}: say no to some moments")
        fitted = learned.fitted
    else:
        moments = Moments(labels=labels, space=space)
        fitted, _ = fit_windows(session.call(lambda opened: annotated_windows(opened, moments)))
    fitted.save(target)
    return {"name": asked.name, "labels": list(fitted.stamp.classes), "thresholds": list(fitted.stamp.thresholds or ())}


def _apply(job: Job, collection: Collection, path: Path, asked: Apply) -> dict[str, Any]:
    """What a head hears in all recordings."""
    from mmasc.labelling.apply import apply_head  # late: it loads torch, which the first page does without
    from mmasc.studies.activity import Detection, activity

    total = len(collection.recordings)
    job.progress(0, total, "applying the head")
    paths, ids = (collection.recordings.column(name).to_pylist() for name in ("path", "id"))
    place = {collection.path_of(one): row for row, one in enumerate(paths)}
    seconds: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    detections = []
    answers = apply_head(path, collection, timeline=True, threshold=asked.threshold, background=asked.background)
    for done, answer in enumerate(answers, 1):
        job.progress(done, total)
        row = place[answer.path]
        for event in answer.events:
            label = str(event.label)
            seconds[label] = seconds.get(label, 0.0) + event.end - event.start
            detections.append(Detection(ids[row], event.start, event.end, str(event.label)))
        if answer.events:
            heard = round(float(sum(event.end - event.start for event in answer.events)), 3)
            name, count = show_path(paths[row]), len(answer.events)
            rows.append({"recording": str(ids[row]), "name": name, "events": count, "seconds": heard})
    rows.sort(key=lambda one: -one["seconds"])
    clocks = any(one is not None for one in begins(collection.recordings))
    return {
        "recordings": len(rows),
        "of": total,
        "events": len(detections),
        "seconds": round(sum(seconds.values()), 3),
        "seconds_by_label": {label: round(value, 3) for label, value in seconds.items()},
        "activity": activity_object(activity(collection, detections)) if clocks and detections else None,
        "most": rows[:_SHOWN],
    }
