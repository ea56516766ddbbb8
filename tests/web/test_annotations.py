import pytest

from mmasc.collection import Collection
from tests.helpers.web import annotate, ids


def listed(server, **chosen) -> list[dict]:
    return server.client.get("/api/annotations", params=chosen).json()["annotations"]


def test_annotations_are_those_of_the_library(server):
    first, second = ids(server)[:2]
    key = annotate(server, first, 0.5, 1.5, "frog", note="far", question="a frog", score=0.3)
    annotate(server, second, 0, 1, "owl", verdict="absent")
    found = Collection(server.folder).annotations.all()
    assert [(str(one.recording), one.label, one.verdict, one.by) for one in found] == [
        (first, "frog", "present", "unnamed"),
        (second, "owl", "absent", "unnamed"),
    ]
    assert listed(server)[0] == {
        "id": key,
        "recording": first,
        "path_shown": server.client.get(f"/api/recordings/{first}").json()["path_shown"],
        "start": 0.5,
        "end": 1.5,
        "label": "frog",
        "verdict": "present",
        "by": "unnamed",
        "score": 0.3,
        "at": found[0].at,
        "question": "a frog",
        "note": "far",
    }
    assert [one["label"] for one in listed(server, verdict="absent")] == ["owl"]
    assert [one["label"] for one in listed(server, label="frog")] == ["frog"]
    assert [one["label"] for one in listed(server, recording=second)] == ["owl"]
    assert listed(server, by="somebody") == []
    assert len(listed(server, limit=1)) == 1


def test_changes_keep_the_id_and_can_be_undone(server):
    key = annotate(server, ids(server)[0], 0.5, 1.5, "frog")
    before = listed(server)
    assert server.client.patch("/api/annotations", json={"ids": [key], "verdict": "unsure"}).json()["ids"] == [key]
    assert server.client.patch("/api/annotations", json={"ids": [key], "start": 0.25, "end": 2}).status_code == 200
    changed = listed(server)[0]
    assert (changed["id"], changed["verdict"], changed["start"], changed["end"]) == (key, "unsure", 0.25, 2.0)
    assert server.client.post("/api/annotations/rename", json={"old": "frog", "new": "toad"}).json()["renamed"] == 1
    removed = server.client.request("DELETE", "/api/annotations", json={"ids": [key]})
    assert removed.json()["removed"] == 1
    assert listed(server) == []
    assert len(server.client.post("/api/annotations/undo", json={"n": 4}).json()["undone"]) == 4
    assert listed(server) == before
    assert len(server.client.post("/api/annotations/redo", json={"n": 1}).json()["undone"]) == 4
    assert listed(server) == []


def test_what_is_sent_twice_is_added_once(server):
    first, second = ids(server)[:2]
    moment = {"recording": first, "start": 0, "end": 1, "label": "frog", "id": "ab" * 16}
    other = {"recording": second, "start": 0, "end": 1, "label": "frog"}
    for sent in ([moment], [moment], [other, moment]):
        answer = server.client.post("/api/annotations", json={"annotations": sent})
        assert answer.json()["ids"][-1] == "ab" * 16
    assert [one["recording"] for one in listed(server)] == [first, second]
    assert len(server.client.post("/api/annotations/undo", json={"n": 9}).json()["undone"]) == 2
    server.client.post("/api/annotations", json={"annotations": [moment]})
    taken = server.client.post("/api/annotations", json={"annotations": [moment | {"label": "owl"}]})
    assert taken.status_code == 409
    assert "another one" in taken.json()["error"]
    assert [one["label"] for one in listed(server)] == ["frog"]


def test_all_or_none(server):
    recording = ids(server)[0]
    good = {"recording": recording, "start": 0, "end": 1, "label": "frog"}
    for bad, status in [
        (good | {"end": 100}, 422),
        (good | {"start": 2}, 422),
        (good | {"label": ""}, 422),
        (good | {"label": "a\nb"}, 422),
        (good | {"verdict": "yes"}, 422),
        (good | {"recording": "5"}, 404),
        (good | {"recording": 5}, 422),
        (good | {"path": "/etc/passwd"}, 422),
    ]:
        answer = server.client.post("/api/annotations", json={"annotations": [good, bad]})
        assert answer.status_code == status, bad
        assert str(server.folder.parent) not in answer.text
    assert listed(server) == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_annotations_that_are_gone(server, method):
    body = {"ids": ["0" * 32]} | ({"label": "x"} if method == "PATCH" else {})
    assert server.client.request(method, "/api/annotations", json=body).status_code == 404
    body["ids"] = ["../x"]
    assert server.client.request(method, "/api/annotations", json=body).status_code == 422


def test_others_labels_are_seen_at_once(server):
    collection = Collection(server.folder)
    from mmasc.collection.annotations import Annotation

    collection.annotations.add([Annotation(recording=int(ids(server)[0]), start=0, end=1, label="owl", by="bo")])
    assert [one["by"] for one in listed(server)] == ["bo"]


def test_read_only_writes_nothing(reader_only):
    recording = ids(reader_only)[0]
    new = {"annotations": [{"recording": recording, "start": 0, "end": 1, "label": "frog"}]}
    for method, path, body in [
        ("POST", "/api/annotations", new),
        ("PATCH", "/api/annotations", {"ids": ["0" * 32], "label": "x"}),
        ("DELETE", "/api/annotations", {"ids": ["0" * 32]}),
        ("POST", "/api/annotations/undo", {}),
        ("POST", "/api/annotations/redo", {}),
        ("POST", "/api/annotations/rename", {"old": "a", "new": "b"}),
        ("POST", "/api/heads", {"name": "x", "label": "frog"}),
        ("POST", "/api/add", {"folder": "/tmp"}),
    ]:
        answer = reader_only.client.request(method, path, json=body)
        assert answer.status_code == 403, path
        assert "--read-only" in answer.json()["error"]
    assert reader_only.client.get("/api/health").json()["read_only"] is True


def test_a_tab_undoes_its_own_change_and_not_that_of_another(server):
    recording = ids(server)[0]
    first = annotate(server, recording, 0.0, 1.0, "frog")
    second = annotate(server, recording, 1.0, 2.0, "toad")

    def there():
        return {one["id"] for one in server.client.get("/api/annotations").json()["annotations"]}

    def step(way, **body):
        answer = server.client.post(f"/api/annotations/{way}", json=body)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["undone"])

    assert step("undo", n=1, ids=[first]) == 1
    assert there() == {second}
    third = annotate(server, recording, 2.0, 3.0, "newt")
    assert step("undo", n=5, ids=[third]) == 1
    assert step("redo", n=1, ids=[first]) == 1
    assert there() == {first, second}
    assert step("undo", n=1, ids=["0" * 32]) == step("undo", n=1, ids=[]) == step("redo", n=1, ids=[second]) == 0
    assert step("redo") == 1
    assert there() == {first, second, third}
