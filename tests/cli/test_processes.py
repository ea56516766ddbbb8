"""Processes as others start them: torchrun (the first one prints, the others only what is wrong), with closed pipes."""

import os
import subprocess
import sys

import pytest


def run(rank: str, *words: str, size: str = "2") -> subprocess.CompletedProcess[str]:
    """One of the processes; what it asks for needs no other."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
    return subprocess.run(
        [sys.executable, "-m", "mmasc", *words], env=os.environ | place, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [("prompts", "list", "--format", "json"), ("--help",)])
def test_the_first_process_prints_and_the_others_do_not(words):
    first, second = run("0", *words), run("1", *words)
    assert first.returncode == second.returncode == 0
    assert first.stdout == run("1", *words, size="1").stdout != ""
    assert (second.stdout, second.stderr) == ("", "")


def test_a_process_that_fails_says_why(tmp_path):
    for rank in "01":
        found = run(rank, "evaluate", str(tmp_path / "nowhere"))
        assert found.returncode == 1
        assert "nowhere is not a folder" in found.stderr
        assert found.stderr.count("\n") == 1
    assert run("1", "evaluate").returncode == 2
    assert "Missing argument" in run("1", "evaluate").stderr


@pytest.mark.skipif(os.name != "posix", reason="shells of POSIX close descriptors")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_lead_nowhere(tmp_path, closed):
    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "mmasc", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    listed = typed("prompts", "list", "--format", "json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert (listed.stdout == "") == (">&-" in closed.replace("2>&-", ""))
    refused = typed("prompts", "lint", str(tmp_path / "no.yaml"))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == ("2>&-" not in closed)
