import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmasc.collection import Collection
from mmasc.collection.query import QueryEncoders
from mmasc.encoders.registry import ENCODERS
from mmasc.web import uploads
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.recordings import write_av
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


def film(path, seconds=1.0, audio=True) -> bytes:
    """A film: grey pictures, and noise as loud as one of the recordings is somewhere."""
    noise = np.random.default_rng(3).uniform(-0.01, 0.01, (round(seconds * RATE), 1)) + level_of(3, 2)
    return write_av(path, "aac", noise.astype(np.float32), RATE, video=True, audio=audio).read_bytes()


def asked(server, answer, **more) -> list[tuple[str, float, float]]:
    found = search(server, texts=[], uploads=[{"upload": answer["upload"]}], windows=True, k=5, **more)
    return [(one["name"], one["start"], round(one["score"], 4)) for one in found["hits"]]


def hits_of(found) -> list[tuple[str, float, float]]:
    return [(hit.path.rpartition("/")[2], hit.start, round(hit.score, 4)) for hit in found]


def test_a_film_is_asked_with_by_its_sound_where_no_space_reads_films(server, tmp_path):
    answer = send(server, film(tmp_path / "film.mp4"), "holiday.MP4").json()
    assert (answer["kind"], answer["name"]) == ("film", "holiday.MP4")
    assert answer["seconds"] == pytest.approx(1.0, abs=0.3)
    wanted = hits_of(Collection(server.folder).search(audio=tmp_path / "film.mp4", windows=True, k=5))
    assert asked(server, answer) == asked(server, answer, space="standin") == wanted
    shown = server.client.get(f"/api/uploads/{answer['upload']}/picture")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert abs(np.asarray(image).mean() - 99) < 5
    assert server.client.get(f"/api/uploads/{answer['upload']}/audio").status_code == 200


def test_a_film_is_asked_with_by_its_pictures_where_a_space_reads_films(server, tmp_path, monkeypatch):
    sees = replace(STANDIN_SPEC, modalities=("audio", "text", "film"))
    monkeypatch.setitem(ENCODERS, "standin", sees)
    seen = np.array([[0.1, 0.2, 0.7, 0.3]], np.float32)
    monkeypatch.setattr(StandIn, "_film", lambda self, path: seen, raising=False)
    server.session.encoders = QueryEncoders("cpu")  # those of before have no films
    answer = send(server, film(tmp_path / "film.mp4"), "film.mp4").json()
    by_pictures = hits_of(Collection(server.folder).search(image=tmp_path / "film.mp4", windows=True, k=5))
    assert asked(server, answer) == by_pictures
    assert by_pictures != hits_of(Collection(server.folder).search(audio=tmp_path / "film.mp4", windows=True, k=5))
    mute = send(server, film(tmp_path / "mute.mp4", audio=False), "mute.mp4").json()
    assert (mute["kind"], mute["seconds"]) == ("film", None)
    assert asked(server, mute) == by_pictures


def test_films_have_limits_too(server, tmp_path):
    mute = send(server, film(tmp_path / "mute.mp4", audio=False), "mute.mp4").json()
    refused = server.client.post("/api/search", json={"uploads": [{"upload": mute["upload"]}], "space": "standin"})
    assert (refused.status_code, refused.json()["error"]) == (422, "the space 'standin' does not understand a film")
    assert server.client.post("/api/search", json={"uploads": [{"upload": mute["upload"]}]}).status_code == 422
    assert server.client.get(f"/api/uploads/{mute['upload']}/audio").status_code == 404
    long = send(server, film(tmp_path / "long.mp4", 63.0, audio=False), "long.mp4")
    assert (long.status_code, long.json()["error"]) == (413, "films can be 60 s long; cut out what you ask for")
    # what only ends as a film does is none
    assert send(server, sound_bytes(np.full(RATE, 0.5)), "a.mp4").json()["kind"] == "sound"
    assert send(server, b"hello", "a.mp4").status_code == 415
    assert send(server, film(tmp_path / "film.mp4"), "../../x.mp4/").json()["kind"] in ("sound", "film")
    assert len(list(server.session.cache.folder.glob("upload-*"))) == 3
