"""`GET /api/recordings/ID/timeline`: scores of a head, a prompt file or words along a recording."""

from typing import Any

from fastapi import APIRouter

from mmasc.prompts.prompts import bundled_prompts
from mmasc.web.faults import Refused
from mmasc.web.state import Session


def timeline_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/recordings/{recording}/timeline")
    def timeline(
        recording: str,
        head: str | None = None,
        prompts: str | None = None,
        text: str | None = None,
        space: str | None = None,
    ) -> dict[str, Any]:
        row = session.view.row(recording)
        if sum(one is not None for one in (head, prompts, text)) != 1:
            raise Refused(422, "give one of head, prompts and text")
        if prompts is not None and prompts not in bundled_prompts():
            raise Refused(404, f"there is no prompt file of this name; there are: {', '.join(bundled_prompts())}")

        def work(_: Any) -> dict[str, Any]:
            from mmasc.web.timeline_scores import (
                by_head,
                by_prompts,
                of_labeller,
                of_text,
            )  # late: it loads torch, which the first page does without

            if text is not None:
                return of_text(session, session.reader(space), row, text)
            if head is not None:
                labeller, reader = by_head(session, head, space)
            else:
                assert prompts is not None
                labeller, reader = by_prompts(session, prompts, space)
            return of_labeller(session, reader, row, labeller)

        return session.call(work)

    return router
