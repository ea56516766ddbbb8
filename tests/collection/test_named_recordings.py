"""Recordings by what people call them."""

import pytest

from mmasc.collection import Collection
from mmasc.errors import MmascError
from tests.helpers.collections import labelled, second, write  # noqa: F401


def test_recordings_are_found_like_elsewhere(labelled, monkeypatch):  # noqa: F811
    annotations = Collection(labelled / "c").annotations
    wanted = annotations.recording_id("b/y.wav")
    monkeypatch.chdir(labelled / "s/b")
    for name in ("y.wav", labelled / "s/b/y.wav", "./y.wav"):
        assert annotations.recording_id(name) == wanted
    assert annotations.duration_of(wanted) == 1.0
    monkeypatch.chdir(labelled)
    with pytest.raises(MmascError, match="x.wav could be several recordings: "):
        annotations.recording_id("x.wav")
    with pytest.raises(MmascError, match="no recording of the collection lies there"):
        annotations.recording_id("z.wav")
