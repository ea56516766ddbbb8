"""A server over a small collection, asked without a network."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

import mmasc
from mmasc.web.app import make_app
from mmasc.web.keys import Keys
from mmasc.web.state import Session
from tests.conftest import STANDIN_SPEC, StandIn

PORT = 8617
RATE = 8_000
NIGHTS = 6
# Seconds of a recording, and what is heard in each of them: the stand-in tells loud from quiet and up from down
SECONDS = 6


def level_of(night: int, second: int) -> float:
    """The level of each second: those of even numbers are loud."""
    return (0.7 if second % 2 == 0 else 0.1) + 0.01 * night + 0.04 * second


def make_collection(folder: Path) -> Path:
    """Six recordings of two sites and three days, one of them with a name that looks like HTML."""
    rows = ["path,site,recorded_at,count"]
    for night in range(NIGHTS):
        name = "<img src=x onerror=alert(1)>.wav" if night == 5 else f"night_{night}.wav"
        path = folder / "sounds" / ("pond" if night % 2 else "wood") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = [level_of(night, second) for second in range(SECONDS)]
        noise = np.random.default_rng(night).uniform(-0.01, 0.01, SECONDS * RATE)
        soundfile.write(path, np.repeat(levels, RATE) + noise, RATE)
        rows.append(f"{path.parent.name}/{name},site{night % 2},2024-05-0{night // 2 + 1} 2{night % 4}:30:00,{night}")
    (folder / "m.csv").write_text("\n".join(rows) + "\n")
    mmasc.embed(folder / "sounds", folder / "c", StandIn(STANDIN_SPEC), metadata=folder / "m.csv")
    return folder / "c"


def serving(folder: Path, **options) -> Iterator[SimpleNamespace]:
    """A server and a client that has its token."""
    session, keys = Session(folder, **options), Keys(PORT)
    session.start()
    assert session.loaded.wait(60)
    app = make_app(session, keys)
    client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers={"X-Mmasc": keys.token})
    stranger = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
    yield SimpleNamespace(client=client, stranger=stranger, session=session, keys=keys, folder=folder)
    session.close()


@pytest.fixture
def server(tmp_path, registered) -> Iterator[SimpleNamespace]:
    yield from serving(make_collection(tmp_path))


@pytest.fixture
def reader_only(tmp_path, registered) -> Iterator[SimpleNamespace]:
    yield from serving(make_collection(tmp_path), read_only=True)


def ids(server) -> list[str]:
    """Ids of the recordings, in the order of their paths."""
    return [one["id"] for one in server.client.get("/api/recordings").json()["recordings"]]


def search(server, **asked) -> dict:
    """The answer of a search that must work."""
    answer = server.client.post("/api/search", json={"texts": [{"text": "a"}]} | asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def annotate(server, recording: str, start: float, end: float, label: str, **more) -> str:
    """Add an annotation; its id."""
    one = {"recording": recording, "start": start, "end": end, "label": label, **more}
    answer = server.client.post("/api/annotations", json={"annotations": [one]})
    assert answer.status_code == 200, answer.text
    return answer.json()["ids"][0]


def finished(server, answer) -> dict:
    """A job when it has ended."""
    assert answer.status_code == 200, answer.text
    for _ in range(600):
        job = server.client.get(f"/api/jobs/{answer.json()['job']}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job did not end: {job}")
