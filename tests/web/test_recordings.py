from itertools import pairwise

import numpy as np
import soundfile

from mmasc.collection import Collection
from mmasc.web.recordings import peaks_of
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.web import NIGHTS, SECONDS, annotate, ids


def test_the_list_is_that_of_the_collection(server):
    table = sorted(Collection(server.folder).recordings.to_pylist(), key=lambda row: row["path"])
    found = server.client.get("/api/recordings").json()
    assert found["total"] == NIGHTS
    assert [one["path_shown"] for one in found["recordings"]] == [row["path"] for row in table]
    assert [one["id"] for one in found["recordings"]] == [str(row["id"]) for row in table]
    assert {one["duration"] for one in found["recordings"]} == {float(SECONDS)}
    part = server.client.get("/api/recordings", params={"offset": 2, "limit": 2}).json()
    assert part["recordings"] == found["recordings"][2:4]
    named = server.client.get("/api/recordings", params={"q": "NIGHT_3"}).json()
    assert (named["total"], named["recordings"][0]["name"]) == (1, "night_3.wav")


def test_one_recording_and_its_neighbours(server):
    found = ids(server)
    annotate(server, found[1], 1, 2, "frog")
    one = server.client.get(f"/api/recordings/{found[1]}").json()
    assert one["neighbours"] == {"previous": found[0], "next": found[2]}
    assert [mark["label"] for mark in one["annotations"]] == ["frog"]
    assert server.client.get(f"/api/recordings/{found[0]}").json()["neighbours"]["previous"] is None
    assert server.client.get(f"/api/recordings/{found[-1]}").json()["neighbours"]["next"] is None
    assert server.client.get("/api/recordings").json()["recordings"][1]["annotations"] == 1


def test_the_overview_is_the_loudest_of_each_stretch(server, tmp_path):
    samples = np.random.default_rng(1).uniform(-1, 1, (25 * 1_000, 2))
    samples *= np.linspace(0.1, 0.9, len(samples))[:, None]
    soundfile.write(tmp_path / "x.wav", samples, 1_000, "FLOAT")
    for width in (8, 100, 777):
        found = peaks_of(tmp_path / "x.wav", 25.0, width)
        edges = np.ceil(np.arange(width + 1) * len(samples) / width).astype(int)
        wanted = [np.abs(samples[a:b]).max() for a, b in pairwise(edges)]
        np.testing.assert_allclose(found["peaks"], wanted, atol=1e-4)
        assert (found["columns"], found["seconds"]) == (width, 25.0)
    answer = server.client.get(f"/api/recordings/{ids(server)[0]}/overview", params={"width": 12}).json()
    assert len(answer["peaks"]) == 12
    assert min(answer["peaks"][0:2]) > 0.6 > max(answer["peaks"][2:4])


def test_timelines_of_words_and_prompts(server):
    recording = ids(server)[0]
    url = f"/api/recordings/{recording}/timeline"
    said = server.client.get(url, params={"text": "a b"}).json()
    collection = Collection(server.folder)
    hits = collection.search(text="a b", windows=True, k=200, encoder=StandIn(STANDIN_SPEC))
    own = sorted((one.start, one.score) for one in hits if one.path == collection.path_of_id(int(recording)))
    np.testing.assert_allclose(said["curve"]["values"]["a b"], [score for _, score in own], atol=1e-5)
    assert (said["curve"]["step"], said["events"]) == (1.0, [])
    found = server.client.get(url, params={"prompts": "demo"}).json()
    assert sum(one["end"] - one["start"] for one in found["events"]) <= SECONDS
    sums = np.sum(list(found["curve"]["values"].values()), axis=0)
    np.testing.assert_allclose(sums, 1, atol=1e-3)
    for bad in ({}, {"text": "a", "head": "b"}, {"text": " "}):
        assert server.client.get(url, params=bad).status_code == 422
    for bad in ({"head": "../x"}, {"prompts": "/etc/passwd"}):
        assert server.client.get(url, params=bad).status_code == 404
