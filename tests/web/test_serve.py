"""The server as a process: it is started, asked, killed and stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mmasc.collection import Collection
from mmasc.web.app import make_app
from mmasc.web.keys import Keys
from mmasc.web.serve import serve
from mmasc.web.state import Session
from tests.helpers.command import run
from tests.helpers.serving import Process
from tests.helpers.users import BOB, As, root_only
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


@root_only
def test_where_labels_cannot_be_written_it_is_said_at_once(registered, caplog, monkeypatch):
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        folder = make_collection(base)
        monkeypatch.setattr("uvicorn.Server.run", lambda _, sockets: [one.close() for one in sockets])
        with As(BOB, 0o022):
            session = Session(folder)
            serve(folder, port=0, tell=lambda _: None)
        (line,) = caplog.messages
        why = "chmod -R g+rwX"
        assert line.startswith("c is open for reading only: ")
        assert why in line
        session.start()
        assert session.loaded.wait(60)
        client = TestClient(
            make_app([session], keys := Keys(8617)),
            base_url="http://127.0.0.1:8617",
            headers={"X-Mmasc": keys.token},
        )
        health = client.get("/api/health").json()
        assert health["read_only"] is True
        assert why in health["read_only_because"]
        answer = client.post("/api/annotations/undo", json={})
        assert (answer.status_code, answer.json()["error"]) == (403, health["read_only_because"])
        assert str(base) not in answer.text
        assert client.post("/api/search", json={"texts": [{"text": "a"}]}).status_code == 200
        session.close()
    finally:
        shutil.rmtree(base)
