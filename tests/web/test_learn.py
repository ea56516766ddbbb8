"""Learning over HTTP, and the laws of queues and figures; to the stand-in encoder "cab" is a word of loud seconds."""

import threading

import numpy as np

from mmasc.collection import Collection
from mmasc.heads.fitted import FittedHead
from mmasc.labelling import fit_moments as fitting
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit_moments import fit_moments
from mmasc.labelling.moments import Moments
from mmasc.studies import detections
from mmasc.web import learning
from mmasc.web.learning import queue_of, seed_of
from tests.conftest import StandIn
from tests.helpers.web import SECONDS, annotate, finished, ids, search


def judge(server, nights, seconds=range(SECONDS)) -> None:
    """Say of seconds whether they are loud."""
    for night in nights:
        for second in seconds:
            verdict = "present" if second % 2 == 0 else "absent"
            annotate(server, ids(server)[night], second, second + 1, "cab", verdict=verdict)


def learn(server, **asked) -> dict:
    job = finished(server, server.client.post("/api/learn", json={"label": "cab"} | asked))
    assert job["state"] == "done", job
    return job["result"]


def test_what_is_learned_is_what_the_library_learns(server):
    judge(server, range(4))
    found = learn(server, n=12, queue="likely")
    assert (found["positive"], found["negative"]) == (12, 12)
    report = fit_moments(Collection(server.folder), Moments(labels=["cab"]))
    wanted = report.per_label["cab"]
    for name in ("precision", "recall", "average_precision"):
        value, low, high = found["figures"][name]
        assert value == wanted[name]
        assert low <= value <= high
    assert found["threshold"] == wanted["threshold"]
    assert found["curve"] == [[24, *found["figures"]["precision"]]]
    assert sum(found["histogram"]["all"]) == 36
    assert sum(found["histogram"]["present"]) == sum(found["histogram"]["absent"]) == 12
    judged = {(one, second) for one in ids(server)[:4] for second in range(SECONDS)}
    queue = [(one["recording"], round(one["start"])) for one in found["queue"]]
    assert not judged & set(queue)
    assert [second % 2 for _, second in queue] == [0] * 6  # three of each recording, the loud ones
    assert "%" in found["enough"]


def test_the_order_of_verdicts_changes_nothing(server):
    judge(server, range(3))
    first = learn(server)
    server.client.post("/api/annotations/undo", json={"n": 18})
    judge(server, reversed(range(3)), [4, 1, 0, 5, 3, 2])
    second = learn(server)
    for found in (first, second):
        for one in found["queue"]:
            one["annotations"] = []
    assert first == second


def test_before_there_are_labels(server):
    found = learn(server, n=5)
    assert (found["positive"], found["negative"], found["figures"], len(found["queue"])) == (0, 0, None, 5)
    assert found["enough"].startswith("This is what the words say")
    assert all(round(one["start"]) % 2 == 0 for one in learn(server, n=5, queue="likely")["queue"])
    annotate(server, ids(server)[0], 0, 1, "cab")
    found = learn(server, n=5, queue="likely")
    assert (found["positive"], found["negative"], found["figures"]) == (1, 0, None)
    assert found["enough"].startswith("19 more moments")
    assert all(round(one["start"]) % 2 == 0 for one in found["queue"])
    judge(server, [1], [0, 1, 2])
    found = learn(server, n=5)
    assert (found["positive"], found["negative"], found["figures"]) == (3, 1, None)
    assert found["enough"].startswith("16 more moments")


def test_one_more_moment_is_one(server):
    judge(server, range(3))
    annotate(server, ids(server)[3], 0, 1, "cab")
    assert learn(server)["enough"] == "1 more moment, and it can be said how good this is."


def test_filters_hold_for_the_queue(server):
    judge(server, range(2))
    found = learn(server, filters={"site": ["site1"]}, n=50, queue="random")
    assert {one["site"] for one in found["queue"]} == {"site1"}


def test_heads_are_kept_and_applied(server):
    judge(server, range(4))
    kept = server.client.post("/api/heads", json={"name": "Loud ones", "label": "cab"})
    assert kept.status_code == 200, kept.text
    assert server.client.post("/api/heads", json={"name": "Loud ones", "label": "cab"}).status_code == 409
    heads = server.client.get("/api/collection").json()["heads"]
    assert [(one["name"], one["labels"]) for one in heads] == [("Loud ones", ["cab"])]
    path = server.folder / "heads-of-mine" / "Loud ones.head"
    collection = Collection(server.folder)
    assert FittedHead.load(path).stamp.thresholds == tuple(kept.json()["thresholds"])
    assert [one for one in collection.check() if one.level == "error"] == []
    answers = list(apply_head(path, collection, timeline=True))
    job = finished(server, server.client.post("/api/apply", json={"head": "Loud ones"}))
    assert job["state"] == "done", job
    result = job["result"]
    assert result["events"] == sum(len(one.events) for one in answers) > 0
    assert result["seconds"] == result["seconds_by_label"]["cab"]
    assert result["seconds"] == round(sum(one.seconds["cab"] for one in answers), 3)
    assert np.sum(result["activity"]["counts"]) == result["events"]
    recording = ids(server)[5]
    said = server.client.get(f"/api/recordings/{recording}/timeline", params={"head": "Loud ones"}).json()
    wanted = next(one for one in answers if one.path == collection.path_of_id(int(recording)))
    assert [(one["start"], one["end"]) for one in said["events"]] == [(one.start, one.end) for one in wanted.events]
    counted = finished(server, server.client.get("/api/activity", params={"head": "Loud ones", "bin": 30}))["result"]
    assert np.sum(counted["counts"]) == result["events"]
    assert len(counted["hours"]) == 48


