"""`mmasc serve` in a process of its own, asked over the network."""

import json
import re
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
        self.process.send_signal(sent)
        status = self.process.wait(ENDS_WITHIN_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status
