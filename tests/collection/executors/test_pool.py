"""What the driver does with workers, whatever they are: here they are answers from memory."""

from collections import deque
from pathlib import Path

import numpy as np
import pytest

from mmasc.audio import AudioStatus
from mmasc.collection.executors.job import Account, Listener, Unit, pack
from mmasc.collection.executors.pool import Pool
from mmasc.collection.executors.units import MOST_FILES, SharedFiles
from mmasc.encoders.file_vectors import FileVectors
from mmasc.errors import MmascError

ENCODER = ("standin", "0" * 32)


def vectors_of(path: Path) -> FileVectors:
    """One to three windows whose numbers name the file."""
    count = 1 + int(path.stem) % 3
    starts = np.arange(count, dtype=float)
    vectors = np.full((count, 4), int(path.stem), np.float32)
    status, silent = AudioStatus("ok", "", None, float(count)), np.zeros(count, bool)
    return FileVectors(path, starts, starts + 1, np.zeros(count, np.int64), vectors, status, count, 8, 1, b"d", silent)


class FromMemory:
    """Workers that answer at once, one file an event; `dies` says of a file whether its worker is lost over it."""

    def __init__(self, dies=lambda path, turn: False, identity: str = ENCODER[1], hosts: int = 1) -> None:
        self.dies, self.identity, self.hosts = dies, identity, hosts
        self.events: deque[tuple[int, tuple]] = deque()
        self.begun, self.ended, self.turns, self.units = 0, [], {}, []
        self.at_work: dict[int, list[int]] = {}

    def begin(self) -> int:
        self.begun += 1
        self.events.append((self.begun, ("ready", f"host-{self.begun % self.hosts}", self.identity)))
        self.at_work[self.begun] = []
        return self.begun

    def send(self, worker: int, unit: Unit) -> None:
        self.units.append(unit)
        self.at_work[worker].append(unit.number)
        assert len(self.at_work[worker]) <= 2
        for number, path in enumerate(unit.files):
            self.turns[path] = self.turns.get(path, 0) + 1
            if self.dies(path, self.turns[path]):
                self.events.append((worker, ("lost", "killed")))
                return
            self.events.append((worker, ("files", unit.number, pack([(number, vectors_of(path))]))))
        self.events.append((worker, ("done", unit.number)))

    def receive(self, seconds: float) -> list[tuple[int, tuple]]:
        if not self.events:
            return []
        worker, event = self.events.popleft()
        if event[0] == "done":
            self.at_work[worker].remove(event[1])
        return [(worker, event)]

    def end(self, worker: int) -> None:
        self.ended.append(worker)

    def close(self) -> None:
        pass


def run(transport: FromMemory, count: int, workers: int = 3, listener: Listener | None = None):
    files = [Path(f"/sounds/{item}.wav") for item in range(count)]
    account = Account("processes")
    pool = Pool(transport, workers, ENCODER, 4, account)
    pool.begin(SharedFiles(iter(files), count), listener or Listener())
    return {result.path: result for result in pool.results()}, files, account


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_every_file_comes_back_once_as_it_is(count):
    transport = FromMemory(hosts=2)
    found, files, account = run(transport, count)
    assert sorted(found) == sorted(files)
    for path in files:
        wanted = vectors_of(path)
        for name in ("starts", "ends", "lanes", "vectors", "silent"):
            np.testing.assert_array_equal(getattr(found[path], name), getattr(wanted, name))
        assert (found[path].status, found[path].duration, found[path].digest) == (wanted.status, wanted.duration, b"d")
    assert account.lost_units == 0
    assert sum(len(unit.files) for unit in transport.units) == count
    assert max((len(unit.files) for unit in transport.units), default=0) <= MOST_FILES
    if count == 300:
        assert (account.workers, sorted(account.hosts)) == (3, ["host-0", "host-1"])
        # towards the end units are small: no worker is left alone with many files
        assert len(transport.units[-1].files) == 1


def test_a_lost_worker_is_replaced_and_its_files_embedded_by_another():
    transport = FromMemory(dies=lambda path, turn: path.stem in ("7", "50") and turn == 1)
    found, files, account = run(transport, 200)
    assert sorted(found) == sorted(files)
    assert all(one.status.state == "ok" for one in found.values())
    assert (account.lost_units, transport.begun, len(transport.ended)) == (2, 5, 2)
    # what had come back of the unit is not embedded again
    assert sum(transport.turns.values()) < 200 + 2 * MOST_FILES


def test_a_file_that_kills_its_worker_each_time_fails_alone():
    transport = FromMemory(dies=lambda path, turn: path.stem == "20")
    found, files, account = run(transport, 100)
    assert sorted(found) == sorted(files)
    bad = [one for one in found.values() if one.status.state == "failed"]
    assert [one.path.stem for one in bad] == ["20"]
    assert "killed the worker that read it three times" in bad[0].status.reason
    assert bad[0].vectors.shape == (0, 4)
    # three times with others (where there were any), three times alone
    assert transport.turns[Path("/sounds/20.wav")] in (3, 6)
    assert account.lost_units == transport.turns[Path("/sounds/20.wav")]


def test_another_identity_is_refused():
    with pytest.raises(MmascError, match=r"on host-0 has encoder standin with identity 11, the driver 0{32}: install"):
        run(FromMemory(identity="11"), 3)


def test_workers_that_never_become_ready_end_the_run():
    class Stillborn(FromMemory):
        def begin(self) -> int:
            self.begun += 1
            self.events.append((self.begun, ("lost", "status 1")))
            return self.begun

    with pytest.raises(MmascError, match=r"workers end before they are ready \(status 1\)"):
        run(Stillborn(), 3)


def test_workers_that_see_no_file_are_told_of():
    class Blind(FromMemory):
        def send(self, worker: int, unit: Unit) -> None:
            self.events.append((worker, ("unseen", unit.number)))

    with pytest.raises(MmascError, match=r"worker on host-0 does not see /sounds/0.wav: put it on a disk that all"):
        run(Blind(), 3)


def test_parts_of_long_files_are_kept_by_the_driver_and_given_to_the_next_worker():
    class Keeper:
        def __init__(self) -> None:
            self.kept: dict = {}

        def begun(self, path):
            return self.kept.get(path, {})

        def keep(self, path, places, vectors):
            self.kept[path] = dict(zip(places, vectors, strict=True))

    class Parts(FromMemory):
        def send(self, worker: int, unit: Unit) -> None:
            if not self.units:
                self.events.append((worker, ("part", unit.number, 0, [(0, 0, 8)], np.ones((1, 4), np.float32))))
                self.events.append((worker, ("heard", unit.number, 0, 600.0)))
            super().send(worker, unit)

    heard = []
    transport = Parts(dies=lambda path, turn: turn == 1)
    found, _, _ = run(transport, 1, 1, Listener(Keeper(), lambda path, seconds: heard.append((path.stem, seconds))))
    assert len(found) == 1
    assert heard == [("0", 600.0)]
    first, second = transport.units
    assert first.begun == {}
    np.testing.assert_array_equal(second.begun[0][(0, 0, 8)], np.ones(4))
