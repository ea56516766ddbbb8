"""Workers that are processes on this machine: started as new programs (never forked), with messages through pipes.

They are `python -m mmasc.collection.executors.process` and not `multiprocessing`'s, which would run the caller's own
script again in each of them.
"""

import os
import pickle
import subprocess
import sys
import threading
from queue import Empty, SimpleQueue

from mmasc.collection.executors.job import Recipe, Unit
from mmasc.cores import one_thread_environment

_PROGRAM = "mmasc.collection.executors.process"


class Processes:
    """The `Transport` of worker processes.

    Args:
        recipe: How files are embedded.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._events: SimpleQueue[tuple[int, tuple]] = SimpleQueue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._count = 0

    def begin(self) -> int:
        """See `Transport`."""
        self._count += 1
        number = self._count
        # -P: what lies in the current folder is not imported; what this process imports is
        command = [sys.executable, "-P", "-m", _PROGRAM]
        environment = one_thread_environment() | {"PYTHONPATH": os.pathsep.join(_import_folders())}
        # Ctrl-C and a closed terminal mean this process, which ends them: they would speak of it while they begin
        group = 0 if os.name == "posix" else None
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=group
        )
        self._processes[number] = process
        self._tell(process, self.recipe)
        name = f"mmasc-worker-{number}"
        threading.Thread(target=self._listen, args=(number, process), name=name, daemon=True).start()
        return number

    def send(self, worker: int, unit: Unit) -> None:
        """See `Transport`."""
        self._tell(self._processes[worker], unit)

    def receive(self, seconds: float) -> list[tuple[int, tuple]]:
        """See `Transport`."""
        found: list[tuple[int, tuple]] = []
        try:
            found.append(self._events.get(timeout=seconds) if seconds else self._events.get_nowait())
            while True:
                found.append(self._events.get_nowait())
        except Empty:
            return found

    def end(self, worker: int) -> None:
        """See `Transport`."""
        process = self._processes.pop(worker)
        # Nothing of a worker counts before it has come back: there is nothing that it could lose
        process.kill()
        process.wait()
        assert process.stdin is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            return  # what it did not take any more

    def close(self) -> None:
        """See `Transport`."""
        for worker in list(self._processes):
            self.end(worker)

    def _tell(self, process: "subprocess.Popen[bytes]", what: Recipe | Unit) -> None:
        assert process.stdin is not None
        try:
            pickle.dump(what, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
        except (BrokenPipeError, ConnectionError):
            return  # it is lost: its end of the other pipe says so

    def _listen(self, number: int, process: "subprocess.Popen[bytes]") -> None:
        """Take events of one worker until its pipe ends; only our own process writes into it."""
        assert process.stdout is not None
        why = ""
        with process.stdout as pipe:
            try:
                while True:
                    for event in pickle.load(pipe):  # noqa: S301
                        self._events.put((number, event))
            except (EOFError, pickle.UnpicklingError, OSError, ValueError) as error:
                why = "" if isinstance(error, EOFError) else str(error)
        self._events.put((number, ("lost", why or f"status {process.wait()}")))


def _import_folders() -> list[str]:
    """Where this process imports from."""
    return [path or os.getcwd() for path in sys.path]
