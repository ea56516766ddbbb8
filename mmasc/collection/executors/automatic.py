"""The default executor: it starts in this process at once, and continues in worker processes if these save time.

Workers are started if they save more of the remaining time than starting them costs. Both are measured: a worker
takes as long to load as this process took, and what it used of the cores while it embedded says how much faster all
cores together are. This process goes on embedding until a worker is ready, so that nobody ever waits for one.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmasc.collection.executors.job import Account, Listener
from mmasc.collection.executors.local import Local
from mmasc.collection.executors.pool import Pool
from mmasc.collection.executors.units import SharedFiles, expected_seconds
from mmasc.collection.executors.workers import Workers
from mmasc.encoders.file_vectors import FileVectors

_LOOK_SECONDS = 1.5  # of embedding before its speed is believed
_LONGEST_START = 10.0  # CPU seconds: a process that has done other work before says nothing about beginning one
_MARGIN = 1.5  # by which the saving must exceed the cost


class Automatic:
    """Here first, then on all cores.

    Args:
        local: The executor of this process.
        workers: That of the processes, not begun.
        n_workers: How many there would be; fewer than two are never begun.
        seconds: About how much sound there is, as `expected_seconds` adds up.
        expected: About how many files.
    """

    def __init__(self, local: Local, workers: Workers, n_workers: int, seconds: float, expected: int) -> None:
        self.local, self.workers, self._n_workers = local, workers, n_workers
        self._left, self._expected = seconds, expected
        self._start_cost = min(time.process_time(), _LONGEST_START)
        self._pool: Pool | None = None
        self._arrived: list[FileVectors] = []
        self._handed_over = False

    @property
    def account(self) -> Account:
        """What was done, and by whom in the end."""
        return self.workers.account if self.workers.account.workers else self.local.account

    def run(self, files: Iterable[Path], listener: Listener) -> Iterator[FileVectors]:
        """What became of each file."""
        shared = SharedFiles(files, self._expected)
        self._began = time.perf_counter(), time.process_time()
        self._done, self._inside = 0.0, 0.0

        def heard(path: Path, seconds: float) -> None:
            self._inside = seconds
            self._look(shared, listener)
            if listener.heard is not None:
                listener.heard(path, seconds)

        for result in self.local.run(self._here(shared), Listener(listener.keeper, heard)):
            self._done += expected_seconds(result.path)
            self._inside = 0.0
            yield result
            self._look(shared, listener)
            yield from self._taken()
        if self._pool is not None:
            yield from self._pool.results()
        self.close()

    def close(self) -> None:
        """End all workers."""
        self.workers.close()

    def _here(self, shared: SharedFiles) -> Iterator[Path]:
        """Files for this process, until a worker is ready."""
        while not self._handed_over and (path := next(shared, None)) is not None:
            yield path

    def _taken(self) -> list[FileVectors]:
        arrived, self._arrived = self._arrived, []
        return arrived

    def _look(self, shared: SharedFiles, listener: Listener) -> None:
        """Begin workers where they pay; take what they have done while this process embeds."""
        if self._pool is not None:
            self._arrived += self._pool.pump(0.0)
            self._handed_over |= self._pool.is_ready
        elif self._n_workers > 1 and not shared.finished and self._pays():
            self._pool = self.workers.begin(shared, listener)

    def _pays(self) -> bool:
        wall, cpu = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        done = self._done + self._inside
        if wall < _LOOK_SECONDS or not done:
            return False
        left = max(self._left - done, 0.0) * wall / done
        # On a busy machine this process gets less than a core, and so would each of the others
        speedup = self._n_workers / max(cpu / wall, 1.0)
        cost = self._start_cost * max(wall / max(cpu, 1e-3), 1.0)  # each on a core of its own
        return speedup > 1 and left * (1 - 1 / speedup) > _MARGIN * cost
