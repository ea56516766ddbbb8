"""A worker process of `mmasc.collection.executors.processes`: a recipe and units from stdin, events to stdout."""

import os
import pickle
import signal
import sys
import threading
from queue import SimpleQueue
from typing import BinaryIO

from mmasc.collection.executors.job import Unit
from mmasc.errors import MmascError


def main() -> None:
    """Work until stdin ends, which is when the driver ends, however it does."""
    # Ctrl-C goes to all processes of a terminal; the driver keeps what is done and ends us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events, units = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    # What a library prints on stdout must not be read as an event
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def send(some: list[tuple]) -> None:
        try:
            pickle.dump(some, events, pickle.HIGHEST_PROTOCOL)
            events.flush()
        except BrokenPipeError:
            os._exit(0)  # the driver is gone

    recipe = pickle.load(units)  # noqa: S301  (of our own driver)
    import torch

    from mmasc.collection.executors.worker import Worker

    torch.set_num_threads(1)
    try:
        worker = Worker(recipe)
    except MmascError as error:
        send([("refused", str(error))])
        return
    waiting: SimpleQueue[Unit] = SimpleQueue()
    threading.Thread(target=_listen, args=(units, waiting), name="mmasc-units", daemon=True).start()
    send([worker.ready])
    while True:
        worker.run(waiting.get(), send)


def _listen(units: BinaryIO, waiting: "SimpleQueue[Unit]") -> None:
    """Take units as they come: the driver never waits for a worker that is busy."""
    while True:
        try:
            waiting.put(pickle.load(units))  # noqa: S301  (of our own driver)
        except (EOFError, pickle.UnpicklingError, OSError):
            os._exit(0)


if __name__ == "__main__":
    main()
