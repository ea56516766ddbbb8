import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmasc.collection import Collection
from mmasc.web import allowed
from mmasc.windows.units import unit_float32
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.web import SECONDS, annotate, finished, ids, make_collection, search, serving


def test_words_find_what_the_library_finds(server):
    collection = Collection(server.folder)
    for windows in (False, True):
        wanted = collection.search(text="a b", k=7, windows=windows, encoder=StandIn(STANDIN_SPEC))
        found = search(server, texts=[{"text": "a b"}], k=7, windows=windows)["hits"]
        assert [(one["start"], one["end"], one["best_start"]) for one in found] == [
            (one.start, one.end, one.best_start) for one in wanted
        ]
        np.testing.assert_allclose([one["score"] for one in found], [one.score for one in wanted], atol=1e-6)
        assert [one["path_shown"] for one in found] == [
            one.path.removeprefix(f"{server.folder.parent}/sounds/") for one in wanted
        ]
        assert [one["clock"] for one in found] == [one.clock for one in wanted]


def test_weights_are_those_of_a_weighted_mean(server):
    encoder, reader = StandIn(STANDIN_SPEC), Collection(server.folder).space()
    good, bad = unit_float32(encoder.embed_text(["a", "b"])), unit_float32(encoder.embed_text(["c"]))
    target = (3 * good[0] + good[1]) / 4 - bad[0]
    scores = np.sort(unit_float32(reader.vectors()) @ target)[::-1]
    texts = [{"text": "a", "weight": 3}, {"text": "b"}]
    found = search(server, texts=texts, not_texts=[{"text": "c"}], windows=True, k=36)
    np.testing.assert_allclose([one["score"] for one in found["hits"]], scores, atol=1e-6)
    assert sum(found["distribution"]["counts"]) == 36
    assert len(found["distribution"]["edges"]) == 41
    assert found["hits"][0]["percentile"] >= found["hits"][-1]["percentile"] == 0


def test_a_moment_finds_itself_first(server):
    recording = ids(server)[2]
    moment = {"recording": recording, "start": 1.0, "end": 2.0}
    found = search(server, texts=[], moments=[moment], windows=True, k=3)["hits"]
    assert (found[0]["recording"], found[0]["start"], found[0]["duplicate"]) == (recording, 1.0, True)
    away = search(server, texts=[], moments=[moment], not_moments=[moment | {"start": 0.0, "end": 1.0}], k=3)["hits"]
    assert all(round(one["best_start"]) % 2 == 1 for one in away)


def test_filters(server):
    def found(**filters):
        return search(server, filters=filters, windows=True, k=200)["hits"]

    assert {one["site"] for one in found(site=["site1"])} == {"site1"}
    assert len(found(site=["site1", "site0"])) == 36
    assert found(site=["nowhere"]) == []
    days = {one["clock"][:10] for one in found(**{"from": "2024-05-02", "to": "2024-05-02"})}
    assert days == {"2024-05-02"}
    assert {one["clock"][11:13] for one in found(hours=[22, 2])} == {"22", "23"}
    assert {one["clock"][11:13] for one in found(hours=[20, 21])} == {"20"}
    annotate(server, ids(server)[0], 2.0, 3.5, "frog")
    marked = found(label="frog")
    assert sorted((one["recording"], one["start"]) for one in marked) == [(ids(server)[0], 2.0), (ids(server)[0], 3.0)]
    assert marked[0]["annotations"][0]["label"] == "frog"
    assert len(found(reviewed=True)) == 2
    assert len(found(reviewed=False)) == 34
    assert len(search(server, where="count = 3 and start < 2", windows=True, k=200)["hits"]) == 2


def test_lengths_of_recordings_and_scores_have_a_least_and_a_most(server):
    everything = search(server, windows=True, k=200)["hits"]
    scores = [one["score"] for one in everything]
    low, high = (scores[20] + scores[21]) / 2, (scores[4] + scores[5]) / 2

    def found(**asked):
        return [(one["recording"], one["start"]) for one in search(server, windows=True, k=200, **asked)["hits"]]

    places = found()
    assert found(score=[low, None]) == places[:21]
    assert found(score=[None, high]) == places[5:]
    assert found(score=[low, high]) == places[5:21]
    assert found(score=[None, None]) == places
    assert found(score=[scores[0] + 1, None]) == []
    assert found(filters={"length": [SECONDS, SECONDS]}) == places
    assert found(filters={"length": [SECONDS + 0.1, None]}) == found(filters={"length": [None, SECONDS - 0.1]}) == []


def test_what_a_kept_head_says_is_a_filter(server, monkeypatch):
    # Learnt from examples alone, whose probabilities are on both sides of a half
    monkeypatch.setattr(StandIn, "unknown_words", lambda self, texts: list(texts))
    for second in range(SECONDS):
        verdict = "present" if second % 2 == 0 else "absent"
        for recording in ids(server)[:3]:
            annotate(server, recording, second, second + 1.0, "loud", verdict=verdict)
    assert server.client.post("/api/heads", json={"name": "loud one", "label": "loud"}).status_code == 200

    def found(head, **more):
        hits = search(server, windows=True, k=200, filters={"head": {"name": "loud one"} | head} | more)["hits"]
        return {(one["recording"], round(one["start"])) for one in hits}

    likely = found({"least": 0.5})
    assert {second % 2 for _, second in likely} == {0}
    assert len(likely) == 18  # of recordings that it never heard as well
    assert found({"most": 0.4999999}) == found({}) - likely
    assert found({"least": 0.5, "label": "loud"}, site=["site1"]) == {
        one
        for one in likely
        if one[0] in {hit["recording"] for hit in search(server, filters={"site": ["site1"]})["hits"]}
    }
    for head, status in (({"name": "other"}, 404), ({"label": "quiet"}, 404), ({"name": "../loud one"}, 404)):
        body = {"texts": [{"text": "a"}], "filters": {"head": {"name": "loud one"} | head}}
        assert server.client.post("/api/search", json=body).status_code == status
    asked = {"label": "new", "filters": {"head": {"name": "loud one", "least": 0.5}}}
    learned = finished(server, server.client.post("/api/learn", json=asked))
    assert {(one["recording"], round(one["start"])) for one in learned["result"]["queue"]} <= likely


