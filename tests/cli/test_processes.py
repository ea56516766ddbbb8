"""Processes as others start them: torchrun (the first one prints, the others only what is wrong), with closed pipes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "Käuz 鳥"),
        ({"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}, "Käuz \\u9ce5"),
        ({"PYTHONIOENCODING": "utf-8"}, "Käuz 鳥"),
    ],
)
def test_every_letter_is_printed_whatever_the_encoding_of_the_output(tmp_path, place, shown):
    (tmp_path / "owls.yaml").write_text('labels:\n  "Käuz 鳥": [owl]\n  wind: [wind]\n', encoding="utf-8")
    coding = place.get("PYTHONIOENCODING", "utf-8")
    for output in ("table", "csv"):
        found = subprocess.run(
            [sys.executable, "-m", "mmasc", "prompts", "list", "owls.yaml", "--format", output],
            env=os.environ | place,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert (found.returncode, found.stderr) == (0, b"")
        assert shown in found.stdout.decode(coding)


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


@pytest.mark.skipif(os.name != "posix", reason="Windows deletes no folder that is in use")
@pytest.mark.parametrize("words", [("embed", "/nowhere", "--into", "c"), ("--help",), ("doctor",)])
def test_a_folder_that_was_deleted_meanwhile_is_one_line(tmp_path, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    found = subprocess.run(
        [sys.executable, "-c", "import os; os.rmdir(os.getcwd()); from mmasc.cli import main; main()", *words],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        "mmasc: the folder that you are in has been deleted; go to another one (cd) and run the command again\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_modules_are_imported_ends_the_process_without_a_word():
    # where `mmasc.cli` would come from, the signal comes
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'mmasc.cli':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "import mmasc.__main__\n"
        "print('went on')\n"
    )
    stopped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (-signal.SIGINT, "", "")
    # A script may have it ignored (`trap '' INT`, or started in the background): nothing changes that
    ignored = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$0\" -c \"$1\"", sys.executable, code],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ignored.stdout == "went on\n"


def test_ctrl_c_in_a_destructor_is_not_lost():
    code = (
        "import _thread, sys, time\n"
        "import mmasc.cli\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        _thread.interrupt_main()\n"
        "        time.sleep(0)\n"
        "def work(standalone_mode):\n"
        "    Last()\n"
        "    time.sleep(20)\n"
        "    print('went on')\n"
        "mmasc.cli.cli.main = work\n"
        "mmasc.cli.main()\n"
    )
    stopped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert stopped.returncode == 130
    assert (stopped.stdout, stopped.stderr) == ("", "mmasc: stopped; the work done so far is kept\n")
