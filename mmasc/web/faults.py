"""Errors as answers: one line of JSON with a status, without paths of this machine."""

import traceback
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mmasc.errors import MmascError

_UNREADABLE = 422
_MOST_FAULTS = 3


class Refused(Exception):  # noqa: N818  an answer, not a fault of the program
    """A request that is answered with an error.

    Args:
        status: Status of HTTP.
        message: One line that says what is wrong and the fix.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def add_handlers(app: FastAPI, hidden: Callable[[str], str]) -> None:
    """Answer every exception with `{"error": one line}`.

    Args:
        app: The application.
        hidden: Takes paths of the disk out of a text.
    """

    def answer(status: int, message: object) -> JSONResponse:
        line = " ".join(hidden(str(message)).split())
        return JSONResponse({"error": line}, status)

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> JSONResponse:
        return answer(error.status, error)

    @app.exception_handler(MmascError)
    def wrong(request: Request, error: MmascError) -> JSONResponse:
        return answer(_UNREADABLE, error)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(_UNREADABLE, "; ".join(map(_described, error.errors()[:_MOST_FAULTS])))

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, "there is no such thing here" if error.status_code == 404 else error.detail)

    @app.exception_handler(OSError)
    def of_disk(request: Request, error: OSError) -> JSONResponse:
        return answer(503, f"the disk says: {error.strerror or type(error).__name__}")

    @app.exception_handler(Exception)
    def unknown(request: Request, error: Exception) -> JSONResponse:
        traceback.print_exception(error)
        return answer(500, f"a fault in mmasc ({type(error).__name__}); the terminal says more")


def _described(fault: Any) -> str:
    """What is wrong with a field, without repeating what was sent."""
    place = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path"))
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
