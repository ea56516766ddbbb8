"""Copies of remote files: shared, bounded, deleted; and headers read in pieces."""

import io
import os
import threading

import pytest

from mmasc.errors import MmascError
from mmasc.remote import copies as module
from mmasc.remote import limits, sightings
from mmasc.remote.copies import Copies, RangeReader, held, with_copies_ahead
from mmasc.remote.paths import as_path
from tests.helpers.servers import web_server


@pytest.fixture(scope="module")
def server():
    with web_server() as web:
        yield web


@pytest.fixture
def files(server, monkeypatch, tmp_path):
    """Ten files of a server; copies lie under tmp_path."""
    monkeypatch.setattr(limits, "WAIT_SECONDS", [0.01, 0.01])
    monkeypatch.setattr(sightings, "_SEEN", {})
    server.files = {f"/{name}.wav": bytes([name]) * 200_000 for name in range(10)}
    server.headers, server.faults = {}, {}
    server.asked.clear()
    own = Copies()
    monkeypatch.setattr(module, "_OF_PROCESS", [own])
    with limits.limited(folder=tmp_path):
        yield [as_path(f"{server.address}{name}") for name in server.files]
    own.close()
    assert list(tmp_path.iterdir()) == []


def there(folder):
    return list(folder.rglob("*.wav"))


def test_a_copy_is_fetched_once_for_all_who_read_it(server, files):
    found = []

    def read():
        with held(files[3]) as path:
            found.append(path.read_bytes())

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [server.files["/3.wav"]] * 6
    assert len(server.asked) == 1


def test_a_file_of_this_machine_is_itself(tmp_path):
    with held(tmp_path / "x.wav") as path:
        assert path == tmp_path / "x.wav"


def test_two_are_fetched_ahead_and_no_more(server, files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SPARE_FILES", 0)
    most = 0
    for path in with_copies_ahead(files):
        with held(path) as copy:
            assert copy.read_bytes() == server.files[f"/{path.name}"]
            most = max(most, len(there(tmp_path)))
    assert 1 < most <= 1 + module.AHEAD
    assert there(tmp_path) == []
    assert len(server.asked) == len(files)


def test_who_stops_leaves_nothing_on_the_way(files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SPARE_FILES", 0)
    ahead = with_copies_ahead(files)
    with held(next(ahead)):
        pass
    ahead.close()
    module.copies()._pool.shutdown()
    assert there(tmp_path) == []


def test_few_copies_are_kept_for_the_next_who_asks(server, files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SPARE_FILES", 2)
    for path in files[:4]:
        with held(path):
            pass
    assert len(there(tmp_path)) == 2
    with held(files[3]), held(files[2]):
        assert len(server.asked) == 4
    with held(files[0]):
        assert len(server.asked) == 5


def test_an_object_that_changed_is_fetched_again(server, files, monkeypatch):
    with held(files[0]):
        pass
    server.files["/0.wav"] = b"other"
    sightings.look(str(files[0]))  # as a listing does
    with held(files[0]) as path:
        assert path.read_bytes() == b"other"
    server.files["/0.wav"] = b"third"
    monkeypatch.setattr(module, "_FRESH_NS", 0)  # an old copy is asked about
    with held(files[0]) as path:
        assert path.read_bytes() == b"third"


def test_what_failed_is_tried_again_by_the_next_who_asks(server, files):
    server.faults["/0.wav"] = [404]
    ahead = with_copies_ahead(files[:1])
    path = next(ahead)
    with pytest.raises(MmascError, match="no such object"), held(path):
        pass
    with held(path) as copy:
        assert copy.read_bytes() == server.files["/0.wav"]


def test_a_folder_of_a_killed_process_is_swept(files, tmp_path):
    for name, age in (("mmasc-remote-dead", 600), ("mmasc-remote-young", 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (os.stat(tmp_path).st_mtime - age,) * 2)
    with held(files[0]):
        names = {path.name for path in tmp_path.iterdir()}
    assert "mmasc-remote-dead" not in names
    assert "mmasc-remote-young" in names
    (tmp_path / "mmasc-remote-young").rmdir()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_header_is_read_in_pieces_where_the_server_gives_them(server, files, ranges):
    body = server.files["/0.wav"] = os.urandom(300_000)
    if not ranges:
        server.headers["/0.wav"] = {"Last-Modified": "Wed, 01 May 2024 04:00:00 GMT"}
    reader, plain = RangeReader(files[0]), io.BytesIO(body)
    with reader:
        for offset, whence, count in ((0, 0, 12), (65_530, 0, 20), (-8, 2, 100), (10, 0, 0), (299_990, 0, -1)):
            assert reader.seek(offset, whence) == plain.seek(offset, whence)
            assert reader.read(count) == plain.read(count)
    whole = [one for one in server.asked if one[0] == "GET" and (one[2] is None or not ranges)]
    assert bool(whole) != ranges
