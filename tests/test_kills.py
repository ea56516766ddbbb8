"""A few kills of commands that write; `examples/prove/kills.py` makes hundreds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROVE = Path(__file__).parent.parent / "examples" / "prove"


@pytest.mark.slow
def test_kills_lose_nothing():
    wanted = ["embed", "embed-long", "head-fit", "fetch", "train"]
    words = [word for name in wanted for word in ("--only", name)]
    command = [sys.executable, str(PROVE / "kills.py"), "-n", "12", "--seed", "1", "--format", "json", *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    counts = json.loads(found.stdout)
    assert [one["command"] for one in counts] == wanted
    for one in counts:
        assert one["kills"] >= 2
        assert (one["lost"], one["double"], one["corrupt"]) == (0, 0, 0), one["said"]
    assert found.returncode == 0
