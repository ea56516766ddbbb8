"""A disk that takes no more: every command that writes a result names the file, and leaves no part of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from tests.helpers.command import run

resource = pytest.importorskip("resource")  # not on Windows

# Commands with the file that they cannot write; C is the collection, T a folder, S the sounds
COMMANDS = [
    ("search C rain --windows --format csv --to T/h.csv", "h.csv"),
    ("search C rain --format json --to T/h.json", "h.json"),
    ("search C rain --format raven --to T/h.txt", "h.txt"),
    ("label export C --format csv --to T/l.csv", "l.csv"),
    ("label export C --format parquet --to T/l.parquet", "l.parquet"),
    ("label export C --format raven --each --to T/each", "each/a/x.wav.raven.txt"),
    ("collection export C --to T/npy", "npy/annotations.parquet"),
    ("collection export C --to T/csv --format csv", "csv/annotations.csv"),
    ("collection map C --to T/m.csv", "m.csv"),
    ("collection map C --to T/m.png", "m.png"),
    ("clips C rain --to T/clips", "clips/clips.csv"),
    ("classify S --encoder standin --format csv --to T/c.csv", "c.csv"),
    ("classify S --encoder standin --format raven --to T/each", "each/a/x.wav.raven.txt"),
]


@pytest.fixture
def noted(labelled) -> Path:
    collection = Collection(labelled / "c")
    for one in collection.recordings.column("id").to_pylist():
        collection.annotations.add(Annotation(recording=one, start=0.0, end=1.0, label="frog"))
    return labelled


@pytest.fixture
def full(monkeypatch):
    """Files end after 30 bytes, as on a full disk."""
    import matplotlib.font_manager  # noqa: F401 - it writes a list of fonts when it is first loaded

    # Python would keep modules that it compiles cut short, and could not load them ever after
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("command", "name"), COMMANDS)
def test_the_line_names_the_file_that_cannot_be_written(noted, full, capsys, command, name):
    places = {"C": noted / "c", "S": noted / "s", "T": noted / "t"}
    (noted / "t").mkdir()
    words = [str(places[word[0]]) + word[1:] if word[:1] in places and word[1:2] in ("", "/") else word for word in
             command.split()]  # fmt: skip
    status, _, err = run(*words, capsys=capsys)
    assert status == 1
    lines = [line for line in err.splitlines() if str(noted / "t") in line]
    assert lines
    assert all(name in line and ".tmp" not in line and "Errno" not in line for line in lines)
    assert [path for path in (noted / "t").rglob("*") if path.is_file() and path.stat().st_size] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_stdout_is_said(noted):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mmasc", "label", "list", noted / "c"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert (
        done.stderr
        == "mmasc: stdout: No space left on device; make room on that disk, or name a place on another one\n"
    )


def test_a_file_in_the_place_of_a_folder_is_said(noted, capsys):
    (noted / "file").write_text("")
    for at in ("file", "file/below"):
        status, _, err = run("collection", "export", noted / "c", "--to", noted / at, capsys=capsys)
        assert (status, err) == (1, f"mmasc: {noted / 'file'} is a file, not a folder; name another place\n")
