"""How fast `mmasc serve` answers over a large collection of made vectors.

    python examples/benchmark/serve.py --windows 100000 --requests 10000

Makes a collection of noise whose vectors lie in the space of `mini` (so that words can be asked), starts the server,
and measures over HTTP: searches by text, many users at once, pictures and sounds when they are first asked for and
again, the map, learning, and memory over many requests. Prints a table: what, median, 95 %, unit.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

WORDS = ["rain", "a dog barks", "birds singing in a wood", "thunder far away", "a car passes", "footsteps on snow"]
RATE = 16_000


def make_collection(folder: Path, windows: int, recordings: int) -> Path:
    """A collection of one noise under many names, whose vectors are near those of words, or anywhere."""
    from mmasc.collection.ingest import embed
    from mmasc.collection.schema import vector_column, windows_schema
    from mmasc.collection.store import Store
    from mmasc.encoders.registry import load_encoder

    encoder, generator = load_encoder("mini"), np.random.default_rng(0)
    each, hop = windows // recordings, encoder.spec.window_seconds
    sounds = folder / "sounds"
    sounds.mkdir(parents=True)
    first = sounds / "00000.wav"
    soundfile.write(first, np.clip(generator.normal(0, 0.1, round(each * hop * RATE)), -1, 1), RATE)
    for number in range(1, recordings):
        (sounds / f"{number:05}.wav").hardlink_to(first)
    embed(first, folder / "c", encoder, root=sounds)
    store = Store(folder / "c")
    centres = encoder.embed_text(WORDS)
    with store.transaction() as change:
        table = store.recordings(change.head)
        row = table.to_pylist()[0]
        ids = row["id"] // 2 + np.arange(1, recordings)
        rows = [{**row, "id": int(one), "path": f"{number:05}.wav"} for number, one in enumerate(ids, 1)]
        change.append_recordings(pa.Table.from_pylist(rows, table.schema))
        near = centres[generator.integers(0, len(centres), each * len(rows))]
        noise = generator.normal(0, 1, near.shape).astype(np.float32) / encoder.spec.dim**0.5
        starts = np.tile(np.arange(each) * hop, len(rows))
        columns = {
            "recording": np.repeat(ids, each),
            "lane": np.zeros(len(starts), np.int16),
            "start": starts,
            "end": starts + hop,
            "vector": vector_column((near * generator.uniform(0, 1, (len(near), 1)) + 0.7 * noise).astype(np.float32)),
        }
        change.append_windows("mini", pa.table(columns, windows_schema(encoder.spec.dim)))
    return folder / "c"


class Server:
    """`mmasc serve` in a process of its own."""

    def __init__(self, collection: Path) -> None:
        command = [sys.executable, "-m", "mmasc", "serve", str(collection), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address, self.token = self.process.stdout.readline().strip().split("/#t=")
        self.port = int(address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, connection: http.client.HTTPConnection, path: str, body: Any = None, span: str = "") -> bytes:
        """The answer, which must be good; `span`: bytes of it, "0-999"."""
        headers = {"X-Mmasc": self.token} | ({} if body is None else {"Content-Type": "application/json"})
        headers |= {"Range": f"bytes={span}"} if span else {}
        content = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, content, headers)
        try:
            answer = connection.getresponse()
        except http.client.RemoteDisconnected:  # nothing was asked for some seconds, and the server closed it
            connection.request("GET" if body is None else "POST", path, content, headers)
            answer = connection.getresponse()
        read = answer.read()
        assert answer.status == (206 if span else 200), (path, answer.status, read[:300])
        return read

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """What it has worked so far; other programs of the machine do not count."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(calls: Sequence[Callable[[], Any]]) -> np.ndarray:
    """Milliseconds of each call."""
    found = []
    for call in calls:
        begun = time.perf_counter()
        call()
        found.append(1_000 * (time.perf_counter() - begun))
    return np.array(found)


def told(name: str, values: np.ndarray, unit: str = "ms") -> None:
    print(f"{name:<44} {np.median(values):8.1f} {np.percentile(values, 95):8.1f}  {unit}", flush=True)


def question(number: int) -> dict[str, Any]:
    """A different question each time."""
    return {"texts": [{"text": f"{WORDS[number % 6]} {WORDS[number // 6 % 6]} {number}"}], "k": 50}


