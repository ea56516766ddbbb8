"""Weights from a server on this machine: whole, broken off, changed, wrong, redirected; and from folders."""

import hashlib
import http.server
import json
import os
import re
import socket
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mmasc.cli.models import models
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.weights import table as weights
from mmasc.weights.download import fetch
from mmasc.weights.store import check_named, find, home, is_present
from mmasc.weights.table import RemoteFile, WeightFile
from tests.conftest import STANDIN_SPEC

CONTENT = bytes(range(256)) * 5_000  # 1.28 MB: more than one chunk
SMALL = b'{"a": 1}\n'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


BIG_SHA256, BIG_SIZE = sha256(CONTENT), len(CONTENT)


class Server(http.server.ThreadingHTTPServer):
    """Files by name, and how badly it behaves."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = {"big.bin": CONTENT, "config.json": SMALL}
        self.requests = []  # (name, Range header)
        self.break_after = []  # bytes after which the next connections are cut
        self.etag = '"one"'
        self.ranges = True
        self.wrong_range = False
        self.say_length = True
        self.redirect = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that refuses an answer closes the connection: that is what is tested, not news."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.strip("/")
        asked = self.headers["Range"]
        server.requests.append((name, asked))
        if name in server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect[name])
            self.end_headers()
            return
        if name not in server.content:
            self.send_error(404)
            return
        content, begin = server.content[name], 0
        fresh = self.headers["If-Range"] in (None, server.etag)
        if asked and server.ranges and fresh:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            said = begin + 7 if server.wrong_range else begin
            self.send_header("Content-Range", f"bytes {said}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.say_length:
            self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        part = content[begin:]
        self.wfile.write(part[: server.break_after.pop(0)] if server.break_after else part)
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))


@pytest.fixture
def register(server, monkeypatch):
    """Weights `toy`: big.bin with its digest, and config.json whose digest nobody published."""

    def register(sha=BIG_SHA256, size=BIG_SIZE, small=True, name="toy"):
        files = [RemoteFile(f"{server.address}/big.bin", sha, size, "big.bin")]
        if small:
            files.append(RemoteFile(f"{server.address}/config.json", None, None, "config.json"))
        monkeypatch.setitem(weights.WEIGHTS, name, WeightFile(name, tuple(files), "toy licence", True))
        return home() / "weights" / name

    return register


def test_what_is_fetched_is_found_and_stays(server, register):
    folder = register()
    assert not is_present("toy")
    seen = []
    big, small = fetch("toy", progress=lambda *state: seen.append(state))
    assert (big.path, big.size, big.sha256) == (folder / "big.bin", len(CONTENT), sha256(CONTENT))
    assert big.published
    assert not small.published
    assert big.new
    assert small.sha256 == sha256(SMALL)
    assert find("toy") == folder
    assert is_present("toy")
    assert (folder / "big.bin").read_bytes() == CONTENT
    big_seen = [(done, total) for name, done, total in seen if name == "big.bin"]
    assert big_seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in big_seen] == sorted(done for done, _ in big_seen)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "big.bin", "config.json", "digests.json"]
    server.requests.clear()
    assert [file.new for file in fetch("toy")] == [False, False]
    assert server.requests == []


def test_weights_of_one_file_are_found_as_that_file(register):
    folder = register(small=False)
    fetch("toy")
    assert find("toy") == folder / "big.bin"


def test_find_of_absent_weights_says_the_mend(register):
    register()
    with pytest.raises(MmascError, match=r"lacks big.bin, config.json\); run `mmasc models fetch toy`") as caught:
        find("toy")
    assert "\n" not in str(caught.value)
    with pytest.raises(MmascError, match="no weights 'nothing'; there are: .*clap-htsat-unfused"):
        find("nothing")


def test_find_makes_no_connection(register, monkeypatch):
    register()
    fetch("toy")

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    find("toy")
    os.remove(find("toy") / "config.json")
    with pytest.raises(MmascError, match="lacks config.json"):
        find("toy")


def test_a_broken_connection_is_gone_on_with_in_one_call(server, register):
    register(small=False)
    server.break_after = [300_000, 500_000]
    fetch("toy")
    assert server.requests == [("big.bin", None), ("big.bin", "bytes=300000-"), ("big.bin", "bytes=800000-")]
    assert find("toy").read_bytes() == CONTENT


def test_an_interrupted_fetch_is_gone_on_with_in_the_next_call(server, register):
    folder = register(small=False)
    server.break_after = [400_000, 0]
    with pytest.raises(MmascError, match=r"big.bin broke off after 400,000 of 1,280,000 bytes .*run the command again"):
        fetch("toy")
    assert (folder / "big.bin.part").read_bytes() == CONTENT[:400_000]
    assert not (folder / "big.bin").exists()
    with pytest.raises(MmascError, match="lacks big.bin"):
        find("toy")
    server.requests.clear()
    fetch("toy")
    assert server.requests == [("big.bin", "bytes=400000-")]
    assert find("toy").read_bytes() == CONTENT
    assert not (folder / "big.bin.part").exists()


def test_a_server_without_ranges_sends_all_of_it_again(server, register):
    register(small=False)
    server.ranges = False
    server.break_after = [400_000]
    fetch("toy")
    assert find("toy").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_glued_to_its_old_half(server, register):
    register(sha=None, size=None, small=False)
    server.break_after = [400_000, 0]
    with pytest.raises(MmascError, match="broke off"):
        fetch("toy")
    changed = bytes(reversed(CONTENT))
    server.content["big.bin"], server.etag = changed, '"two"'
    [stored] = fetch("toy")
    assert stored.sha256 == sha256(changed)
    assert find("toy").read_bytes() == changed


def test_without_digest_and_version_a_half_is_thrown_away(server, register):
    register(sha=None, size=None, small=False)
    server.etag = None
    server.break_after = [400_000] * 5
    with pytest.raises(MmascError, match="broke off"):
        fetch("toy")
    server.requests.clear()
    fetch("toy")
    assert server.requests == [("big.bin", None)]
    assert find("toy").read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"of another file"])
def test_a_part_as_long_as_the_file_or_longer_is_no_dead_end(server, register, extra):
    folder = register(size=None, small=False)
    server.break_after = [400_000, 0]
    with pytest.raises(MmascError, match="broke off"):
        fetch("toy")
    # As after a kill between the last byte and the renaming
    (folder / "big.bin.part").write_bytes(CONTENT + extra)
    server.requests.clear()
    fetch("toy")
    assert find("toy").read_bytes() == CONTENT
    assert server.requests == [("big.bin", f"bytes={len(CONTENT + extra)}-"), ("big.bin", None)][: 1 + bool(extra)]


def test_a_wrong_range_is_refused(server, register):
    register(small=False)
    server.break_after = [400_000]
    server.wrong_range = True
    with pytest.raises(MmascError, match=r"answered with another range than the bytes from 400,000 \(bytes 400007-"):
        fetch("toy")


def test_another_file_than_published_is_named_and_deleted(server, register):
    folder = register(small=False)
    server.content["big.bin"] = bytes(len(CONTENT))
    with pytest.raises(MmascError, match=rf"/big.bin is another file .*sha256 {sha256(bytes(len(CONTENT)))}, expected"):
        fetch("toy")
    assert not (folder / "big.bin").exists()
    assert not (folder / "big.bin.part").exists()


def test_another_length_than_published_is_refused_before_it_is_fetched(server, register):
    folder = register(small=False)
    server.content["big.bin"] = CONTENT[:-1]
    with pytest.raises(MmascError, match="offers 1,279,999 bytes, not the 1,280,000"):
        fetch("toy")
    assert not (folder / "big.bin").exists()


def rewrite_unseen(path):
    """Other bytes under the same size and time of writing, as some copying programs leave them."""
    before = path.stat()
    path.write_bytes(b"x" + CONTENT[1:])
    # The file system's own clock ticks every few milliseconds only
    while path.stat().st_ctime_ns == before.st_ctime_ns or path.stat().st_mtime_ns != before.st_mtime_ns:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(CONTENT[:-5]), r"big.bin holds 1,279,995 bytes instead of 1,280,000; run"),
        (lambda path: path.write_bytes(b"x" + CONTENT[1:]), r"big.bin is another file than big.bin .*fetch toy"),
        (lambda path: rewrite_unseen(path), r"big.bin is another file than big.bin .*fetch toy"),
    ],
)
def test_a_stored_file_that_changed_is_never_given_out(register, change, message):
    folder = register()
    fetch("toy")
    change(folder / "big.bin")
    with pytest.raises(MmascError, match=message):
        find("toy")
    assert [file.new for file in fetch("toy")] == [True, False]
    find("toy")


def test_first_use_is_recorded_and_binds(server, register):
    folder = register()
    fetch("toy")
    recorded = json.loads((folder / "digests.json").read_text())
    assert recorded["config.json"]["sha256"] == sha256(SMALL)
    (folder / "config.json").write_bytes(b'{"a": 2}\n')
    with pytest.raises(MmascError, match=rf"config.json is another file .*expected {sha256(SMALL)}"):
        find("toy")


def test_a_file_put_there_by_hand_is_measured(register):
    folder = register()
    folder.mkdir(parents=True)
    (folder / "big.bin").write_bytes(CONTENT)
    (folder / "config.json").write_bytes(SMALL)
    with pytest.raises(MmascError, match=r"config.json was put there by hand .*fetch toy --from"):
        find("toy")
    fetch("toy", from_file=folder)
    assert find("toy") == folder


def test_a_digest_is_measured_once(register, monkeypatch):
    register()
    fetch("toy")

    def refuse(*args):
        raise AssertionError("measured again")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    folder = find("toy")
    # A file that was touched is another file
    os.utime(folder / "big.bin", ns=(1, 1))
    with pytest.raises(AssertionError, match="measured again"):
        find("toy")


def test_weights_are_on_the_disk_before_they_get_their_name(register, monkeypatch):
    register()
    calls, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append(os.fstat(number).st_size), sync(number)))
    monkeypatch.setattr(os, "replace", lambda one, other: (calls.append(other.name), replace(one, other)))
    fetch("toy")
    for name, size in (("big.bin", BIG_SIZE), ("config.json", len(SMALL))):
        assert calls.index(size) < calls.index(name)


def test_from_a_folder_and_from_a_file(server, register, tmp_path):
    folder = register()
    usb = tmp_path / "usb"
    usb.mkdir()
    (usb / "big.bin").write_bytes(CONTENT)
    with pytest.raises(MmascError, match=r"usb/config.json not found; weights toy cannot be taken from"):
        fetch("toy", from_file=usb)
    with pytest.raises(
        MmascError, match=r"big.bin is not a folder; .*several files: name the folder with big.bin, config"
    ):
        fetch("toy", from_file=usb / "big.bin")
    (usb / "config.json").write_bytes(SMALL)
    assert [file.new for file in fetch("toy", from_file=usb)] == [True, True]
    assert find("toy") == folder
    register(small=False, name="one")
    (usb / "renamed.pt").write_bytes(CONTENT)
    [stored] = fetch("one", from_file=usb / "renamed.pt")
    assert stored.path.read_bytes() == CONTENT
    (usb / "cut.pt").write_bytes(CONTENT[:1000])
    mend = r"give the official big.bin, or fetch it without --from"
    with pytest.raises(MmascError, match=rf"cut.pt holds 1,000 bytes instead of 1,280,000; {mend}"):
        fetch("one", from_file=usb / "cut.pt")
    (usb / "other.pt").write_bytes(CONTENT[::-1])
    with pytest.raises(MmascError, match=rf"other.pt is another file than big.bin \(sha256 .*\); {mend}"):
        fetch("one", from_file=usb / "other.pt")
    assert (usb / "other.pt").read_bytes() == CONTENT[::-1]
    assert find("one").read_bytes() == CONTENT
    assert server.requests == []


def test_a_file_that_carries_an_official_name_must_be_the_official_one(register, tmp_path):
    register(small=False, name="one")
    path = tmp_path / "big.bin"
    path.write_bytes(CONTENT)
    check_named(path)
    path.write_bytes(CONTENT[:1000])
    mend = "fetch it with: mmasc models fetch one; weights of your own need a name of their own"
    with pytest.raises(MmascError, match=rf"big\.bin holds 1,000 bytes instead of 1,280,000; {mend}"):
        check_named(path)
    path.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(MmascError, match=rf"big\.bin is not the published file of this name .*; {mend}"):
        check_named(path)
    assert path.exists()
    check_named(path.rename(tmp_path / "mine.bin"))
    check_named(tmp_path / "big.bin")  # what is not there is another's message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "AudioCLIP-Full-Training.pt",
            "bytes instead of 537,302,068; fetch it with: mmasc models fetch audioclip-full",
        ),
        ("ESRNXFBSP.pt", "bytes instead of 124,795,647; take the file of AudioCLIP's release"),
    ],
)
def test_an_audioclip_file_of_official_name_and_other_content_is_never_loaded(name, message, tmp_path):
    import torch

    torch.save({"logit_scale": torch.zeros(())}, tmp_path / name)
    with pytest.raises(MmascError, match=message):
        load_encoder(f"audioclip:{tmp_path / name}")


def test_no_network_is_one_line_with_the_mend(server, register):
    register(small=False)
    server.shutdown()
    server.server_close()
    with pytest.raises(MmascError, match=r"big.bin cannot be reached \(.*refused.*use --from"):
        fetch("toy")


def test_a_file_that_is_gone_is_told(server, register):
    register(small=False)
    del server.content["big.bin"]
    with pytest.raises(MmascError, match=r"big.bin: the server answers 404"):
        fetch("toy")


def test_redirections_are_followed_but_not_to_plain_http(server, register):
    register(small=False)
    server.content["elsewhere"] = CONTENT
    server.redirect["big.bin"] = f"{server.address}/elsewhere"
    fetch("toy")
    assert find("toy").read_bytes() == CONTENT
    register(small=False, name="other")
    server.redirect["big.bin"] = "http://example.invalid/big.bin"
    with pytest.raises(MmascError, match="example.invalid/big.bin, which is not encrypted"):
        fetch("other")


def test_an_end_that_nobody_announced_is_not_trusted(server, register):
    register(sha=None, size=None, small=False)
    server.say_length = False
    with pytest.raises(MmascError, match="does not say how long the file is"):
        fetch("toy")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (RemoteFile("http://example.invalid/a", None, None, "a"), "must begin with https://"),
        (RemoteFile("file:///etc/passwd", None, None, "a"), "must begin with https://"),
        (RemoteFile("https://example.invalid/a", "abc", None, "a"), "64 hex digits"),
        (RemoteFile("https://example.invalid/a", None, None, "../a"), "plain name"),
        (RemoteFile("https://example.invalid/a", None, None, "a", "abc"), "8 hex digits"),
    ],
)
def test_bad_entries_are_refused(file, message):
    with pytest.raises(ValueError, match=message):
        WeightFile("bad", (file,), "none")


def test_a_file_must_have_the_digest_that_its_name_begins(monkeypatch, tmp_path):
    good, bad = tmp_path / "good" / "net.pth", tmp_path / "bad" / "net.pth"
    for path, content in ((good, CONTENT), (bad, CONTENT + b"x")):
        path.parent.mkdir()
        path.write_bytes(content)
    file = RemoteFile("https://example.invalid/net.pth", None, None, "net.pth", BIG_SHA256[:8])
    monkeypatch.setitem(weights.WEIGHTS, "named", WeightFile("named", (file,), "none"))
    with pytest.raises(MmascError, match=f"another file than net.pth .*must begin with {BIG_SHA256[:8]}"):
        fetch("named", bad)
    assert not is_present("named")
    fetch("named", good)
    assert find("named").read_bytes() == CONTENT


def test_every_address_is_pinned_to_a_version():
    assert len(weights.WEIGHTS) > 10
    for weight in weights.WEIGHTS.values():
        assert weight.files
        assert len({file.filename for file in weight.files}) == len(weight.files)
        for file in weight.files:
            assert "/main/" not in file.address
            assert "/latest/" not in file.address
            assert file.address.endswith(file.filename)
        assert any(file.sha256 or file.begins for file in weight.files)


def test_home_is_the_chosen_folder_or_the_platforms(monkeypatch, tmp_path):
    assert home() == tmp_path / "home"
    monkeypatch.delenv("MMASC_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() == tmp_path / "cache" / "mmasc"
    monkeypatch.setattr("sys.platform", "darwin")
    assert home().parts[-3:] == ("Library", "Caches", "mmasc")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert home() == tmp_path / "local" / "mmasc"


@pytest.fixture
def encoder_of_toy(monkeypatch):
    """The stand-in encoder, whose weights are `toy`."""
    from mmasc.encoders.registry import ENCODERS

    monkeypatch.setitem(ENCODERS, "toy-encoder", replace(STANDIN_SPEC, name="toy-encoder", weights="toy"))
    return "toy-encoder"


def rows_of(*arguments):
    result = CliRunner().invoke(models, [*arguments, "--format", "json"], catch_exceptions=False)
    return json.loads(result.stdout), result.stderr


def test_the_command_shows_what_it_fetches_and_what_it_trusts(server, register, encoder_of_toy):
    folder = register()
    rows, remarks = rows_of("fetch", encoder_of_toy)
    assert rows == [
        {
            "weights": "toy",
            "path": str(folder / name),
            "bytes": len(content),
            "sha256": sha256(content),
            "digest": digest,
            "new": True,
        }
        for name, content, digest in [("big.bin", CONTENT, "published"), ("config.json", SMALL, "first use")]
    ]
    assert f"toy: {server.address}/big.bin (1.3 MB), toy licence, NON-COMMERCIAL USE ONLY" in remarks
    assert f"{server.address}/config.json (size unknown)" in remarks
    assert f"no digest of config.json was published; trusted on first use: {sha256(SMALL)}" in remarks
    rows, remarks = rows_of("fetch", "toy")
    assert [row["new"] for row in rows] == [False, False]
    assert "first use" not in remarks


def test_the_command_takes_local_files(server, register, tmp_path):
    register(small=False)
    (tmp_path / "mine.pt").write_bytes(CONTENT)
    rows, remarks = rows_of("fetch", "toy", "--from", str(tmp_path / "mine.pt"))
    assert rows[0]["new"]
    assert f"toy: big.bin from {tmp_path / 'mine.pt'} (1.3 MB)" in remarks
    assert server.requests == []


def test_the_list_says_what_is_here_and_what_may_not_be_sold(register, encoder_of_toy):
    register()
    rows = {row["name"]: row for row in rows_of("list")[0]}
    assert (rows["toy-encoder"]["state"], rows["toy-encoder"]["non_commercial"]) == ("absent", True)
    assert (rows["mini"]["state"], rows["mini"]["non_commercial"]) == ("bundled", False)
    fetch("toy")
    rows = {row["name"]: row for row in rows_of("list")[0]}
    assert rows["toy-encoder"]["state"] == "present"
    table = CliRunner().invoke(models, ["list"]).stdout
    [line] = [line for line in table.splitlines() if line.startswith("toy-encoder")]
    assert "non-commercial" in line.lower()


def test_fetching_what_comes_with_mmasc_needs_nothing(register):
    result = CliRunner().invoke(models, ["fetch", "mini"])
    assert result.exit_code == 0
    assert "mini comes with mmasc" in result.stderr
    with pytest.raises(MmascError, match="there are no weights 'nonsense'"):
        CliRunner().invoke(models, ["fetch", "nonsense"], catch_exceptions=False)


def test_a_refused_fetch_says_nothing_else(server, register, tmp_path):
    register()
    register(small=False, name="one")
    usb = tmp_path / "usb"
    usb.mkdir()
    (usb / "whole.pt").write_bytes(CONTENT)
    (usb / "cut.pt").write_bytes(CONTENT[:1000])
    (usb / "other.pt").write_bytes(CONTENT[::-1])
    cases = {
        ("one", "--from", usb / "cut.pt"): "holds 1,000 bytes",
        ("one", "--from", usb / "other.pt"): "another file",
        ("one", "toy", "--from", usb / "whole.pt"): "is not a folder",
        ("toy", "--from", usb): "not found",
        ("one", "mini", "nonsense", "--from", usb / "whole.pt"): "no weights 'nonsense'",
        ("one", "nonsense"): "no weights 'nonsense'",
        ("one", "mini", "transformers:a/b@.."): "is not REPO@REVISION",
        ("one", "transformers:a/b", "--from", usb / "whole.pt"): "used as it is: transformers:a/b",
    }
    for words, said in cases.items():
        refused = CliRunner().invoke(models, ["fetch", *map(str, words)])
        assert said in str(refused.exception) + refused.stderr
        assert refused.stdout + re.sub(r"Usage: [\s\S]*", "", refused.stderr) == ""
        assert not is_present("one")
    assert server.requests == []
    # What is not refused says it all
    done = CliRunner().invoke(models, ["fetch", "one", "--from", str(usb / "whole.pt")])
    assert "toy licence, NON-COMMERCIAL USE ONLY" in done.stderr
    assert "1280000" in done.stdout


@pytest.mark.parametrize("network", ["alexnet", "vgg16", "resnet18", "resnet34", "resnet50"])
def test_weights_of_imagenet_are_those_that_torchvision_names(network):
    models_of = pytest.importorskip("torchvision.models")
    (file,) = weights.WEIGHTS[f"{network}-imagenet"].files
    assert file.address == models_of.get_model_weights(network).IMAGENET1K_V1.url
    assert file.filename == file.address.rpartition("/")[2]
    assert file.filename.endswith(f"-{file.begins}.pth")
