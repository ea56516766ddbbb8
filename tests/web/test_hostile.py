"""Requests that nobody honest sends: each gets one line, no fault of the program, and the server goes on."""

import io
import json
import struct
import zipfile
import zlib

import pytest

from tests.helpers.web import annotate, ids, search

JSON = {"Content-Type": "application/json"}
DEEP = 200_000


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int) -> bytes:
    """A small file that says that it is a large picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(b"\0" * 1_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def test_odd_ranges_are_no_ranges_and_far_ones_are_refused(server):
    url = f"/api/recordings/{ids(server)[1]}/audio"
    whole = server.client.get(url).content
    many = "bytes=" + ",".join(["0-0"] * 2_000)
    odd = [many, "bytes=0-0,2-2", "bytes=a-b", "bytes=-", "bytes=5", "lines=1-2", "bytes=1-" + "9" * 400, "bytes= 1-2"]
    for value in odd:
        answer = server.client.get(url, headers={"Range": value})
        assert (answer.status_code, answer.content) == (200, whole), value[:40]
    for value in (f"bytes={10**14}-", f"bytes={len(whole)}-{10**14}", "bytes=9-2"):
        assert server.client.get(url, headers={"Range": value}).status_code in (400, 416), value
    assert server.client.get(url, headers={"Range": f"bytes=10-{10**14}"}).content == whole[10:]


def test_other_methods_do_nothing(server):
    before = server.client.get("/api/health").json()
    for method in ("OPTIONS", "PUT", "TRACE", "CONNECT", "PROPFIND", "HEAD"):
        for path in ("/api/health", "/api/annotations", "/api/search", f"/api/recordings/{ids(server)[0]}/audio"):
            answer = server.client.request(method, path)
            assert answer.status_code == 405 or (method == "HEAD" and not answer.content), (method, path)
            assert "access-control-allow-origin" not in answer.headers
    assert server.client.get("/api/health").json() == before


@pytest.mark.parametrize(
    "content",
    [
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"texts": [{"text": "a", "weight": Infinity}]}',
        b'{"texts": [{"text": "a", "weight": 1e999}]}',
        b'{"texts": [{"text": "a"}], "k": 1' + b"0" * 5_000 + b"}",
        b'{"texts": [{"text": "\\ud800"}]}',
        b'{"texts": [{"text": "\xff"}]}',
        b'{"texts": null}',
        b'"' + b"x" * 100_000 + b'"',
        b"{",
        b"\x00",
    ],
    ids=["deep lists", "deep objects", "infinity", "too large", "long number", "surrogate", "no utf-8", "null", "text"]
    + ["cut off", "zero"],
)
def test_bodies_that_are_no_questions(server, content):
    answer = server.client.post("/api/search", content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text[:200]
    assert answer.json().keys() == {"error"}
    assert len(answer.text) < 2_000  # what was sent does not come back
    assert search(server)["hits"]


def test_pictures_that_would_fill_the_memory(server):
    for size in ((60_000, 60_000), (2**31 - 1, 2), (100_000_000, 1), (0, 0)):
        answer = server.client.post("/api/uploads", files={"file": ("a.png", png_of(*size))})
        assert answer.status_code == 415, size
        assert answer.json().keys() == {"error"}
    assert not list(server.session.cache.folder.glob("upload-*"))


def test_uploads_of_an_odd_shape(server):
    post = server.client.post
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (
        b"",
        b"--x",
        b"--x\r\n\r\n--x--",
        b"--y\r\n",
        b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
    ):
        assert post("/api/uploads", content=content, headers=kind).status_code in (400, 422), content
    assert post("/api/uploads", content=b"a", headers={"Content-Type": "multipart/form-data"}).status_code in (400, 422)
    several = [("file", (f"{number}.wav", b"x")) for number in range(50)]
    assert post("/api/uploads", files=several).status_code == 400
    assert (
        post("/api/uploads", files={"file": ("a.wav", b"x")}, headers={"Content-Length": str(10**8)}).status_code == 413
    )


def test_thousands_of_labels_are_one_step_and_more_are_refused(server):
    one = {"recording": ids(server)[0], "start": 0.0, "end": 1.0}
    many = [one | {"label": f"label {number}"} for number in range(5_000)]
    answer = server.client.post("/api/annotations", json={"annotations": many})
    assert (answer.status_code, len(set(answer.json()["ids"]))) == (200, 5_000)
    assert server.client.post("/api/annotations", json={"annotations": [*many, many[0]]}).status_code == 422
    bad = [*many[:10], one | {"label": "x", "recording": "7"}]
    assert server.client.post("/api/annotations", json={"annotations": bad}).status_code == 404  # none of them
    assert server.client.get("/api/annotations?limit=1").json()["total"] == 5_000
    server.client.post("/api/annotations/undo", json={"n": 1})
    assert server.client.get("/api/annotations?limit=1").json()["total"] == 0


def test_labels_that_are_markup_or_paths_stay_text(server):
    names = [
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "=1+1",
        "'; drop table",
        "\\\\server\\x",
        "x" * 200,
    ]
    for name in names:
        annotate(server, ids(server)[0], 0.0, 1.0, name)
    turned = {"recording": ids(server)[0], "start": 0.0, "end": 1.0, "label": "a\u202eb"}
    assert server.client.post("/api/annotations", json={"annotations": [turned]}).status_code == 422
    stored = [one["label"] for one in server.client.get("/api/annotations").json()["annotations"]]
    assert sorted(stored) == sorted(names)
    for name in ("../x", "a/b", "a\\b", ".x", "", "x" * 61, "a\0b", "nul\n"):
        answer = server.client.post("/api/heads", json={"name": name, "label": names[0]})
        assert answer.status_code == 422, name
    assert not (server.folder.parent / "x.head").exists()
    clips = server.client.post("/api/export", json={"format": "clips"})
    assert clips.status_code == 200
    inside = zipfile.ZipFile(io.BytesIO(clips.content)).namelist()
    assert len(inside) == len(names) + 1
    assert all("/" not in name and "\\" not in name and not name.startswith(".") for name in inside), inside


def test_what_is_not_there_is_said_in_a_line(server):
    gone = [f"/api/jobs/{'0' * 16}", "/api/windows/99999", "/api/windows/-1", "/api/nothing", "/api/recordings/7/audio"]
    for path in gone:
        answer = server.client.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path
    body = json.dumps({"ids": ["0" * 32], "verdict": "absent"})
    assert server.client.patch("/api/annotations", content=body, headers=JSON).status_code == 404
    assert server.client.get("/api/windows/1e9").status_code == 422
