"""Recordings that are given by a link to their root are the recordings that are there, not others."""

import os
from pathlib import Path

import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection.linked_paths import by_the_root, folders_by_the_root


def _stored(folder: Path) -> list[str]:
    return sorted(Collection(folder).recordings.column("path").to_pylist())


@pytest.mark.parametrize("stored_by", ["link", "disk"])
def test_a_second_way_to_the_root_embeds_nothing_twice(sounds, tmp_path, registered, stored_by, monkeypatch):
    """As after `cd /data`, where /data is a link: the current folder is the one that the link leads to."""
    (tmp_path / "link").symlink_to(sounds, target_is_directory=True)
    ways = {"link": tmp_path / "link", "disk": sounds}
    first = ways.pop(stored_by)
    (second,) = ways.values()
    mmasc.embed(first, tmp_path / "c", registered)
    before = _stored(tmp_path / "c")
    monkeypatch.chdir(second)
    for given in (second, ".", [second / "wood", second / "wood" / "d.wav"]):
        report = mmasc.embed(given, tmp_path / "c", registered)
        assert (report.added, report.changed, report.missing) == (0, 0, 0)
        assert report.skipped == report.found > 0
    assert _stored(tmp_path / "c") == before
    # What is new by the other way is stored under the root, and what is gone is missed there
    (second / "new.wav").write_bytes((second / "wood" / "d.wav").read_bytes() + b"\0\0")
    (second / "wood" / "d.wav").unlink()
    report = mmasc.embed(second, tmp_path / "c", registered)
    assert (report.added, report.missing) == (1, 1)
    assert _stored(tmp_path / "c") == sorted([*before, "new.wav"])


def test_what_is_stored_by_another_way_stays_so(tmp_path):
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "root" / "in", target_is_directory=True)
    root, given = str(tmp_path / "root"), [tmp_path / "link" / "a.wav", tmp_path / "else" / "b.wav"]
    inside = tmp_path / "root" / "in" / "a.wav"
    assert by_the_root([*given, inside], root, lambda: ()) == [inside, given[1]]
    assert by_the_root([*given, inside], root, lambda: ["../link/a.wav"]) == [*given, inside]
    assert by_the_root(given, "s3://bucket/root", lambda: ()) == given
    folders = [str(tmp_path / "link"), str(tmp_path / "else"), "s3://bucket/x"]
    assert folders_by_the_root(folders, root) == [str(inside.parent), *folders[1:]]
    assert by_the_root([tmp_path / "a.wav"], os.sep, lambda: ()) == [tmp_path / "a.wav"]
