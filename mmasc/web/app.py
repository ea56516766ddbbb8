"""The application: endpoints of all subjects, the files of the page, and the guard before everything."""

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response
from starlette.types import ASGIApp

from mmasc.version import __version__
from mmasc.web.about import about_router
from mmasc.web.activity import activity_router
from mmasc.web.annotations import annotation_router
from mmasc.web.export import export_router
from mmasc.web.faults import Refused, add_handlers
from mmasc.web.guard import Guard
from mmasc.web.heads import head_router
from mmasc.web.jobs import Jobs, job_router
from mmasc.web.keys import Keys
from mmasc.web.learn import Learner, learn_router
from mmasc.web.library import library_router
from mmasc.web.map import map_router
from mmasc.web.pictures import picture_router
from mmasc.web.recordings import recording_router
from mmasc.web.rooms import Rooms, names_of, room_router
from mmasc.web.search import search_router
from mmasc.web.sounds import sound_router
from mmasc.web.state import Session
from mmasc.web.timeline import timeline_router
from mmasc.web.uploads import Uploads, upload_router

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "png": "image/png",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.(html|css|js|svg|json|png)")
_NO_PAGE = "The page is not installed; the interface is described at /api/schema.json."


def make_app(sessions: Session | Sequence[Session], keys: Keys) -> ASGIApp:
    """The server as an ASGI application.

    Args:
        sessions: What it has open; `session.start()` loads one. The first answers under /api, each one under
            /api/in/NAME as well.
        keys: Port and secrets.
    """
    several = [sessions] if isinstance(sessions, Session) else list(sessions)
    named = dict(zip(names_of([one.name for one in several]), several, strict=True))
    uploads = Uploads(several[0].cache.folder)
    apps = {name: _app_of(session, keys, uploads, named) for name, session in named.items()}
    return Guard(Rooms(apps), keys)


def _app_of(session: Session, keys: Keys, uploads: Uploads, named: dict[str, Session]) -> FastAPI:
    """The endpoints over one collection."""
    app = FastAPI(
        title="mmasc serve",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/schema.json",
        redirect_slashes=False,
    )
    add_handlers(app, session.hidden)
    jobs = Jobs(session)
    routers = [
        about_router(session, keys),
        room_router(session, named),
        upload_router(session, uploads),
        search_router(session, uploads),
        sound_router(session),
        picture_router(session),
        annotation_router(session),
        learn_router(Learner(session, jobs)),
        head_router(session, jobs),
        job_router(jobs),
        recording_router(session),
        timeline_router(session),
        export_router(session),
        map_router(session),
        activity_router(session, jobs),
        library_router(session, jobs),
    ]
    for router in routers:
        app.include_router(router)
    _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    """The files of the page: those in the package, by name."""

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return _page_file("index.html") or Response(_NO_PAGE, 404, media_type="text/plain")

    @app.get("/app/{name}", include_in_schema=False)
    def asset(name: str) -> Response:
        found = _page_file(name)
        if found is None:
            raise Refused(404, "there is no such file of the page")
        return found

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(status_code=204)


def _page_file(name: str) -> Any:
    if not _NAME.fullmatch(name):
        return None
    file = files("mmasc.web") / "app" / name
    if not file.is_file():
        return None
    kind = _KINDS[name.rpartition(".")[2]]
    return Response(file.read_bytes(), headers={"cache-control": "no-cache"}, media_type=kind)
