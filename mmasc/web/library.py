"""Jobs on the whole collection: duplicates, and more recordings from a folder of this machine."""

import os
from typing import Any

from fastapi import APIRouter

from mmasc.collection.report import EmbedReport
from mmasc.errors import show_path
from mmasc.remote.addresses import is_address
from mmasc.web.bodies import Add
from mmasc.web.faults import Refused
from mmasc.web.jobs import Job, Jobs
from mmasc.web.state import Session

_MOST_FAILED = 50


def library_router(session: Session, jobs: Jobs) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/duplicates")
    def duplicates() -> dict[str, Any]:
        _ = session.view
        return {"job": jobs.start("duplicates", lambda job: _duplicates(session, jobs, job)).key}

    @router.post("/api/add")
    def add(asked: Add) -> dict[str, Any]:
        session.check_writable()
        _ = session.view
        remote = is_address(asked.folder)
        folder = asked.folder if remote else os.path.abspath(os.path.expanduser(asked.folder))
        if "\0" in asked.folder or not (remote or os.path.isdir(folder)):
            raise Refused(404, "there is no such folder on this machine")
        return {"job": jobs.start("add", lambda job: _add(session, jobs, job, folder)).key}

    return router


def _duplicates(session: Session, jobs: Jobs, job: Job) -> dict[str, Any]:
    from mmasc.collection.duplicates import find_duplicates  # late: it loads torch, which the first page does without

    job.progress(0, 0, "comparing recordings")
    collection = jobs.own_collection()
    found = find_duplicates(collection, progress=lambda done, total: job.progress(done, total))
    paths, ids = (collection.recordings.column(name).to_pylist() for name in ("path", "id"))
    of = {collection.path_of(path): (one, path) for path, one in zip(paths, ids, strict=True)}
    return {
        "groups": [
            [
                {
                    "recording": str(of[copy.path][0]),
                    "path_shown": show_path(of[copy.path][1]),
                    "keep": copy.keep,
                    "relation": copy.relation,
                    "similarity": copy.similarity,
                    "offset": copy.offset,
                    "overlap": copy.overlap,
                    "duration": copy.duration,
                    "why": session.hidden(copy.why),
                }
                for copy in group
            ]
            for group in found.groups
        ],
        "compared": found.compared,
        "problems": [session.hidden(line) for line in found.problems],
    }


def _add(session: Session, jobs: Jobs, job: Job, folder: str) -> dict[str, Any]:
    """Embed what is below a folder; what was done until a cancel is kept."""
    job.progress(0, 0, "looking for sounds")

    def tell(report: EmbedReport) -> None:
        job.progress(report.done, report.found, "listening")

    try:
        report = jobs.own_collection().add([folder], progress=tell)
    finally:
        session.reload()
    failed = [
        {"name": os.path.basename(bad.path), "reason": hidden(session, bad.reason, folder)} for bad in report.failed
    ]
    return {
        "found": report.found,
        "added": report.added,
        "skipped": report.skipped,
        "windows": report.windows,
        "failed": failed[:_MOST_FAILED],
    }


def hidden(session: Session, reason: str, folder: str) -> str:
    """A reason without paths."""
    return session.hidden(reason.replace(folder + os.sep, "").replace(folder, os.path.basename(folder)))
