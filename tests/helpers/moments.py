"""A collection of sounds whose level changes every second, and annotations of what happens when."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from tests.conftest import STANDIN_SPEC, StandIn

SECONDS = 6


def levels_of(item: int) -> np.ndarray:
    """The level of each second of a recording: high and low, loud and quiet."""
    generator = np.random.default_rng(item)
    return generator.choice([-0.8, -0.2, 0.2, 0.8], SECONDS) + generator.uniform(-0.1, 0.1, SECONDS)


def labels_at(level: float) -> list[str]:
    """What a person hears in a second of this level."""
    return ["up" if level > 0 else "down", *(["loud"] if abs(level) > 0.5 else [])]


@pytest.fixture
def annotated(tmp_path) -> Path:
    """Ten annotated recordings, and two that nobody annotated, in a collection `c`; column `place`."""
    rows = ["path,place"]
    for item in range(12):
        samples = np.repeat(levels_of(item), 8_000)
        path = tmp_path / "sounds" / f"{item:02}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.clip(samples, -1, 1), 8_000)
        rows.append(f"{path.name},place{item % 3}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    mmasc.embed(tmp_path / "sounds", tmp_path / "c", StandIn(STANDIN_SPEC), metadata=tmp_path / "m.csv")
    collection = Collection(tmp_path / "c")
    said = [
        annotation(collection, item, second, second + 1, label)
        for item in range(10)
        for second, level in enumerate(levels_of(item))
        for label in labels_at(level)
    ]
    collection.annotations.add(said)
    return tmp_path / "c"


@pytest.fixture
def bare(annotated) -> Collection:
    """The collection without annotations."""
    collection = Collection(annotated)
    collection.annotations.remove([one.id for one in collection.annotations.all()])
    return collection


def annotation(collection: Collection, item: int, start: float, end: float, label: str, **more) -> Annotation:
    """An annotation of one of these recordings."""
    recording = collection.annotations.recording_id(f"{item:02}.wav")
    return Annotation(recording=recording, start=start, end=end, label=label, **{"by": "anna"} | more)