def measure(server: Server, requests: int, users: int) -> None:
    connection = server.connect()

    def ask(path: str, body: Any = None) -> Callable[[], bytes]:
        return lambda: server.ask(connection, path, body)

    begun = time.perf_counter()
    while json.loads(server.ask(connection, "/api/health"))["state"] == "loading":
        time.sleep(0.05)
    server.ask(connection, "/api/search", question(0))
    told("start to the first answer", np.array([time.perf_counter() - begun]), "s")
    told("search by text", timed([ask("/api/search", question(number)) for number in range(1, 61)]))
    told("health", timed([ask("/api/health")] * 100))

    def user(number: int) -> np.ndarray:
        own = server.connect()
        return timed([lambda at=at: server.ask(own, "/api/search", question(100 * number + at)) for at in range(10)])

    worked = server.cpu_seconds()
    with ThreadPoolExecutor(users) as pool:
        told(f"search, {users} users at once", np.concatenate(list(pool.map(user, range(users)))))
    worked = (server.cpu_seconds() - worked) / (10 * users)
    print(f"{'  of it, work of the processor for one':<44} {1_000 * worked:8.1f} {'':8}  ms", flush=True)
    recording = json.loads(server.ask(connection, "/api/recordings?limit=1"))["recordings"][0]["id"]
    spans = [f"start={5 * number}&end={5 * number + 5}" for number in range(40)]
    for kind in ("picture", "audio"):
        for times in ("cold", "cached"):
            told(f"{kind} of 5 s, {times}", timed([ask(f"/api/recordings/{recording}/{kind}?{one}") for one in spans]))
    longer = [f"/api/recordings/{recording}/picture?start={n}&end={n + 60}&width=1200" for n in range(10)]
    told("picture of 60 s, cold", timed([ask(one) for one in longer]))
    while len(server.ask(connection, "/api/map")) < 5:
        time.sleep(0.05)
    told("map", timed([ask("/api/map?colour=label")] * 5))
    hits = json.loads(server.ask(connection, "/api/search", question(0) | {"k": 200, "windows": True}))["hits"]
    chosen = [*hits[:20], *hits[-20:]]
    marks = [
        {name: hit[name] for name in ("recording", "start", "end")}
        | {"label": "rain", "verdict": "present" if place < 20 else "absent"}
        for place, hit in enumerate(chosen)
    ]
    told("annotation, on the disk", timed([ask("/api/annotations", {"annotations": [one]}) for one in marks]))

    def learn() -> None:
        job = json.loads(server.ask(connection, "/api/learn", {"label": "rain"}))["job"]
        while (state := json.loads(server.ask(connection, f"/api/jobs/{job}")))["state"] in ("waiting", "running"):
            time.sleep(0.005)
        assert state["state"] == "done", state

    learn()
    told("learn from 40 labels, queue of 20", timed([learn] * 5))
    remember(server, connection, requests)


def remember(server: Server, connection: http.client.HTTPConnection, requests: int) -> None:
    """Memory over requests of all kinds: the last of it must not be more than at a tenth of them."""
    listed = json.loads(server.ask(connection, "/api/recordings?limit=200"))["recordings"]
    every = max(requests // 10, 1)
    for number in range(requests):
        mixed(server, connection, number, listed[number % len(listed)])
        if (number + 1) % every == 0:
            print(f"{f'memory after {number + 1} mixed requests':<44} {server.megabytes():8.1f} {'':8}  MB", flush=True)


def mixed(server: Server, connection: http.client.HTTPConnection, number: int, recording: dict[str, Any]) -> None:
    """One request; which one follows from the number: half of them are searches."""
    one, last = recording["id"], max(int(recording["duration"]) - 10, 1)
    start = 0.1 * (number % (10 * last))
    mark = {"recording": one, "start": start, "end": start + 1, "label": f"label {number % 7}"}
    asks: list[tuple[Any, ...]] = [
        (f"/api/recordings/{one}/picture?start={start}&end={start + 5}&width=600",),
        (f"/api/recordings/{one}/audio?start={start}&end={start + 5}", None, "0-999"),
        ("/api/annotations", {"annotations": [mark]}),
        ("/api/annotations/undo", {"n": 1}),
        (f"/api/recordings/{one}",),
        (f"/api/recordings/{one}/timeline?text=rain+{number}",),
        ("/api/words?prefix=ra",),
        ("/api/health",),
    ]
    kind = number // 2 % len(asks)
    asked = ("/api/search", question(number)) if number % 2 == 0 else asks[kind]
    server.ask(connection, *asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--recordings", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--into", type=Path, help="Folder of the collection, to use it again.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.into or Path(temporary)
        there = (folder / "c").is_dir()
        collection = folder / "c" if there else make_collection(folder, given.windows, given.recordings)
        print(f"{given.windows:,} windows; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        server = Server(collection)
        try:
            measure(server, given.requests, given.users)
        finally:
            server.process.kill()


if __name__ == "__main__":
    main()
