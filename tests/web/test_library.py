import shutil

import numpy as np

from mmasc.collection import Collection
from tests.helpers.collections import write
from tests.helpers.web import NIGHTS, SECONDS, annotate, finished, ids


def test_recordings_are_added_in_the_background(server, tmp_path):
    for name in ("x.wav", "y.wav"):
        write(tmp_path / "sounds" / "more" / name, 0.4)
    (tmp_path / "sounds" / "more" / "bad.wav").write_bytes(b"RIFFxxxx")
    job = finished(server, server.client.post("/api/add", json={"folder": str(tmp_path / "sounds" / "more")}))
    assert job["state"] == "done", job
    assert (job["result"]["found"], job["result"]["added"]) == (3, 2)
    assert [one["name"] for one in job["result"]["failed"]] == ["bad.wav"]
    assert str(tmp_path) not in str(job)
    assert (
        server.client.get("/api/recordings").json()["total"] == NIGHTS + 2 == len(Collection(server.folder).recordings)
    )
    for bad in (str(tmp_path / "nothing"), "a\0b", str(tmp_path / "m.csv")):
        assert server.client.post("/api/add", json={"folder": bad}).status_code == 404


def test_duplicates(server, tmp_path):
    source = tmp_path / "sounds" / "wood" / "night_0.wav"
    shutil.copy(source, source.with_name("copy.wav"))
    finished(server, server.client.post("/api/add", json={"folder": str(source.parent)}))
    job = finished(server, server.client.get("/api/duplicates"))
    assert job["state"] == "done", job
    groups = [{one["path_shown"] for one in group} for group in job["result"]["groups"]]
    assert any({"wood/copy.wav", "wood/night_0.wav"} <= group for group in groups)
    assert all(one["recording"] in ids(server) for group in job["result"]["groups"] for one in group)
    assert str(tmp_path) not in str(job)


def test_activity_counts_annotations_by_the_clock(server):
    for night in range(NIGHTS):
        annotate(server, ids(server)[night], 1, 2, "frog")
    annotate(server, ids(server)[0], 1, 2, "owl")
    found = server.client.get("/api/activity", params={"label": "frog", "bin": 60}).json()
    assert found["days"] == ["2024-05-01", "2024-05-02", "2024-05-03"]
    assert found["hours"][20] == "20:00"
    counts = np.array(found["counts"])
    assert counts.shape == (3, 24)
    assert counts.sum() == NIGHTS
    assert (counts.sum(axis=1) == 2).all()
    np.testing.assert_allclose(np.sum(found["recorded"]), NIGHTS * SECONDS / 3600, atol=1e-4)
    assert np.sum(server.client.get("/api/activity").json()["counts"]) == NIGHTS + 1
    assert server.client.get("/api/activity", params={"bin": 7}).status_code == 422
