"""Shared by all tests: a stand-in encoder whose vectors can be worked out by hand, and the folder of extra data."""

import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

# Shapes and types are checked at every call of modules that speak of arrays. The others have plain types alone, which
# mypy checks without running them: readers of headers and tables are called a hundred thousand times by some tests.
# So are the small functions of the modules in OFTEN: checking them took longer than what they do
OFTEN = {
    "mmasc.audio.container",
    "mmasc.audio.decode",
    "mmasc.audio.native",
    "mmasc.audio.quality",
    "mmasc.audio.stream",
    "mmasc.collection.id_map",
    "mmasc.collection.joining",
    "mmasc.collection.moments",
    "mmasc.collection.snapshot",
    "mmasc.collection.space",
    "mmasc.collection.table_reader",
    "mmasc.labelling.moment_report",
    "mmasc.metrics.events",
}
ROOT = Path(__file__).parents[1]
SHAPED = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "mmasc").rglob("*.py"))
    if "from jaxtyping import" in path.read_text(encoding="utf-8") and path.name != "__init__.py"
} - OFTEN
jaxtyping.install_import_hook(sorted(SHAPED), "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

from mmasc.encoders.base import Encoder  # noqa: E402
from mmasc.encoders.spec import EncoderSpec  # noqa: E402

STANDIN_SPEC = EncoderSpec(
    "standin",
    "tests.conftest:StandIn",
    sample_rate=8_000,
    window_seconds=1.0,
    dim=4,
    modalities=("audio", "text"),
    words="demo",
    description="vectors that can be worked out: mean, mean absolute value, maximum, share of positive samples",
)


# Files that take longest begin first, so that at the end no process waits for another (`--dist loadfile`)
LONGEST = [
    "test_life.py",
    "test_pages.py",
    "test_supervised.py",
    "test_audioclip.py",
    "test_ivf_training.py",
    "test_tags_training.py",
    "test_alignment.py",
    "test_clap.py",
    "test_demo.py",
]


def pytest_collection_modifyitems(items) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


class StandIn(Encoder):
    """(mean, mean absolute value, maximum, share of positive samples) of a window; a text is its letters' counts."""

    logit_scale = 10.0
    identity = "standin0" * 4

    def __repr__(self):
        return "StandIn()"  # names of tests hold it, and must be the same in every process

    def _audio(self, waveforms):
        return torch.stack(
            [waveforms.mean(1), waveforms.abs().mean(1), waveforms.amax(1), (waveforms > 0).float().mean(1)], 1
        )

    def _text(self, texts):
        return np.array([[text.count(letter) for letter in "abcd"] for text in texts], np.float32) + 0.1

    def parameter_counts(self):
        return 0, 0


@pytest.fixture
def standin() -> StandIn:
    return StandIn(STANDIN_SPEC)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_disks() -> Iterator[None]:
    """What a test writes need not outlive a loss of power: a sync fails where it would fail, but does not wait."""

    def sync(handle: int) -> None:
        os.fstat(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with extra recordings, weights and recorded answers; tests that need it skip without it."""
    folder = os.environ.get("MMASC_TEST_DATA")
    if not folder:
        pytest.skip("MMASC_TEST_DATA is not set: no extra recordings here")
    return Path(folder).resolve()


@pytest.fixture
def registered(monkeypatch) -> str:
    """The stand-in encoder under its name in the registry."""
    from mmasc.encoders.registry import ENCODERS

    monkeypatch.setitem(ENCODERS, STANDIN_SPEC.name, STANDIN_SPEC)
    return STANDIN_SPEC.name


@pytest.fixture
def sounds(tmp_path) -> Path:
    """A folder of small recordings: two folders, five lengths, one of them stereo."""
    import soundfile

    folder = tmp_path / "sounds"
    generator = np.random.default_rng(3)
    for place, name, seconds, channels in [
        ("pond", "a.wav", 0.4, 1),
        ("pond", "b.wav", 1.0, 1),
        ("pond", "c.flac", 3.7, 2),
        ("wood", "d.wav", 2.0, 1),
        ("wood", "e.ogg", 5.25, 1),
    ]:
        (folder / place).mkdir(parents=True, exist_ok=True)
        samples = generator.uniform(-0.5, 0.5, (round(seconds * 8_000), channels)) * generator.uniform(0.2, 1)
        soundfile.write(folder / place / name, samples + generator.uniform(-0.3, 0.3), 8_000)
    return folder
