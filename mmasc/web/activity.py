"""`GET /api/activity`: when a label was annotated, or a head heard something, next to what was recorded.

Annotations are counted at once. A head hears all recordings first, which is a job.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query

from mmasc.collection import Collection
from mmasc.web.about import heads_of
from mmasc.web.faults import Refused
from mmasc.web.jobs import Job, Jobs
from mmasc.web.state import HEADS_FOLDER, Session

if TYPE_CHECKING:
    from mmasc.studies.activity import Activity


def activity_object(found: "Activity") -> dict[str, Any]:
    """Detections of all labels and hours recorded, by day and bin of the day."""
    return {
        "hours": [found.clock_of(number) for number in range(found.recorded.shape[1])],
        "days": [str(day) for day in found.days],
        "counts": found.counts.sum(axis=0).tolist(),
        "recorded": found.recorded.round(6).tolist(),
        "labels": list(found.labels),
        "by_label": {label: found.counts[place].tolist() for place, label in enumerate(found.labels)},
        "bin_minutes": found.bin_minutes,
        "without_clock": found.without_clock,
    }


def activity_router(session: Session, jobs: Jobs) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/activity")
    def counted(
        label: str | None = None,
        head: str | None = None,
        bin_minutes: Annotated[int, Query(alias="bin", ge=1, le=1440)] = 60,
        threshold: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
        background: Literal["own"] | None = None,
    ) -> dict[str, Any]:
        if 1440 % bin_minutes:
            raise Refused(422, "bin must divide the 1440 minutes of a day")
        if head is not None and head not in {one["name"] for one in heads_of(session.folder)}:
            raise Refused(404, "there is no head of this name")
        labels = [label] if label else []
        if head is None:
            return session.call(lambda opened: _of_annotations(opened, labels, bin_minutes))
        path = session.folder / HEADS_FOLDER / f"{head}.head"
        how = {"threshold": threshold, "background": background}
        work = partial(_of_head, jobs=jobs, path=path, labels=labels, how=how, bin_minutes=bin_minutes)
        return {"job": jobs.start("activity", work).key}

    return router


def _of_annotations(collection: Collection, labels: list[str], bin_minutes: int) -> dict[str, Any]:
    from mmasc.studies.activity import activity  # late: it loads torch, which the first page does without
    from mmasc.studies.detections import annotated

    rows, _ = annotated(collection, labels)
    return activity_object(activity(collection, rows, bin_minutes=bin_minutes, labels=labels))


def _of_head(
    job: Job, jobs: Jobs, path: Path, labels: list[str], how: dict[str, Any], bin_minutes: int
) -> dict[str, Any]:
    from mmasc.studies.activity import activity  # late: it loads torch, which the first page does without
    from mmasc.studies.detections import of_head

    collection = jobs.own_collection()
    job.progress(0, len(collection.recordings), "applying the head")
    rows = of_head(collection, path, labels, **how, progress=job.progress)
    return activity_object(activity(collection, rows, bin_minutes=bin_minutes, labels=labels))
