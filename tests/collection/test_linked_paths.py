"""Recordings that are given by a link to their root are the recordings that are there, not others."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import mmasc
from mmasc.collection import Collection, linked_paths
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
    assert folders_by_the_root(folders, root, lambda: ()) == [str(inside.parent), *folders[1:]]
    assert by_the_root([tmp_path / "a.wav"], os.sep, lambda: ()) == [tmp_path / "a.wav"]


@pytest.fixture
def mounted(monkeypatch):
    """Two folders that are one, as after `mount --bind`: a copy with the numbers of the other's folders."""

    def mount(place: Path, other: Path) -> None:
        shutil.copytree(place, other, symlinks=True)
        true = linked_paths.number_of

        def number_of(folder: str) -> tuple[int, int] | None:
            inside = Path(folder).is_relative_to(other)
            return true(str(place / Path(folder).relative_to(other)) if inside else folder)

        monkeypatch.setattr(linked_paths, "number_of", number_of)

    return mount


@pytest.mark.parametrize("part", ["", "wood"])
def test_what_is_mounted_twice_is_no_second_recording(sounds, tmp_path, registered, mounted, part):
    mmasc.embed(sounds, tmp_path / "c", registered)
    before = _stored(tmp_path / "c")
    mounted(sounds / part, tmp_path / "deep" / "again")
    for given in (
        tmp_path / "deep",
        tmp_path / "deep" / "again",
        tmp_path / "deep" / "again" / part.replace("wood", ""),
    ):
        report = mmasc.embed(given, tmp_path / "c", registered)
        assert (report.added, report.moved, report.missing) == (0, 0, 0)
        assert report.skipped == report.found > 0
    assert _stored(tmp_path / "c") == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs the right to mount")
def test_a_mount_of_the_system_has_the_numbers_of_what_it_shows(sounds, tmp_path, registered):
    (tmp_path / "again").mkdir()
    if subprocess.run(["mount", "--bind", sounds, tmp_path / "again"], capture_output=True).returncode:
        pytest.skip("mounting is refused here")
    try:
        mmasc.embed(sounds, tmp_path / "c", registered)
        report = mmasc.embed(tmp_path / "again", tmp_path / "c", registered)
    finally:
        subprocess.run(["umount", tmp_path / "again"], check=True)
    assert (report.added, report.skipped) == (0, report.found)


def test_labels_vectors_and_removal_find_recordings_by_a_link(sounds, tmp_path, registered):
    mmasc.embed(sounds, tmp_path / "c", registered)
    before = _stored(tmp_path / "c")
    (tmp_path / "link").symlink_to(sounds, target_is_directory=True)
    collection = Collection(tmp_path / "c")
    recording = collection.annotations.recording_id(sounds / "wood" / "d.wav")
    assert collection.annotations.recording_id(tmp_path / "link" / "wood" / "d.wav") == recording
    report = collection.add_vectors(
        np.ones((1, 3)), [str(tmp_path / "link" / "wood" / "d.wav")], [0.0], [0.5], "own", "mine"
    )
    assert report.recordings == 0
    assert collection.remove(tmp_path / "link" / "wood") > 0
    assert _stored(tmp_path / "c") == [path for path in before if not path.startswith("wood/")]
    assert collection.remove(tmp_path / "link") > 0
    assert _stored(tmp_path / "c") == []