def test_a_head_that_listens_long_keeps_nobody_waiting(server, monkeypatch):
    kept = server.client.post("/api/heads", json={"name": "words", "label": "bad cab"})
    assert kept.status_code == 200, kept.text
    go, begun, real = threading.Event(), threading.Event(), detections.of_head

    def slow(*given, **named):
        begun.set()
        assert go.wait(60)
        return real(*given, **named)

    monkeypatch.setattr(detections, "of_head", slow)
    asked = server.client.get("/api/activity", params={"head": "words", "threshold": 0})
    assert begun.wait(60)
    assert len(search(server)["hits"]) > 0  # while the head still listens
    assert server.client.get(f"/api/jobs/{asked.json()['job']}").json()["state"] == "running"
    go.set()
    found = finished(server, asked)
    assert (found["state"], found["done"], found["total"]) == ("done", 6, 6)
    head = server.folder / "heads-of-mine" / "words.head"
    assert np.sum(found["result"]["counts"]) == len(real(Collection(server.folder), head, threshold=0)) > 0


def test_fitting_a_head_keeps_nobody_waiting(server, monkeypatch):
    go, begun, real = threading.Event(), threading.Event(), fitting.fit_windows

    def slow(*given, **named):
        begun.set()
        assert go.wait(60)
        return real(*given, **named)

    monkeypatch.setattr(learning, "fit_windows", slow)
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(server.client.post("/api/heads", json={"name": "words", "label": "bad cab"}))
    )
    asking.start()
    assert begun.wait(60)
    assert len(search(server)["hits"]) > 0
    assert not answers
    go.set()
    asking.join(60)
    assert answers[0].status_code == 200, answers[0].text


def test_a_head_of_words_alone_is_kept_where_they_are_known(server, monkeypatch):
    kept = server.client.post("/api/heads", json={"name": "words", "label": "bad cab"})
    assert kept.status_code == 200, kept.text
    assert FittedHead.load(server.folder / "heads-of-mine" / "words.head").stamp.words == ("bad cab",)
    monkeypatch.setattr(StandIn, "unknown_words", lambda self, texts: list(texts))
    assert server.client.post("/api/heads", json={"name": "x", "label": "nothing"}).status_code == 422
    found = learn(server)
    assert (found["threshold"], found["positive"]) == (None, 0)
    assert "yes" in found["enough"]


def test_heads_that_cannot_be(server):
    for name in ("../x", "a/b", ".x", "", "x" * 61, "a\0"):
        answer = server.client.post("/api/heads", json={"name": name, "label": "cab"})
        assert answer.status_code == 422, name
    assert server.client.post("/api/heads", json={"name": "x"}).status_code == 422
    assert server.client.post("/api/apply", json={"head": "../x"}).status_code == 404
    assert server.client.get("/api/activity", params={"head": "../x"}).status_code == 404
    assert not (server.folder / "heads-of-mine").exists()


def test_queues():
    generator = np.random.default_rng(0)
    probabilities, recordings = generator.random(400), generator.integers(0, 30, 400)
    free = generator.random(400) < 0.8
    for kind in ("uncertain", "likely", "random", "spread"):
        queue = queue_of(probabilities, recordings, free, (kind, 40, 0.6), 7)
        assert free[queue].all()
        assert len(set(queue.tolist())) == len(queue)
        most = np.bincount(recordings[queue]).max()
        assert (len(queue), most) == (40, 3) if kind != "spread" else most == 1
        assert np.array_equal(queue, queue_of(probabilities, recordings, free, (kind, 40, 0.6), 7))
    likely = queue_of(probabilities, np.arange(400), free, ("likely", 5, 0.6), 7)
    assert likely.tolist() == sorted(np.flatnonzero(free), key=lambda one: -probabilities[one])[:5]
    near = queue_of(probabilities, np.arange(400), free, ("uncertain", 5, 0.6), 7)
    assert near.tolist() == sorted(np.flatnonzero(free), key=lambda one: abs(probabilities[one] - 0.6))[:5]
    assert seed_of("a", 3) != seed_of("a", 4) != seed_of("b", 4)
