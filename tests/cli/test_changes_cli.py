"""Changed, moved and gone files as the command line tells of them."""

import json
import os
import shutil

import pytest

from tests.helpers.collections import table_of, write
from tests.helpers.command import run


def embed(at, *options: str, capsys) -> tuple[int, dict, str]:
    arguments = ("embed", at / "s", "--into", at / "c", "--encoder", "standin", "--format", "json", *options)
    status, out, err = run(*arguments, capsys=capsys)
    return status, json.loads(out) if out else {}, err


def test_moved_and_missing_are_counted_and_said(labelled, capsys):
    os.rename(labelled / "s/a/x.wav", labelled / "s/a/z.wav")
    os.remove(labelled / "s/b/y.wav")
    status, found, err = embed(labelled, capsys=capsys)
    wanted = {"found": 2, "added": 0, "changed": 0, "skipped": 1, "moved": 1, "missing": 1, "failed": 0}
    assert status == 0
    assert {name: found[name] for name in wanted} == wanted
    assert f"no longer there (b/y.wav); remove them from it with: mmasc collection remove {labelled / 'c'}" in err
    status, out, err = run("collection", "remove", labelled / "c", "--missing", capsys=capsys)
    assert (status, err) == (0, "")
    assert "1 recording removed" in out
    assert set(table_of(labelled / "c")) == {"a/z.wav", "b/x.wav"}
    out = run("embed", labelled / "s", "--into", labelled / "c", "--encoder", "standin", capsys=capsys)[1]
    assert " moved, " not in out


@pytest.mark.parametrize("command", ["embed", "remove"])
def test_a_root_that_is_gone_is_one_line(labelled, command, capsys):
    shutil.move(labelled / "s", labelled / "disk")
    if command == "embed":
        arguments = ("embed", labelled / "disk", "--into", labelled / "c", "--encoder", "standin")
    else:
        arguments = ("collection", "remove", labelled / "c", "--missing")
    status, out, err = run(*arguments, capsys=capsys)
    assert (status, out) == (1, "")
    assert "mmasc collection move-root" in err
    assert len(err.splitlines()) == 1
    assert len(table_of(labelled / "c")) == 3


def test_what_a_table_says_badly_is_one_line_before_anything_is_made(labelled, capsys):
    (labelled / "n.csv").write_text("path,label\na/x.wav,frog\na/x.wav,toad\n")
    status, found, err = embed(labelled, "--metadata", labelled / "n.csv", capsys=capsys)
    assert (status, found) == (1, {})
    assert "lines 2 and 3 are two rows for" in err
    assert len(err.splitlines()) == 1


def test_merge_says_what_it_took_and_what_stays(labelled, registered, capsys):
    (labelled / "n.csv").write_text("path,label,note\na/x.wav,toad,seen\n")
    shutil.copytree(labelled / "c", labelled / "d")
    arguments = ("embed", labelled / "s", "--into", labelled / "d", "--encoder", "standin", "-q")
    assert run(*arguments, "--metadata", labelled / "n.csv", capsys=capsys)[0] == 0
    write(labelled / "s/b/y.wav", 0.1)
    assert run(*arguments, capsys=capsys)[0] == 0
    status, out, _ = run("collection", "merge", labelled / "c", labelled / "d", capsys=capsys)
    assert status == 0
    assert out.splitlines() == [
        "0 recordings and 0 windows added, 3 were already there",
        "1 column values added to recordings that were already there",
        "1 column values differ; those of this collection are kept",
        "1 recording has other content under the same path; those of this collection are kept",
    ]
    out = run("collection", "merge", labelled / "c", labelled / "d", "--format", "json", capsys=capsys)[1]
    assert json.loads(out) == {
        "recordings": 0,
        "windows": 0,
        "already_there": 3,
        "other_content": 1,
        "values": 0,
        "values_that_differ": 1,
        "annotations": 0,
        "annotations_that_differ": 0,
    }
