"""`mmasc serve` in a process of its own, asked over the network."""

import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

ENDS_WITHIN_SECONDS = 30  # on a machine that is busy with other tests


class Process:
    """`mmasc serve` in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "mmasc", "serve", str(folder), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/#t=(\S+)\n", line)
        assert found, (line, self.process.stderr.read() if self.process.stderr else "")
        self.address, self.token = found[1], found[2]

    def ask(self, method: str, path: str, body=None):
        headers = {"X-Mmasc": self.token, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def wait_until_ready(self) -> None:
        for _ in range(3_000):
            state = self.ask("GET", "/api/health")
            if state["state"] != "loading":
                assert state["state"] == "ready", state
                return
        raise AssertionError(state)

    def end(self, sent: int) -> int:
        """The exit status after a signal; `self.said` is then what it wrote to stderr."""
        self.process.send_signal(sent)
        _, self.said = self.process.communicate(timeout=ENDS_WITHIN_SECONDS)
        return self.process.returncode

    def begin_request(self) -> socket.socket:
        """A request whose body never comes."""
        host, _, port = self.address.removeprefix("http://").rpartition(":")
        begun = socket.create_connection((host, int(port)))
        said = f"X-Mmasc: {self.token}", "Content-Type: application/json", "Content-Length: 99"
        begun.sendall("\r\n".join(["POST /api/search HTTP/1.1", f"Host: {host}:{port}", *said, "", "{"]).encode())
        return begun
