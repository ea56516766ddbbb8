"""Files that are whole or not there: what killed writers leave is swept, what living ones write is not."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmasc.collection import Collection
from mmasc.collection.store import Store
from mmasc.errors import MmascError
from mmasc.storage import files
from mmasc.storage.files import is_there, replacing, write_atomically
from mmasc.storage.texts import listed, parse_json

# Writes for ever beside the file that is named, and says when it has begun
_WRITER = """
import sys, time
from pathlib import Path
from mmasc.storage.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def unswept(monkeypatch):
    """As in a process that has written nothing yet."""
    monkeypatch.setattr(files, "_SWEPT", set())


def rests(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".tmp")


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path, unswept):
    target = tmp_path / "head.json"
    target.write_bytes(b"old")
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(target)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
        assert len(rests(tmp_path)) == 2
        writers[0].send_signal(signal.SIGKILL)
        writers[0].wait()
        write_atomically(tmp_path / "other.json", b"new")
        left = rests(tmp_path)
        assert len(left) == 1
        assert f".{writers[1].pid}." in left[0]
        assert target.read_bytes() == b"old"
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()


def test_other_names_are_never_swept(tmp_path, unswept):
    names = ["notes.tmp", ".hidden.tmp", ".head.json.12.tmp", "head.json.12.0123abcd.tmp", ".a.b.0123abcd.tmp"]
    for name in names:
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (0, 0))
    write_atomically(tmp_path / "a.json", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {*names, "a.json"}


def test_without_locks_only_old_rests_are_swept(tmp_path, unswept, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    old, young = tmp_path / ".a.json.12.0123abcd.tmp", tmp_path / ".a.json.13.0123abcd.tmp"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    write_atomically(tmp_path / "a.json", b"new")
    assert rests(tmp_path) == [young.name]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.json"
    target.write_bytes(b"old")

    def fail() -> None:
        with replacing(target) as beside:
            beside.write_bytes(b"new")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert rests(tmp_path) == []


def test_the_longest_name_that_a_folder_takes(tmp_path):
    target = tmp_path / ("é" * 100 + ".json")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_what_a_link_leads_to_is_replaced_and_devices_are_written_to(tmp_path):
    target, link = tmp_path / "there.json", tmp_path / "link.json"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen([sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", str(pipe)],
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    write_atomically(pipe, b"through")
    assert reader.communicate(timeout=60)[0] == "through\n"
    assert pipe.is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_modes_are_those_of_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a.json", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == mode


def test_json_without_end_is_a_value_error():
    assert parse_json('{"a": [1, 2]}') == {"a": [1, 2]}
    for text in ("[" * 100_000, '{"a":' * 100_000, "[1", "9" * 5_000, ""):
        with pytest.raises(ValueError):  # noqa: PT011 (the words are those of the library)
            parse_json(text)
    assert json.loads("[" * 5 + "]" * 5) == [[[[[]]]]]


def test_names_in_messages_are_few_and_short():
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == ""
    text = listed(["x" * 10_000] * 10_000)
    assert len(text) < 2_500
    assert text.endswith("… and 9970 more")


@pytest.mark.parametrize("address", ["s3://", "s3://bucket", "gs://bucket/a/b.csv", "https://host/x"])
def test_an_address_never_becomes_a_folder_on_the_disk(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for write in (lambda path: files.make_folders(path), lambda path: files.write_atomically(path, b"x")):
        with pytest.raises(MmascError, match="local or shared disk"):
            write(Path(address))
    assert list(tmp_path.iterdir()) == []
    files.make_folders(Path("site-A:") / "s3:")  # names with a colon are names
    assert (tmp_path / "site-A:" / "s3:").is_dir()


def test_what_cannot_be_looked_at_is_not_taken_for_absent(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    assert all(is_there(one) for one in (tmp_path / "a", tmp_path))
    assert not any(is_there(tmp_path / name) for name in ("b", "a/b", "b/c", "\0"))
    with pytest.raises(MmascError, match="loop cannot be read .*; check its permissions and the disk"):
        is_there(tmp_path / "loop" / "a")
    for call in (lambda: Collection(tmp_path / "loop"), lambda: Store.create(tmp_path / "loop", tmp_path)):
        with pytest.raises(MmascError, match="loop cannot be read"):
            call()

    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(MmascError, match=r"cannot be read \(Permission denied\)"):
        is_there(tmp_path / "a")
