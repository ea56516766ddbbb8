import io
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from mmasc.label_files.formats import read_rows
from tests.helpers.web import RATE, annotate, ids


def exported(server, **asked):
    answer = server.client.post("/api/export", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith('attachment; filename="mmasc.')
    assert str(server.folder.parent).encode() not in answer.content
    return answer.content


@pytest.mark.parametrize(
    ("form", "name"), [("csv", "a.csv"), ("jsonl", "a.jsonl"), ("raven", "a.txt"), ("audacity", "a.txt")]
)
def test_annotations_come_back_from_the_file(server, tmp_path, form, name):
    annotate(server, ids(server)[0], 0.5, 1.5, "frog, far")
    annotate(server, ids(server)[1], 1, 2, "owl", verdict="absent")
    (tmp_path / name).write_bytes(exported(server, format=form))
    rows = read_rows(tmp_path / name, form).rows
    wanted = [(0.5, 1.5, "frog, far"), (1.0, 2.0, "owl")][: 1 if form == "audacity" else 2]
    assert sorted((row.start, row.end, row.label.split(" [")[0]) for row in rows) == wanted


def test_hits_as_tables_and_playlists(server, tmp_path):
    hits = [{"recording": ids(server)[2], "start": 1, "end": 2.5, "label": "loud", "score": 0.25}]
    (tmp_path / "a.csv").write_bytes(exported(server, format="csv", hits=hits))
    row = read_rows(tmp_path / "a.csv").rows[0]
    shown = server.client.get(f"/api/recordings/{ids(server)[2]}").json()["path_shown"]
    assert (row.path, row.start, row.end, row.label, row.score) == (shown, 1.0, 2.5, "loud", 0.25)
    table = pq.read_table(io.BytesIO(exported(server, format="parquet", hits=hits)))
    assert table.select(["path", "start", "label"]).to_pylist() == [{"path": shown, "start": 1.0, "label": "loud"}]
    assert shown in exported(server, format="m3u", hits=hits).decode()


def test_clips_are_cut_out_of_the_recordings(server):
    hits = [{"recording": one, "start": 1, "end": 2, "label": "loud"} for one in ids(server)]
    with zipfile.ZipFile(io.BytesIO(exported(server, format="clips", hits=hits, pad=0.5))) as archive:
        names = archive.namelist()
        assert (len(names), names[-1]) == (7, "clips.csv")
        assert all("/" not in name and ".." not in name for name in names)
        table = archive.read("clips.csv").decode()
        samples, rate = soundfile.read(io.BytesIO(archive.read(names[0])))
    assert str(server.folder.parent) not in table
    assert (rate, len(samples)) == (RATE, 2 * RATE)
    path = server.folder.parent / "sounds" / table.splitlines()[1].split(",")[0]
    np.testing.assert_array_equal(samples, soundfile.read(path)[0][RATE // 2 : 5 * RATE // 2])
    assert list(server.session.cache.folder.glob("*.zip")) == []


def test_recordings_that_cannot_be_cut_are_named(server):
    shown = server.client.get(f"/api/recordings/{ids(server)[0]}").json()["path_shown"]
    (server.folder.parent / "sounds" / shown).unlink()
    hits = [{"recording": one, "start": 1, "end": 2} for one in ids(server)]
    answer = server.client.post("/api/export", json={"format": "clips", "hits": hits})
    assert (answer.status_code, answer.headers["x-left-out"]) == (200, "1")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == len(hits) - 1 + 2
        reason = archive.read("left_out.txt").decode()
    assert reason.startswith(f"{shown}: no such file")
    assert str(server.folder.parent) not in reason
    assert reason.count("\n") == 1
    alone = server.client.post("/api/export", json={"format": "clips", "hits": hits[:1]})
    assert (alone.status_code, "nothing could be cut out" in alone.json()["error"]) == (422, True)


def test_what_cannot_be_exported(server):
    for asked, status in [
        ({"format": "exe"}, 422),
        ({"format": "csv", "hits": [{"recording": "1", "start": 0, "end": 1}]}, 404),
        ({"format": "csv", "hits": [{"recording": ids(server)[0], "start": 1, "end": 1}]}, 422),
        ({"format": "clips"}, 422),
        ({"format": "clips", "pad": 31}, 422),
    ]:
        answer = server.client.post("/api/export", json=asked)
        assert answer.status_code == status, asked
        assert str(server.folder.parent) not in answer.text
