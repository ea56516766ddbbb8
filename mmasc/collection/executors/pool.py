"""The driver's side of workers: units handed out, what comes back, and what is done when a worker is lost.

The driver replaces lost workers itself and hands work only to those that have said that they are ready. A unit whose
worker was lost goes first to another one, without the files that have come back; after three such losses its files go
one by one, and a file that has lost three workers by itself ends as failed.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from mmasc.collection.executors.job import Account, Listener, Unit, failed, refuse_identity, unpack
from mmasc.collection.executors.units import SharedFiles
from mmasc.encoders.file_vectors import FileVectors
from mmasc.errors import MmascError, show_path
from mmasc.progress import current

TRIES = 3
_AT_WORK = 2  # units under way for each worker: one that it works on and one that waits
_POLL_SECONDS = 0.5  # Ctrl-C is heard on every platform
_PATIENCE_SECONDS = 600.0  # without an event before it is said


@runtime_checkable
class Transport(Protocol):
    """What begins workers and carries units and events."""

    def begin(self) -> int:
        """Begin a worker, and do not wait for it; its number."""

    def send(self, worker: int, unit: Unit) -> None:
        """Hand a unit to a worker that is ready."""

    def receive(self, seconds: float) -> list[tuple[int, tuple]]:
        """Events of workers, waited for so long; see `Worker`; ("lost", why) is the last of a worker."""

    def end(self, worker: int) -> None:
        """End a worker."""

    def close(self) -> None:
        """End all workers."""


@dataclass
class _Handed:
    """A unit under way, the units in front of it first; the files that have not come back."""

    unit: Unit
    left: dict[int, Path]


@dataclass
class _Known:
    """A worker: where it runs once it is ready, and its units in order."""

    host: str = ""
    ready: bool = False
    units: deque[_Handed] = field(default_factory=deque)


class Pool:
    """Workers of any kind behind one face.

    Args:
        transport: What begins them.
        workers: How many.
        encoder: Name and identity of the encoder that the driver has.
        dim: Numbers in its vectors.
        account: What is done is counted there.
    """

    def __init__(
        self, transport: Transport, workers: int, encoder: tuple[str, str], dim: int, account: Account
    ) -> None:
        self.transport, self.workers, self.account = transport, workers, account
        self.encoder, self.dim = encoder, dim
        self.known: dict[int, _Known] = {}
        self.again: deque[Unit] = deque()
        self.listener = Listener()
        self.files = SharedFiles([], 0)
        self._number, self._stillborn, self._seen, self._heard = 0, 0, set[str](), False

    def begin(self, files: SharedFiles, listener: Listener) -> None:
        """Begin the workers; files are taken once some are ready."""
        self.files, self.listener = files, listener
        for _ in range(self.workers):
            self.known[self.transport.begin()] = _Known()

    @property
    def is_ready(self) -> bool:
        """Whether a worker is ready."""
        return any(one.ready for one in self.known.values())

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to hand out or to wait for."""
        return self.files.finished and not self.again and not any(one.units for one in self.known.values())

    def results(self) -> Iterator[FileVectors]:
        """What becomes of the files, until all are done."""
        silent = 0.0
        while True:
            self._hand_out()
            if self.is_done:
                return
            some = list(self.pump(_POLL_SECONDS))
            silent = 0.0 if some or self._heard else silent + _POLL_SECONDS
            if silent >= _PATIENCE_SECONDS:
                current().note(f"no word from {len(self.known)} workers for {silent / 60:.0f} minutes")
            yield from some

    def pump(self, seconds: float) -> Iterator[FileVectors]:
        """Hand out units and take what has come, waiting so long for the first of it."""
        self._hand_out()
        events = self.transport.receive(seconds)
        self._heard = bool(events)
        for worker, event in events:
            yield from self._take(worker, event)
        self._hand_out()

    def _hand_out(self) -> None:
        waiting = sorted((one for one in self.known.items() if one[1].ready), key=lambda one: len(one[1].units))
        for depth in range(_AT_WORK):
            for number, worker in waiting:
                if len(worker.units) <= depth and (unit := self._next_unit()) is not None:
                    worker.units.append(_Handed(unit, dict(enumerate(unit.files))))
                    self.transport.send(number, unit)

    def _next_unit(self) -> Unit | None:
        if self.again:
            return self.again.popleft()
        files = self.files.unit(self.workers)
        return self._unit(files) if files else None

    def _unit(self, files: Iterable[Path], tries: int = 0) -> Unit:
        self._number += 1
        unit = Unit(self._number, list(files), tries=tries)
        if self.listener.keeper is not None:
            for number, path in enumerate(unit.files):
                if begun := self.listener.keeper.begun(path):
                    unit.begun[number] = begun
        return unit

    def _take(self, worker: int, event: tuple) -> Iterator[FileVectors]:
        known = self.known.get(worker)
        if known is None:  # it was ended, and this was on its way
            return
        kind, *told = event
        if kind == "lost":
            yield from self._lose(worker, known, told[0])
        elif kind == "ready":
            self._welcome(known, *told)
        elif kind == "refused":
            raise MmascError(told[0])
        else:
            handed = next((one for one in known.units if one.unit.number == told[0]), None)
            if handed is not None:
                yield from self._take_of_unit(known, handed, kind, told[1:])

    def _take_of_unit(self, known: _Known, handed: _Handed, kind: str, told: list) -> Iterator[FileVectors]:
        files, keeper = handed.unit.files, self.listener.keeper
        if kind == "files":
            for number, file in unpack(told[0], files):
                del handed.left[number]
                if file.status.state != "failed":
                    self._seen.add(known.host)
                yield file
        elif kind == "part" and keeper is not None:
            keeper.keep(files[told[0]], told[1], told[2])
        elif kind == "heard" and self.listener.heard is not None:
            self.listener.heard(files[told[0]], told[1])
        elif kind == "unseen" and known.host not in self._seen:
            raise MmascError(
                f"worker on {known.host} does not see {show_path(files[0])}: put it on a disk that all machines share, "
                "or give s3:// paths"
            )
        elif kind == "done":
            known.units.remove(handed)

    def _welcome(self, known: _Known, host: str, identity: str) -> None:
        refuse_identity(host, self.encoder[0], identity, self.encoder[1])
        known.host, known.ready, self._stillborn = host, True, 0
        if host not in self.account.hosts:
            self.account.hosts.append(host)
        self.account.workers = max(self.account.workers, sum(one.ready for one in self.known.values()))

    def _lose(self, worker: int, known: _Known, why: str) -> Iterator[FileVectors]:
        """Replace a worker; what it had goes to the front."""
        del self.known[worker]
        self.transport.end(worker)
        self._stillborn += not known.ready
        if self._stillborn >= TRIES:
            raise MmascError(f"workers end before they are ready ({why}); embed here instead: --executor local")
        for place, handed in enumerate(reversed(known.units)):
            # Only the first was in hand; what stood behind it had no part in it
            in_hand = place == len(known.units) - 1
            self.account.lost_units += in_hand
            yield from self._put_back(handed, handed.unit.tries + in_hand)
        if not self.is_done:
            self.known[self.transport.begin()] = _Known()

    def _put_back(self, handed: _Handed, tries: int) -> Iterator[FileVectors]:
        left = list(handed.left.values())
        if not left:
            return
        if tries < TRIES:
            self.again.appendleft(self._unit(left, tries))
        elif len(left) == 1:
            yield failed(left[0], "killed the worker that read it three times; leave it out, or convert it", self.dim)
        else:
            self.again.extendleft(self._unit([path]) for path in reversed(left))
