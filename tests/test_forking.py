"""A child that a process forks after it used mmasc answers, or says why not; it never waits for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_answers(tmp_path):
    # with one thread nothing would hang in the first place
    several = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    worker = Path(__file__).with_name("fork_worker.py")
    done = subprocess.run(
        [sys.executable, worker, tmp_path], capture_output=True, text=True, timeout=400, env=several, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:5] == ["embedded 1", "found 2", "classified 1", "fitted 4", "applied 4"], done.stdout + done.stderr
    assert len(lines) == 6
    assert "spawn" in lines[5]


def test_importing_loads_no_torch():
    code = "import mmasc, mmasc.forking, mmasc.inputs, sys; sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
