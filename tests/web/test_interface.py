"""The curl examples of the page about the server are run against a server."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.synth import synthesise
from tests.helpers.serving import Process

PAGE = Path(__file__).parent.parent.parent / "docs" / "serve.md"


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="there is no curl here")
def test_the_examples_of_the_page_work(tmp_path):
    for name in ("rain", "wind", "rooster"):
        path = tmp_path / "sounds" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, synthesise(name, seed=1).astype(np.float32), 32_000)
    mmasc.embed(tmp_path / "sounds", tmp_path / "c")
    soundfile.write(tmp_path / "question.wav", synthesise("rain", seed=2).astype(np.float32), 32_000)
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    examples = [block for block in blocks if "curl" in block]
    assert len(examples) == 7
    server = Process(tmp_path / "c")
    try:
        server.wait_until_ready()
        script = "set -euo pipefail\n" + "\n".join(examples).replace("curl ", "curl --silent --show-error --fail ")
        where = os.environ | {"HERE": server.address, "TOKEN": server.token, "no_proxy": "127.0.0.1"}
        ran = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=where, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    finally:
        server.end(signal.SIGKILL)
    assert '"undone":["1 annotation of rain added"]' in ran.stdout
    assert '"path_shown":"rain.wav"' in (tmp_path / "hits.json").read_text()
    assert (tmp_path / "hit.jpg").read_bytes().startswith(b"\xff\xd8")
    assert len((tmp_path / "hit.mp3").read_bytes()) > 5_000
