"""Several collections in one server: each has a name, and its endpoints are under /api/in/NAME."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mmasc.web.state import Session

PREFIX = "/api/in/"
_MOST = 40  # characters of a name


def names_of(folders: Sequence[str]) -> list[str]:
    """A name for each collection that can stand in an address: that of its folder, with a number where it is taken."""
    names: list[str] = []
    for folder in folders:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", folder).strip("-")[:_MOST] or "collection"
        name, number = plain, 2
        while name in names:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names


class Rooms:
    """Hands a request to the application of its collection.

    Args:
        apps: Applications by name; the first answers what names none.
    """

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = dict(apps)
        self._first = next(iter(self._apps.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._first(scope, receive, send)
            return
        name, slash, rest = scope["path"].removeprefix(PREFIX).partition("/")
        if name not in self._apps or not slash:
            await JSONResponse({"error": "there is no such collection here"}, 404)(scope, receive, send)
            return
        path = f"/api/{rest}"
        await self._apps[name]({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def room_router(session: Session, named: Mapping[str, Session]) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/collections")
    def listed() -> dict[str, Any]:
        shown = [{"key": key, "name": one.name, "state": one.state} for key, one in named.items()]
        return {"here": next(key for key, one in named.items() if one is session), "collections": shown}

    return router
