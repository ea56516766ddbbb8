"""A thread that does one task after the other, and does not keep the process alive."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Worker:
    """Does what is submitted, in order, in one thread.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Do this when what was submitted before is done."""
        future: Future[Any] = Future()
        self._waiting.put((future, work, arguments))
        return future

    def drop(self) -> None:
        """Cancel what has not begun."""
        while True:
            try:
                self._waiting.get_nowait()[0].cancel()
            except queue.Empty:
                return

    def _run(self) -> None:
        while True:
            future, work, arguments = self._waiting.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # it is raised where the result is asked for
                future.set_exception(error)
            finally:
                del future, work, arguments
