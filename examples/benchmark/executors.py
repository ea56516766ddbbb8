"""Who embeds, compared in one run: workers against this process, and what the driver pays for a window.

    python examples/benchmark/executors.py --sounds FOLDER   # 1, 2, 4 workers against local, on recordings of your own
    python examples/benchmark/executors.py                   # the same on sounds made by rule

Ratios count: files a second against `local`, CPU seconds a file against `local` (what beginning workers costs is shown
apart), CPU microseconds of the driver a window received and committed, and how near 16 workers that answer from memory
after a fixed time come to 16 times one.
"""

import argparse
import os
import resource
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import mmasc
from mmasc.audio import AudioStatus
from mmasc.collection.executors.job import Account, Listener, Unit, pack
from mmasc.collection.executors.pool import Pool
from mmasc.collection.executors.units import SharedFiles
from mmasc.encoders.file_vectors import FileVectors

WORKERS = (1, 2, 4)


def cpu(who: int) -> float:
    """User and system seconds of this process, or of the children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


class FromMemory:
    """Workers that answer from memory, each unit after as many seconds as its files would take."""

    def __init__(self, windows: int, dim: int, identity: str, seconds_a_file: float) -> None:
        self.windows, self.dim, self.identity, self.seconds = windows, dim, identity, seconds_a_file
        self.events: deque[tuple[float, int, tuple]] = deque()
        self.free: dict[int, float] = {}
        starts = np.arange(windows, dtype=float)
        vectors = np.random.default_rng(0).normal(size=(windows, dim)).astype(np.float32)
        self.file = FileVectors(
            Path("x"), starts, starts + 1, np.zeros(windows, np.int64), vectors,
            AudioStatus("ok", "", None, float(windows)), float(windows), 32_000, 1, b"\0" * 16, np.zeros(windows, bool),
        )  # fmt: skip

    def begin(self) -> int:
        worker = len(self.free) + 1
        self.free[worker] = time.perf_counter()
        self.events.append((0.0, worker, ("ready", "memory", self.identity)))
        return worker

    def send(self, worker: int, unit: Unit) -> None:
        self.free[worker] = max(self.free[worker], time.perf_counter()) + self.seconds * len(unit.files)
        packed = pack([(number, self.file) for number in range(len(unit.files))])
        self.events.append((self.free[worker], worker, ("files", unit.number, packed)))
        self.events.append((self.free[worker], worker, ("done", unit.number)))

    def receive(self, seconds: float) -> list[tuple[int, tuple]]:
        if not self.events:
            return []
        self.events = deque(sorted(self.events, key=lambda one: one[0]))
        time.sleep(max(min(self.events[0][0] - time.perf_counter(), seconds), 0.0))
        found = []
        while self.events and self.events[0][0] <= time.perf_counter():
            _, worker, event = self.events.popleft()
            found.append((worker, event))
        return found

    def end(self, worker: int) -> None:
        pass

    def close(self) -> None:
        pass


def simulated(workers: int, count: int, seconds_a_file: float) -> float:
    """Files a second of workers that answer from memory."""
    pool = Pool(FromMemory(12, 128, "x", seconds_a_file), workers, ("x", "x"), 128, Account())
    files = [Path(f"{item}.wav") for item in range(count)]
    begun = time.perf_counter()
    pool.begin(SharedFiles(files, count), Listener())
    assert sum(1 for _ in pool.results()) == count
    return count / (time.perf_counter() - begun)


def driver_cost(folder: Path, windows: int, count: int) -> float:
    """CPU microseconds a window: units handed out, vectors received, rows written and committed."""
    from mmasc.collection import ingest
    from mmasc.collection.executors import choice

    sounds = folder / f"sounds-{windows}"
    sounds.mkdir()
    for item in range(count):
        (sounds / f"{item:06d}.wav").write_bytes(b"RIFF")
    encoder = mmasc.load_encoder("mini")
    real = choice.Processes
    choice.Processes = lambda recipe: FromMemory(windows, 128, encoder.identity, 0.0)  # type: ignore[assignment,misc]
    index, phases = ingest.Intake.finish, []
    ingest.Intake.finish = lambda self, folders: phases.append(time.process_time())  # type: ignore[method-assign]
    try:
        begun = time.process_time()
        mmasc.embed(sounds, folder / f"c-{windows}", encoder, executor="processes", workers=4, clock=False)
        return 1e6 * (phases[0] - begun) / (windows * count)
    finally:
        choice.Processes, ingest.Intake.finish = real, index  # type: ignore[misc,method-assign]


def compared(sounds: Path, folder: Path, rounds: int) -> Iterator[str]:
    """Files a second and CPU of workers against this process; the best of several rounds, in turns."""
    files = mmasc.find_audio(sounds)
    encoder = mmasc.load_encoder("mini")
    encoder.embed(np.zeros((1, encoder.window_samples), np.float32))
    best: dict[int, tuple[float, float, float]] = {}
    for turn in range(rounds):
        for workers in (0, *WORKERS):
            executor = {"executor": "processes", "workers": workers} if workers else {"executor": "local"}
            marks: list[tuple[float, float]] = []
            own, others, begun = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN), time.perf_counter()

            def mark(report: mmasc.EmbedReport, marks: list[tuple[float, float]] = marks) -> None:
                marks.append((time.perf_counter(), report.done))

            mmasc.embed(files, folder / f"c-{turn}-{workers}", encoder, **executor, progress=mark)
            own, others = cpu(resource.RUSAGE_SELF) - own, cpu(resource.RUSAGE_CHILDREN) - others
            # From the first file on: what beginning costs is another figure
            (first, done), (last, _) = marks[min(len(marks) // 10, len(marks) - 2)], marks[-1]
            rate = (len(files) - done) / (last - first)
            before = best.get(workers, (0.0, 1e9, 1e9))
            best[workers] = (max(before[0], rate), min(before[1], own + others), min(before[2], first - begun))
    local = best[0]
    yield f"{len(files)} files, local: {local[0]:.1f} files/s, {1e3 * local[1] / len(files):.1f} ms CPU a file"
    for workers in WORKERS:
        rate, used, began = best[workers]
        yield (
            f"{workers} workers: {rate / local[0]:.2f} x the files a second of local, {used / local[1]:.2f} x its CPU "
            f"a file (with beginning them), begun in {began:.1f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=Path, help="folder of recordings; default: made by rule")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["compared", "driver", "simulated"])
    options = parser.parse_args()
    print(f"mmasc {mmasc.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "simulated"):
            one, many = simulated(1, 200, 0.005), simulated(16, 3_200, 0.005)
            print(f"16 workers that answer from memory: {many / one:.1f} x one (wanted: 14.4)", flush=True)
        if options.only in (None, "driver"):
            for windows, count in ((120, 1_000), (12, 3_000), (1, 3_000)):
                cost = driver_cost(folder, windows, count)
                print(f"driver, files of {windows} windows: {cost:.1f} us CPU a window (wanted: 5)", flush=True)
        if options.only in (None, "compared"):
            sounds = options.sounds or _made(folder / "made")
            for line in compared(sounds, folder, options.rounds):
                print(line, flush=True)


def _made(folder: Path) -> Path:
    from speed import make_sounds

    return make_sounds(folder, ".flac", 200)


if __name__ == "__main__":
    main()
