"""The server as a process: it is started, asked, killed and stopped."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from mmasc.collection import Collection
from tests.helpers.command import run
from tests.helpers.serving import Process
from tests.helpers.web import make_collection


def test_labels_survive_a_kill_and_ctrl_c_ends_it(tmp_path, registered):
    folder = make_collection(tmp_path)
    recording = str(Collection(folder).recordings.column("id")[0].as_py())
    answered: list[str] = []
    for sent, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGHUP, 130)):
        server = Process(folder, "--by", "ann")
        server.wait_until_ready()
        for second in range(3):
            one = {"recording": recording, "start": second, "end": second + 1, "label": f"label {second}"}
            answered += server.ask("POST", "/api/annotations", {"annotations": [one]})["ids"]
        with server.begin_request():  # what is not answered yet is dropped without a word
            server.ask("GET", "/api/health")
            assert server.end(sent) == status
        assert server.said == ("" if sent == signal.SIGKILL else "stopped; every label is kept\n")
        kept = Collection(folder).annotations.all()
        assert sorted(one.id for one in kept) == sorted(answered)
        assert {one.by for one in kept} == {"ann"}


def test_a_port_in_use_is_one_line(tmp_path, registered, capsys):
    folder = make_collection(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = run("serve", folder, "--port", port, capsys=capsys)
    assert (status, out, err) == (1, "", f"mmasc: port {port} is in use; give another one with --port\n")


def test_without_a_collection_or_the_extra_nothing_is_served(tmp_path, capsys, monkeypatch):
    status, _, err = run("serve", tmp_path, capsys=capsys)
    assert (status, err.count("\n")) == (1, 1)
    assert "holds no collection" in err
    status, _, err = run("serve", tmp_path / "nowhere", capsys=capsys)
    assert (status, err.count("\n")) == (1, 1)
    assert "nowhere does not exist" in err
    assert run("serve", capsys=capsys)[0] == 2
    from mmasc.web import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    status, _, err = run("serve", tmp_path, capsys=capsys)
    assert (status, err.count("\n")) == (1, 1)
    assert "pip install 'mmasc[web]'" in err


@pytest.mark.parametrize("code", ["import mmasc", "import mmasc.cli", "import mmasc.collection, mmasc.cli.serve"])
def test_nothing_else_loads_the_server(code):
    check = f"{code}; import sys; assert not {{'fastapi', 'uvicorn', 'starlette', 'pydantic'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=120, env=os.environ)


def test_the_application_loads_without_torch():
    check = "import mmasc.web.app, sys; assert not {'torch', 'sklearn', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=120, env=os.environ)
