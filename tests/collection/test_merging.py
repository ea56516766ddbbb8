"""Merging collections: what one lacks comes from the other, what both have stays, and twice is once."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection import merge as merging
from mmasc.collection.transaction import Transaction
from mmasc.errors import MmascError
from tests.helpers.collections import levels, table_of, write


@pytest.fixture
def two(tmp_path, registered) -> Path:
    """One folder of sounds in two collections with labels of two people."""
    for name, level in [("x.wav", 0.25), ("y.wav", -0.25), ("z.wav", 0.5)]:
        write(tmp_path / "s" / name, level)
    (tmp_path / "one.csv").write_text("path,label,one\nx.wav,frog,1\ny.wav,owl,2\n")
    (tmp_path / "two.csv").write_text("path,label,two\nx.wav,toad,0.5\nz.wav,rain,2.5\n")
    mmasc.embed(tmp_path / "s", tmp_path / "a", registered, metadata=tmp_path / "one.csv")
    mmasc.embed(tmp_path / "s", tmp_path / "b", registered, metadata=tmp_path / "two.csv")
    return tmp_path


NOTHING = {"recordings": 0, "windows": 0, "values": 0, "annotations": 0, "annotations_that_differ": 0}


def own_of(folder: Path) -> dict[str, tuple]:
    return {path: tuple(row.get(name) for name in ("label", "one", "two")) for path, row in table_of(folder).items()}


def test_labels_of_both_are_kept_and_ours_count(two):
    result = Collection(two / "a").merge(two / "b")
    assert result == {**NOTHING, "already_there": 3, "other_content": 0, "values": 3, "values_that_differ": 1}
    merged = {"x.wav": ("frog", 1, 0.5), "y.wav": ("owl", 2, None), "z.wav": ("rain", None, 2.5)}
    assert own_of(two / "a") == merged
    before = levels(two / "a")
    again = Collection(two / "a").merge(two / "b")
    assert again == {**NOTHING, "already_there": 3, "other_content": 0, "values_that_differ": 1}
    assert own_of(two / "a") == merged
    assert levels(two / "a") == before


def test_windows_of_missing_spaces_come_for_recordings_that_are_there(two, second):
    mmasc.embed(two / "s", two / "b", second, space="second")
    os.utime(two / "s/x.wav", (1, 1))  # touched since: the content says that it is the same
    mmasc.embed(two / "s", two / "b", second, space="second")
    result = Collection(two / "a").merge(two / "b")
    assert (result["recordings"], result["windows"], result["other_content"]) == (0, 3, 0)
    assert levels(two / "a", "second") == levels(two / "a") == {"x.wav": [0.25], "y.wav": [-0.25], "z.wav": [0.5]}
    # Under another name of the space it is the same space
    mmasc.embed(two / "s", two / "third", second, space="other name")
    result = Collection(two / "a").merge(two / "third")
    assert (result["recordings"], result["windows"]) == (0, 0)
    assert Collection(two / "a").spaces == ["standin", "second"]


def test_other_content_under_the_same_path_stays_ours(two, registered, second):
    write(two / "s/x.wav", 0.125)
    mmasc.embed(two / "s", two / "b", registered)
    mmasc.embed(two / "s", two / "b", second, space="second")
    result = Collection(two / "a").merge(two / "b")
    assert (result["recordings"], result["windows"], result["other_content"], result["already_there"]) == (0, 2, 1, 3)
    assert levels(two / "a")["x.wav"] == [0.25]
    assert "x.wav" not in levels(two / "a", "second")
    assert own_of(two / "a")["x.wav"] == ("frog", 1, None)


def test_columns_of_other_types_are_one_line_and_change_nothing(two, registered):
    (two / "more.csv").write_text("path,one\ny.wav,many\nz.wav,few\n")
    mmasc.embed(two / "s", two / "b", registered, metadata=two / "more.csv")
    before = own_of(two / "a")
    with pytest.raises(MmascError, match="column 'one' holds int64 in this collection") as caught:
        Collection(two / "a").merge(two / "b")
    assert "\n" not in str(caught.value)
    assert own_of(two / "a") == before


def test_spaces_that_were_cut_otherwise_are_not_mixed(two, registered):
    mmasc.embed(two / "s", two / "cut", registered, hop_seconds=0.5)
    with pytest.raises(MmascError, match="was cut with --hop 1 .* with --hop 0.5 .*cannot be merged"):
        Collection(two / "a").merge(two / "cut")


@pytest.mark.parametrize("part", ["recordings.lance", "windows.lance", "collection.json"])
def test_a_damaged_collection_is_one_line_and_changes_nothing(two, registered, part):
    write(two / "s/new.wav", 0.1)
    mmasc.embed(two / "s", two / "b", registered)
    (target,) = (two / "b").rglob(part)
    files = [target] if target.is_file() else sorted((target / "data").iterdir())
    for file in files:
        file.write_bytes(b"\0" * 64)
    before, vectors = own_of(two / "a"), levels(two / "a")
    with pytest.raises(MmascError) as caught:
        Collection(two / "a").merge(two / "b")
    assert str(two / "b") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert own_of(two / "a") == before
    assert levels(two / "a") == vectors


@pytest.mark.parametrize("step", ["append_recordings", "update_recordings", "append_windows"])
def test_a_merge_that_dies_is_done_again(two, registered, monkeypatch, step):
    write(two / "s/new.wav", 0.1)
    mmasc.embed(two / "s", two / "b", registered)
    real = getattr(Transaction, step)

    def dies(self, *arguments):
        real(self, *arguments)
        raise KeyboardInterrupt

    before = own_of(two / "a")
    with monkeypatch.context() as patch:
        patch.setattr(merging.Transaction, step, dies)
        with pytest.raises(KeyboardInterrupt):
            Collection(two / "a").merge(two / "b")
    assert own_of(two / "a") == before
    result = Collection(two / "a").merge(two / "b")
    assert (result["recordings"], result["windows"], result["values"]) == (1, 1, 3)
    assert levels(two / "a") == levels(two / "b")


def test_merging_both_ways_gives_the_same(two, registered):
    write(two / "s/only_b.wav", 0.1)
    mmasc.embed(two / "s", two / "b", registered)
    shutil.copytree(two / "a", two / "a0")
    Collection(two / "a").merge(two / "b")
    Collection(two / "b").merge(two / "a0")
    assert levels(two / "a") == levels(two / "b")
    one, other = own_of(two / "a"), own_of(two / "b")
    # But for the value on which they differ, which each keeps
    assert (one.pop("x.wav")[0], other.pop("x.wav")[0]) == ("frog", "toad")
    assert one == other
    assert np.isclose(0.1, levels(two / "a")["only_b.wav"], atol=1e-3).all()


@pytest.mark.parametrize("compacted", [False, True])
def test_a_removed_recording_that_comes_back_by_a_merge_has_its_labels_again(two, compacted):
    collection, other = Collection(two / "a"), Collection(two / "b")
    for one, label in ((collection, "ours"), (other, "theirs")):
        recording = one.annotations.recording_id(two / "s" / "x.wav")
        one.annotations.add([mmasc.Annotation(recording=recording, start=0, end=0.5, label=label)])
    collection.remove(two / "s" / "x.wav")
    if compacted:
        collection.compact()
    assert collection.annotations.all() == []
    result = collection.merge(two / "b")
    assert (result["recordings"], result["annotations"]) == (1, 1)
    assert [one.label for one in collection.annotations.all(recording=two / "s" / "x.wav")] == ["ours", "theirs"]
    assert [one for one in collection.check() if "not shown" in one.message] == []
    assert collection.merge(two / "b")["annotations"] == 0


def test_another_content_under_the_path_of_a_removed_recording_has_no_labels_of_it(two, registered):
    collection = Collection(two / "a")
    recording = collection.annotations.recording_id(two / "s" / "x.wav")
    collection.annotations.add([mmasc.Annotation(recording=recording, start=0, end=0.5, label="ours")])
    collection.remove(two / "s" / "x.wav")
    write(two / "s" / "x.wav", 0.125)
    mmasc.embed(two / "s", two / "c", registered)
    assert collection.merge(two / "c")["recordings"] == 1
    assert collection.annotations.all() == []
