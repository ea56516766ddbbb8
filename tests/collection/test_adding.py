"""`Collection.add`: a collection grows as it was begun, whoever asks."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.cli import main
from tests.conftest import StandIn


@pytest.fixture
def begun(sounds, tmp_path, registered) -> mmasc.Collection:
    """A collection of half of the sounds, cut otherwise than by default."""
    mmasc.embed(
        sounds / "pond", tmp_path / "c", registered, hop_seconds=0.5, channels="each", window_seconds=0.8, root=sounds
    )
    return mmasc.Collection(tmp_path / "c")


def test_by_default_what_the_oldest_space_has(begun, sounds, tmp_path, registered):
    before = dict(begun.head.spaces)
    report = begun.add(sounds / "wood", folders=["place"])
    assert isinstance(report, mmasc.EmbedReport)
    assert (report.found, report.added, report.failed) == (2, 2, [])
    assert begun.recordings.num_rows == 5, "it is refreshed"
    assert len(begun.search(text="a", k=100, where="place = 'wood'", windows=True)) == report.windows
    (space,) = begun.head.spaces.values()
    assert replace(space, windows=0, version=0) == replace(before["standin"], windows=0, version=0)
    # the same as embedding all at once
    whole = tmp_path / "whole"
    mmasc.embed(sounds, whole, registered, hop_seconds=0.5, channels="each", window_seconds=0.8)
    (vectors, _, windows), (expected, _, others) = (
        collection.vectors(windows=True) for collection in (begun, mmasc.Collection(whole))
    )
    np.testing.assert_array_equal(vectors, expected)
    names = ["path", "start", "end", "lane"]
    assert windows.select(names).to_pylist() == others.select(names).to_pylist()
    assert begun.add(sounds).skipped == 5


def test_the_command_does_the_same(begun, sounds, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["mmasc", "collection", "add", str(begun.store.folder), str(sounds / "wood")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith("2 added, 0 changed, 0 already there")
    begun.refresh()
    assert begun.recordings.num_rows == 5


def test_an_encoder_that_is_there_grows_its_space(begun, sounds, standin, registered):
    loaded = StandIn(replace(standin.spec, window_seconds=0.8))
    assert begun.add(sounds / "wood" / "d.wav", loaded).added == 1
    assert begun.add(sounds / "wood" / "e.ogg", registered).added == 1
    assert begun.spaces == [registered]
    with pytest.raises(mmasc.MmascError, match="cut with --hop 0.5 --channels each, now --hop 0.8"):
        begun.add(sounds, hop_seconds=0.8)


def test_another_encoder_begins_a_space(begun, sounds, standin):
    class Other(StandIn):
        identity = "another0" * 4

    other = Other(replace(standin.spec, name="other"))
    assert begun.add(sounds, other, hop_seconds=0.25).added == 5
    assert begun.spaces == ["standin", "other"]
    assert begun.head.spaces["other"].hop_seconds == 0.25
    assert begun.head.spaces["other"].channels == "mix"
    assert begun.add(sounds, other, space="other").skipped == 5
    with pytest.raises(mmasc.MmascError, match="has no space 'third'; it has: standin, other"):
        begun.add(sounds, space="third")


def test_what_was_added_before_a_fault_is_seen(begun, sounds):
    (sounds / "wood" / "z.wav").write_text("no sound")
    with pytest.raises(mmasc.MmascError, match=r"z\.wav"):
        begun.add(sounds / "wood", strict=True)
    assert begun.recordings.num_rows == 5


def test_a_collection_without_vectors_says_so(tmp_path, sounds, standin):
    from mmasc.collection.store import Store

    Store.create(tmp_path / "empty", str(sounds))
    collection = mmasc.Collection(tmp_path / "empty")
    with pytest.raises(mmasc.MmascError, match="holds no vectors yet"):
        collection.add(sounds)
    assert collection.add(sounds, standin).added == 5


def test_the_window_of_a_loaded_encoder_is_not_passed_over(begun, sounds, standin, tmp_path):
    soundfile.write(tmp_path / "one.wav", np.zeros(8_000) + 0.1, 8_000)
    with pytest.raises(ValueError, match="loaded with a window of 1 s, got window_seconds 0.8"):
        mmasc.embed(tmp_path / "one.wav", tmp_path / "n", standin, window_seconds=0.8)
    assert not (tmp_path / "n").exists()


def test_fewer_hits_than_asked_for_are_no_error(begun, standin):
    windows = len(begun.space())
    assert len(begun.search(text="a", k=10 * windows, windows=True)) == windows
    assert len(begun.search(text="a", k=10 * windows, per_recording=True)) == 3
    assert begun.search(text="a", k=5, where="duration > 999") == []
