"""A child that a process forks after it used mmasc answers, or says why not; it never waits for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def child_says(folder, how):
    # with one thread nothing would hang in the first place
    several = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    worker = Path(__file__).parent / "helpers" / "fork_worker.py"
    done = subprocess.run(
        [sys.executable, worker, folder, how], capture_output=True, text=True, timeout=400, env=several, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_answers_or_says_why_not(tmp_path):
    *answers, asked, opened = child_says(tmp_path, "open")
    assert answers == ["embedded 1", "classified 1", "applied 4"]
    assert asked == opened
    assert "get_context('spawn')" in asked
    assert child_says(tmp_path, "closed") == [*answers, "found 2", "found 2"]


def test_importing_loads_no_torch():
    code = "import mmasc, mmasc.forking, mmasc.inputs, sys; sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
