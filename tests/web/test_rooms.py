"""Several collections in one server."""

from shutil import copytree
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from mmasc.collection import Collection
from mmasc.web.app import make_app
from mmasc.web.keys import Keys
from mmasc.web.rooms import names_of
from mmasc.web.state import Session
from tests.helpers.web import PORT, make_collection


@pytest.fixture
def two(tmp_path, registered):
    """A server over two collections, and a client for both."""
    first = make_collection(tmp_path)
    second = copytree(first, tmp_path / "my field, 2024")
    one = Session(first)
    sessions, keys = [one, Session(second, companion=one)], Keys(PORT)
    for session in sessions:
        session.start()
        assert session.loaded.wait(60)
        assert session.state == "ready", session.error
    client = TestClient(make_app(sessions, keys), base_url=f"http://127.0.0.1:{PORT}", headers={"X-Mmasc": keys.token})
    yield SimpleNamespace(client=client, folders=[first, second], keys=keys, names=["c", "my-field-2024"])
    one.close()


def test_each_has_a_name_and_its_own_labels(two):
    get = two.client.get
    listed = get("/api/collections").json()
    assert [one["key"] for one in listed["collections"]] == two.names
    assert [one["name"] for one in listed["collections"]] == ["c", "my field, 2024"]
    assert listed["here"] == "c"
    assert get("/api/in/my-field-2024/collections").json()["here"] == "my-field-2024"
    assert get("/api/in/my-field-2024/health").json()["name"] == "my field, 2024"
    recording = get("/api/recordings").json()["recordings"][0]["id"]
    for name, label in zip(two.names, ["frog", "toad"], strict=True):
        one = {"recording": recording, "start": 0.0, "end": 1.0, "label": label}
        assert two.client.post(f"/api/in/{name}/annotations", json={"annotations": [one]}).status_code == 200
    for folder, name, label in zip(two.folders, two.names, ["frog", "toad"], strict=True):
        assert [one.label for one in Collection(folder).annotations.all()] == [label]
        counted = get(f"/api/in/{name}/collection").json()["labels"]
        assert [one["label"] for one in counted] == [label]
    two.client.post("/api/in/my-field-2024/annotations/undo", json={})
    assert len(get("/api/annotations").json()["annotations"]) == 1


def test_a_file_is_asked_with_in_all_of_them(two):
    path = two.folders[0].parent / "sounds" / "wood" / "night_0.wav"
    with open(path, "rb") as file:
        upload = two.client.post("/api/in/c/uploads", files={"file": file}).json()["upload"]
    for name in two.names:
        asked = {"uploads": [{"upload": upload}], "k": 3}
        hits = two.client.post(f"/api/in/{name}/search", json=asked).json()["hits"]
        assert len(hits) == 3


def test_the_guard_stands_before_all_of_them(two):
    stranger = TestClient(two.client.app, base_url=f"http://127.0.0.1:{PORT}")
    recording = two.client.get("/api/recordings").json()["recordings"][0]["id"]
    cookie = {"Cookie": f"{two.keys.cookie_name}={two.keys.cookie}"}
    for name in two.names:
        assert stranger.get(f"/api/in/{name}/health").status_code == 403
        assert stranger.get(f"/api/in/{name}/health", headers=cookie).status_code == 403
        assert stranger.get(f"/api/in/{name}/recordings/{recording}/audio", headers=cookie).status_code == 200
        assert stranger.get(f"/api/in/{name}/map", headers=cookie).status_code == 200


@pytest.mark.parametrize(
    "path", ["in/none/health", "in/c", "in/", "in/../health", "in/c/in/c/health", "in/%2e%2e/health"]
)
def test_other_names_lead_nowhere(two, path):
    answer = two.client.get(f"/api/{path}")
    assert answer.status_code == 404 or answer.json()["name"] == "c"  # the client itself goes up by ".."
    if answer.status_code == 404:
        assert "error" in answer.json()


def test_names_are_parts_of_addresses_and_differ():
    names = names_of(["a b", "a-b", "a/b", "", "…", "x" * 90])
    assert names == ["a-b", "a-b-2", "a-b-3", "collection", "collection-2", "x" * 40]
