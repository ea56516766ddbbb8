import numpy as np
from starlette.testclient import TestClient

from mmasc.collection import Collection
from mmasc.web.app import make_app
from mmasc.web.state import Session
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.collections import write
from tests.helpers.web import NIGHTS, SECONDS, annotate, ids


def test_health_and_collection(server):
    health = server.client.get("/api/health").json()
    assert (health["state"], health["error"], health["recordings"]) == ("ready", None, NIGHTS)
    assert (health["windows"], health["annotations"], health["new_recordings"]) == (NIGHTS * SECONDS, 0, 0)
    found = server.client.get("/api/collection").json()
    assert (found["name"], found["recordings"], found["clock"]) == ("c", NIGHTS, True)
    assert found["hours"] == NIGHTS * SECONDS / 3600
    space = {"name": "standin", "encoder": "standin", "windows": 36, "window_seconds": 1.0, "hop_seconds": 1.0}
    assert found["spaces"] == [space | {"modalities": ["audio", "text"]}]
    columns = {one["name"]: one for one in found["columns"]}
    assert columns["site"] == {"name": "site", "type": "text", "values": ["site0", "site1"]}
    assert columns["count"]["type"] == "number"
    assert found["sites"] == ["site0", "site1"]
    assert (found["first"], found["last"]) == ("2024-05-01 20:30:00", "2024-05-03 21:30:00")
    assert [group["group"] for group in found["words"]["standin"]] == [""]
    annotate(server, ids(server)[0], 0, 1, "frog")
    annotate(server, ids(server)[0], 0, 1, "frog", verdict="absent")
    labels = server.client.get("/api/collection").json()["labels"]
    assert labels == [{"label": "frog", "present": 1, "absent": 1, "unsure": 0}]


def test_loading_is_said_and_answered_with_503(server):
    for folder, state in ((server.folder, "loading"), (server.folder / "nothing", "failed")):
        session = Session(folder)
        if state == "failed":
            session.start()
            assert session.loaded.wait(60)
        client = TestClient(
            make_app(session, server.keys), base_url="http://127.0.0.1:8617", headers={"X-Mmasc": server.keys.token}
        )
        health = client.get("/api/health").json()
        assert health["state"] == state
        assert (health["error"] is not None) == (state == "failed")
        for answer in (client.get("/api/recordings"), client.post("/api/search", json={"texts": [{"text": "a"}]})):
            assert answer.status_code == 503
            assert str(server.folder.parent) not in answer.text
        session.close()


def test_new_recordings_are_counted_and_seen_after_a_reload(server, tmp_path):
    write(tmp_path / "sounds" / "new.wav", 0.3)
    Collection(server.folder).add([tmp_path / "sounds"], StandIn(STANDIN_SPEC))
    counts = []
    for _ in range(100):
        counts.append(server.client.get("/api/health").json()["new_recordings"])
        server.client.get("/api/words")  # the worker has counted when it answers this
        if counts[-1]:
            break
    assert counts[-1] == 1
    assert server.client.get("/api/recordings").json()["total"] == NIGHTS
    health = server.client.post("/api/reload").json()
    assert (health["recordings"], health["new_recordings"]) == (NIGHTS + 1, 0)
    assert server.client.get("/api/recordings").json()["total"] == NIGHTS + 1
    write(tmp_path / "sounds" / "newer.wav", 0.2)
    Collection(server.folder).add([tmp_path / "sounds"], StandIn(STANDIN_SPEC))
    assert server.client.post("/api/session").status_code == 204  # as a page that is loaded again does
    assert server.client.get("/api/recordings").json()["total"] == NIGHTS + 2
    Collection(server.folder).remove([tmp_path / "sounds" / "newer.wav", tmp_path / "sounds" / "new.wav"])
    for _ in range(100):
        health = server.client.get("/api/health").json()
        server.client.get("/api/words")
        if health["gone_recordings"]:
            break
    assert (health["new_recordings"], health["gone_recordings"]) == (0, 2)


def test_words_are_completed_and_remarked(server, monkeypatch):
    words = server.client.get("/api/words", params={"prefix": "ra"}).json()["words"]
    assert {"word": "rain", "group": ""} in words
    assert all(any(part.startswith("ra") for part in one["word"].split()) for one in words)
    monkeypatch.setattr(StandIn, "unknown_words", lambda self, texts: ["qqq"], raising=False)
    monkeypatch.setattr(StandIn, "nearest_words", lambda self, word: ["quack"], raising=False)
    remarks = server.client.post("/api/words", json={"texts": ["a qqq"]}).json()["remarks"]
    assert remarks == ['"qqq" is not a word that standin learned; nearest known: quack']


def test_no_answer_holds_a_path_of_the_disk(server):
    annotate(server, ids(server)[0], 0, 1, "frog")
    one = f"/api/recordings/{ids(server)[0]}"
    paths = [
        "/api/health",
        "/api/collection",
        "/api/words",
        "/api/recordings",
        one,
        f"{one}/overview",
        "/api/annotations",
    ]
    paths += [
        f"{one}/timeline?prompts=demo",
        "/api/map",
        "/api/windows/0",
        "/api/activity",
        "/api/schema.json",
        "/nothing",
    ]
    answers = [server.client.get(path) for path in paths]
    answers.append(server.client.post("/api/search", json={"texts": [{"text": "a"}]}))
    answers.append(server.client.post("/api/search", json={"texts": [{"text": "a"}], "where": "path = 3"}))
    for answer in answers:
        for root in (server.folder.parent, server.session.cache.folder):
            assert str(root) not in answer.text + str(answer.headers), answer.url
    hidden = server.session.hidden
    root = server.folder.parent / "sounds"
    assert hidden(f"{root}/wood/a.wav: not a sound; see {server.folder}") == "wood/a.wav: not a sound; see c"


def test_ids_are_texts(server):
    found = ids(server)
    assert all(isinstance(one, str) for one in found)
    assert sorted(map(int, found)) == sorted(Collection(server.folder).recordings.column("id").to_pylist())
    assert np.max([len(one) for one in found]) > 15  # more digits than a number of JavaScript holds