def test_a_slow_condition_keeps_nobody_waiting_and_ends(server, monkeypatch):
    running, go_on = threading.Event(), threading.Event()

    def slow(*_):
        running.set()
        assert go_on.wait(60)
        return np.ones(6 * SECONDS, bool)

    monkeypatch.setattr(allowed, "passing_windows", slow)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(search, server, where="slow = 1")
        assert running.wait(60)
        assert len(search(server)["hits"]) > 0
        go_on.set()
        assert len(waiting.result()["hits"]) > 0
    monkeypatch.undo()
    monkeypatch.setattr(allowed, "_WHERE_SECONDS", 0.0)
    answer = server.client.post("/api/search", json={"texts": [{"text": "a"}], "where": "count + 1 = 3"})
    assert answer.status_code == 422
    assert "takes too long" in answer.json()["error"]


def test_spread_limits_the_hits_of_a_recording(server):
    found = search(server, windows=True, spread=1, k=50)["hits"]
    assert len({one["recording"] for one in found}) == len(found) == 6
    assert len(search(server, windows=True, k=50)["hits"]) == 6 * SECONDS


def test_metadata_and_names_are_those_of_the_recording(server):
    for one in search(server, spread=1)["hits"]:
        night = one["metadata"]["count"]
        assert one["site"] == f"site{night % 2}"
        assert one["name"] == ("<img src=x onerror=alert(1)>.wav" if night == 5 else f"night_{night}.wav")
        assert one["recording"] in ids(server)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 422, "nothing to look for"),
        ({"not_texts": [{"text": "a"}]}, 422, "nothing to look for"),
        ({"texts": [{"text": "a"}], "not_texts": [{"text": "a"}]}, 422, "cancel out"),
        ({"texts": [{"text": "  "}]}, 422, "empty"),
        ({"texts": [{"text": "x" * 1001}]}, 422, "texts.0.text"),
        ({"texts": [{"text": "a", "weight": -1}]}, 422, "weight"),
        ({"texts": [{"text": "a"}], "k": 201}, 422, "k"),
        ({"texts": [{"text": "a"}], "k": 0}, 422, "k"),
        ({"texts": [{"text": "a"}], "unknown": 1}, 422, "unknown"),
        ({"texts": [{"text": "a"}], "where": "drop table"}, 422, "condition"),
        ({"texts": [{"text": "a"}], "where": "x" * 2001}, 422, "where"),
        ({"texts": [{"text": "a"}], "space": "other"}, 404, "there is no space 'other'"),
        ({"texts": [{"text": "a"}], "filters": {"from": "2024-13-01"}}, 422, "not a day"),
        ({"texts": [{"text": "a"}], "filters": {"hours": [3, 25]}}, 422, "hours"),
        ({"texts": [{"text": "a"}], "score": [0.1]}, 422, "score"),
        ({"texts": [{"text": "a"}], "filters": {"length": [-1, None]}}, 422, "length"),
        ({"texts": [{"text": "a"}], "filters": {"head": {"name": "a", "least": 2}}}, 422, "head"),
        ({"moments": [{"recording": "7", "start": 0, "end": 1}]}, 404, "no such recording"),
        ({"moments": [{"recording": 7, "start": 0, "end": 1}]}, 422, "recording"),
        ({"uploads": [{"upload": "a" * 32}]}, 404, "upload"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(server, asked, status, said):
    answer = server.client.post("/api/search", json=asked)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert str(server.folder.parent) not in answer.text


def test_numbers_that_are_none_are_refused(server):
    content = b'{"texts": [{"text": "a", "weight": NaN}]}'
    answer = server.client.post("/api/search", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_space_without_words_says_so(server, monkeypatch):
    from dataclasses import replace

    from mmasc.encoders.registry import ENCODERS

    monkeypatch.setitem(ENCODERS, "standin", replace(STANDIN_SPEC, modalities=("audio",)))
    answer = server.client.post("/api/search", json={"texts": [{"text": "a"}], "space": "standin"})
    assert answer.status_code == 422
    assert "does not understand text" in answer.json()["error"]
    answer = server.client.post("/api/search", json={"texts": [{"text": "a"}]})
    assert answer.status_code == 422
    assert "understands text" in answer.json()["error"]


def test_numbers_without_an_end_in_columns_are_no_fault(tmp_path, registered):
    folder = make_collection(tmp_path)
    opened = Collection.open(folder)
    ids = opened.recordings.column("id").to_pylist()
    opened.set_metadata(
        {one: {"loud": loud} for one, loud in zip(ids, [float("inf"), -float("inf"), 1.5], strict=False)}
    )
    for server in serving(folder):
        hits = search(server, spread=1, k=50)["hits"]
        assert sorted(str(one["metadata"].get("loud")) for one in hits) == ["1.5"] + ["None"] * 5
        for place in ("/api/recordings", "/api/collection", f"/api/recordings/{hits[0]['recording']}"):
            answer = server.client.get(place)
            assert answer.status_code == 200, (place, answer.text)
            answer.json(parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
        assert len(search(server, where="loud > 1", spread=1, k=50)["hits"]) == 2
