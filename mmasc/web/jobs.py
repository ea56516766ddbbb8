"""Long work in the background: one job after the other in its own thread, with progress, and to be cancelled."""

import queue
import secrets
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.web.faults import Refused
from mmasc.web.state import Session

_KEPT = 50  # jobs that ended and can still be asked for


class Cancelled(Exception):  # noqa: N818  not a fault
    """A job was cancelled."""


@dataclass
class Job:
    """A piece of work.

    Attributes:
        key: Its id.
        kind: What it does; of one kind and subject, a new job takes the place of those that wait or run.
        state: "waiting", "running", "done", "failed" or "cancelled".
        done, total: How far it is.
        text: What it does now, or why it failed, in words.
        result: What came out.
    """

    key: str
    kind: str
    state: str = "waiting"
    done: int = 0
    total: int = 0
    text: str = ""
    result: Any = None
    cancel: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how far it is.

        Raises:
            Cancelled: If it is to end.
        """
        if self.cancel.is_set():
            raise Cancelled
        self.done, self.total, self.text = done, total, text or self.text

    def as_object(self) -> dict[str, Any]:
        """What clients see."""
        return {
            "job": self.key,
            "kind": self.kind,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "text": self.text,
            "result": self.result,
        }


class Jobs:
    """The jobs of a session, done in order by one thread, which ends with the process.

    Args:
        session: Whose collection they work on.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[Job, Callable[[Job], Any]]] = queue.Queue()
        self._thread: threading.Thread | None = None

    def start(self, kind: str, work: Callable[[Job], Any]) -> Job:
        """Put a job into the queue; older ones of its kind are cancelled.

        Args:
            kind: What it does, and of what.
            work: Does it; calls `Job.progress` often enough to be cancelled.
        """
        job = Job(secrets.token_hex(8), kind)
        with self._lock:
            for other in self._known.values():
                if other.kind == kind and other.state in ("waiting", "running"):
                    other.cancel.set()
            ended = [key for key, one in self._known.items() if one.state in ("done", "failed", "cancelled")]
            for key in ended[: max(len(ended) - _KEPT, 0)]:
                del self._known[key]
            self._known[job.key] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mmasc-jobs", daemon=True)
                self._thread.start()
        self._waiting.put((job, work))
        return job

    def get(self, key: str) -> Job:
        """A job by its id.

        Raises:
            Refused: If there is none.
        """
        with self._lock:
            if key not in self._known:
                raise Refused(404, "there is no such job any more")
            return self._known[key]

    def own_collection(self) -> Collection:
        """The collection once more, for the thread of the jobs alone."""
        return Collection(self._session.source)

    def _run(self) -> None:
        while True:
            job, work = self._waiting.get()
            if job.cancel.is_set():
                job.state = "cancelled"
                continue
            job.state = "running"
            try:
                job.result = work(job)
                job.state = "done"
            except Cancelled:
                job.state = "cancelled"
            except (MmascError, Refused, OSError) as error:
                job.state, job.text = "failed", " ".join(self._session.hidden(str(error)).split())
            except Exception as error:  # a fault of ours must not end the thread
                traceback.print_exception(error)
                job.state, job.text = "failed", f"a fault in mmasc ({type(error).__name__}); the terminal says more"


def job_router(jobs: Jobs) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/jobs/{key}")
    def state(key: str) -> dict[str, Any]:
        return jobs.get(key).as_object()

    @router.delete("/api/jobs/{key}")
    def cancel(key: str) -> dict[str, Any]:
        job = jobs.get(key)
        job.cancel.set()
        return job.as_object()

    return router
