import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmasc.web import uploads
from tests.helpers.web import RATE, ids, level_of, search


def sound_bytes(samples, rate=RATE, kind="WAV") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=kind)
    return content.getvalue()


def picture_bytes(kind="PNG") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(content, kind)
    return content.getvalue()


def send(server, content: bytes, name="a.wav"):
    return server.client.post("/api/uploads", files={"file": (name, content)})


def test_a_sound_finds_itself_and_can_be_heard(server):
    noise = np.random.default_rng(3).uniform(-0.01, 0.01, 6 * RATE)[2 * RATE : 3 * RATE]
    answer = send(server, sound_bytes(np.full(RATE, level_of(3, 2)) + noise), "C:\\me\\x\u202e.wav")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["kind"], found["seconds"]) == ("sound", 1.0)
    assert "\\me" not in found["name"]
    assert "\u202e" not in found["name"]
    hit = search(server, texts=[], uploads=[{"upload": found["upload"]}], windows=True, k=1)["hits"][0]
    assert (hit["name"], hit["start"]) == ("night_3.wav", 2.0)
    for kind in ("audio", "picture"):
        assert server.client.get(f"/api/uploads/{found['upload']}/{kind}").status_code == 200
        assert server.client.get(f"/api/uploads/{'0' * 32}/{kind}").status_code == 404


def test_pictures_are_taken_and_refused_by_spaces_of_sounds(server):
    answer = send(server, picture_bytes(), "a.png").json()
    assert (answer["kind"], answer["seconds"]) == ("picture", None)
    assert server.client.get(f"/api/uploads/{answer['upload']}/audio").status_code == 404
    shown = server.client.get(f"/api/uploads/{answer['upload']}/picture")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.size == (40, 30)
    asked = {"uploads": [{"upload": answer["upload"]}]}
    assert server.client.post("/api/search", json=asked).status_code == 422
    assert server.client.post("/api/search", json=asked | {"space": "standin"}).status_code == 422


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 415),
        (b"hello", 415),
        (b"\x89PNG" + b"x" * 100, 415),
        (b"RIFF" + b"\0" * 100, 415),
        (sound_bytes(np.zeros(0)), 415),
        (sound_bytes(np.zeros(61 * 100), 100 * 10)[:-10], 200),
        (sound_bytes(np.zeros(61 * RATE)), 413),
        (sound_bytes(np.zeros(1_000 * RATE, np.int16), kind="FLAC"), 413),  # small as a file
        (b"x" * 20_000_001, 413),
    ],
    ids=["empty", "text", "picture", "header", "no samples", "cut off", "61 s", "bomb", "20 MB"],
)
def test_what_is_not_taken(server, content, status):
    answer = send(server, content)
    assert answer.status_code == status, answer.text
    assert str(server.session.cache.folder) not in answer.text
    kept = list(server.session.cache.folder.glob("upload-*"))
    assert len(kept) == (status == 200)


def test_silence_is_said(server):
    answer = send(server, sound_bytes(np.zeros(RATE))).json()
    refused = server.client.post("/api/search", json={"uploads": [{"upload": answer["upload"]}]})
    assert refused.status_code == 422
    assert "silent" in refused.json()["error"]


def test_old_uploads_go(server, monkeypatch):
    monkeypatch.setattr(uploads, "_MOST_UPLOADS", 3)
    content = sound_bytes(np.full(100, 0.5))
    keys = [send(server, content).json()["upload"] for _ in range(5)]
    there = [server.client.get(f"/api/uploads/{key}/audio").status_code for key in keys]
    assert there == [404, 404, 200, 200, 200]
    assert len(list(server.session.cache.folder.glob("upload-*"))) == 3
    assert ids(server)
