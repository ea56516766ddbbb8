"""Sounds of one level, what a collection says of them, and a small collection with labels."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from tests.conftest import STANDIN_SPEC, StandIn


def write(path: Path, level: float, seconds: float = 1.0) -> Path:
    """A sound of one level; its first number in the stand-in's vectors is this level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * 8_000), level), 8_000)
    return path


def table_of(folder: Path) -> dict[str, dict]:
    return {row["path"]: row for row in Collection(folder).recordings.to_pylist()}


def levels(folder: Path, space: str | None = None) -> dict[str, list[float]]:
    """First number of each window's vector, by path; what the collection says of its own faults must be nothing."""
    collection = Collection(folder)
    assert [one.message for one in collection.check() if one.level == "error"] == []
    reader = collection.space(space)
    paths = collection.recordings.column("path").to_pylist()
    found: dict[str, list[float]] = {}
    for one, vector in zip(reader.recording, reader.vectors(), strict=True):
        found.setdefault(paths[collection.row_of[int(one)]], []).append(round(float(vector[0]), 3))
    return found


@pytest.fixture
def second() -> StandIn:
    """Another encoder, with a space of its own."""
    encoder = StandIn(STANDIN_SPEC)
    encoder.identity = "second00" * 4
    return encoder


@pytest.fixture
def labelled(tmp_path, registered) -> Path:
    """Three sounds with labels in a collection `c` beside them."""
    for name, level in [("a/x.wav", 0.25), ("b/x.wav", -0.25), ("b/y.wav", 0.5)]:
        write(tmp_path / "s" / name, level)
    (tmp_path / "m.csv").write_text("path,label\na/x.wav,frog\nb/x.wav,owl\nb/y.wav,rain\n")
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered, metadata=tmp_path / "m.csv")
    return tmp_path
