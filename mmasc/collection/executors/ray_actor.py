"""A worker as an actor of Ray. Nothing heavy is imported with this file: the environment is set first."""

import os
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any


class Actor:
    """What Ray keeps alive on a machine of the cluster: a `Worker`, or why there is none.

    Args:
        recipe: How files are embedded, a `Recipe`.
        threads: Threads of torch; None leaves them to it, as on a GPU.
    """

    def __init__(self, recipe: Any, threads: int | None) -> None:
        if threads is not None:
            os.environ.update({"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)})
        import torch

        from mmasc.collection.executors.worker import Worker
        from mmasc.errors import MmascError

        if threads is not None:
            torch.set_num_threads(threads)
        self.refused = ""
        try:
            self.worker = Worker(recipe)
        except MmascError as error:
            self.refused = str(error)

    def ready(self) -> tuple:
        """The first event of a worker."""
        return ("refused", self.refused) if self.refused else self.worker.ready

    def run(self, unit: Any) -> Iterator[list[tuple]]:
        """The events of a unit, some at a time."""
        events: SimpleQueue[Any] = SimpleQueue()

        def work() -> None:
            try:
                self.worker.run(unit, events.put)
                events.put(None)
            except BaseException as error:  # raised where Ray hears it
                events.put(error)

        threading.Thread(target=work, daemon=True).start()
        while (some := events.get()) is not None:
            if isinstance(some, BaseException):
                raise some
            yield some
