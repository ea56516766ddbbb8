"""Fetching from a web server of this machine: tries, limits, redirects, what is said of each."""

import pytest

from mmasc.errors import MmascError
from mmasc.remote import limits, sightings, web
from mmasc.remote.fetch import fetch
from mmasc.remote.limits import limited
from tests.helpers.servers import web_server

BODY = bytes(range(256)) * 8_192  # 2 MiB: more than one piece


@pytest.fixture(scope="module")
def server():
    with web_server() as web:
        yield web


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", [0.01, 0.01])
    monkeypatch.setattr(sightings, "_SEEN", {})


@pytest.fixture
def file(server):
    server.files, server.headers, server.faults = {"/x.wav": BODY}, {}, {}
    server.asked.clear()
    return f"{server.address}/x.wav"


def test_a_file_comes_whole(server, file, tmp_path):
    seen = fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert (seen.size, seen.is_stamped) == (len(BODY), True)
    assert seen == sightings.look(file)


def test_an_error_of_the_server_is_tried_again(server, file, tmp_path):
    server.faults["/x.wav"] = [500, 503]
    fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert len(server.asked) == 3
    server.faults["/x.wav"] = [500, 500, 500]
    with pytest.raises(MmascError, match=r"x\.wav: the server answers 500 .*; tried 3 times"):
        fetch(file, tmp_path / "y")
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("status", [404, 401, 403])
def test_what_another_try_does_not_change_is_not_tried(server, file, tmp_path, status):
    server.faults["/x.wav"] = [status]
    with pytest.raises(MmascError, match=r"no such object" if status == 404 else rf"answers {status}"):
        fetch(file, tmp_path / "x")
    assert len(server.asked) == 1


def test_a_connection_that_broke_goes_on_where_it_broke(server, file, tmp_path):
    server.faults["/x.wav"] = ["break"]
    fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert server.asked[1] == ("GET", "/x.wav", f"bytes={len(BODY) // 2}-")


def test_without_an_etag_it_begins_from_the_start(server, file, tmp_path):
    server.headers["/x.wav"] = {"Last-Modified": "Wed, 01 May 2024 04:00:00 GMT"}
    server.faults["/x.wav"] = ["break"]
    seen = fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert server.asked[1] == ("GET", "/x.wav", None)
    assert seen.stat().st_mtime_ns == seen.modified_ns == 1_714_536_000 * 10**9


def test_another_object_in_between_is_not_joined_to_the_first(server, file, tmp_path, monkeypatch):
    server.faults["/x.wav"] = ["break"]
    read = web.read

    def replaced(*arguments):
        if len(server.asked) == 1:
            server.files["/x.wav"] = BODY[::-1]
        return read(*arguments)

    monkeypatch.setattr(web, "read", replaced)
    fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY[::-1]


def test_a_server_that_does_not_answer_in_time_is_given_up(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "READ_SECONDS", 0.1)
    server.faults["/x.wav"] = ["hang"]
    fetch(file, tmp_path / "x")
    server.faults["/x.wav"] = ["hang", "hang", "hang"]
    with pytest.raises(MmascError, match=r"cannot be reached \(no answer in time\); tried 3 times"):
        fetch(file, tmp_path / "x")


def test_a_file_above_the_limit_is_refused_before_and_while_it_comes(server, file, tmp_path):
    with limited(max_bytes=len(BODY) - 1), pytest.raises(MmascError, match="2,097,151 are fetched at most"):
        fetch(file, tmp_path / "x")
    server.headers["/x.wav"] = {"Content-Length": "", "Connection": "close"}
    with limited(max_bytes=len(BODY) - 1), pytest.raises(MmascError, match="--max-bytes"):
        fetch(file, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    with limited(max_bytes=len(BODY)):
        assert fetch(file, tmp_path / "x").size is None


def test_redirects_keep_to_the_scheme(server, file, tmp_path):
    server.files["/y.wav"] = b"other"
    server.faults["/x.wav"] = [f"{server.address}/y.wav"]
    fetch(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"other"
    for target in ("https://127.0.0.1/x.wav?X-Amz-Signature=abc", "file:///etc/hostname", "ftp://h/x"):
        server.faults["/x.wav"] = [target]
        with pytest.raises(MmascError, match="another scheme; give that address|is not allowed") as caught:
            fetch(file, tmp_path / "x")
        assert "abc" not in str(caught.value)


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(MmascError, match=r"http://127\.0\.0\.1:9/x\.wav: cannot be reached .*; tried 3 times"):
        fetch("http://127.0.0.1:9/x.wav", tmp_path / "x")


def test_a_server_that_knows_no_head_is_asked_otherwise(server, file):
    server.faults["/x.wav"] = [405]
    assert sightings.look(file).size == len(BODY)


def test_bad_limits_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("MMASC_MAX_BYTES", "much")
    with pytest.raises(MmascError, match="must be a number of bytes, got 'much'"):
        limits.limits()
    with pytest.raises(MmascError, match="is not a folder"), limited(folder=tmp_path / "none"):
        pass


@pytest.mark.parametrize("host", ["a..b", "a" * 300, "\u2024", "127.0.0.1:\uff19", "x\udcff", "h:port"])
def test_a_host_that_cannot_be_is_said(host, tmp_path):
    for ask in (lambda: web.look(f"http://{host}/x.wav"), lambda: fetch(f"http://{host}/x.wav", tmp_path / "x")):
        with pytest.raises((MmascError, OSError), match="^http://"):
            ask()


def test_what_servers_say_may_be_nonsense(server, file, tmp_path):
    server.faults["/x.wav"] = ["http://[::1/y.wav"]
    with pytest.raises(MmascError, match="is or redirects to an invalid address"):
        fetch(file, tmp_path / "x")
    server.headers["/x.wav"] = {"ETag": "t", "Last-Modified": "soon", "Content-Length": "9" * 5_000}
    assert web.look(file).size is None
