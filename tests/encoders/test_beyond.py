"""Recordings above an encoder's reach: calls are found in noise, noise alone and audible sound say nothing."""

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.encoders.beyond import BeyondReach, energy_above
from mmasc.encoders.embedding import embed_file
from tests.conftest import STANDIN_SPEC

RATE = 384_000
SECONDS = np.arange(2 * RATE) / RATE


def write(path, *tones, noise=1e-3, wind=0.0):
    """Calls of 5 ms, ten a second, at frequencies with levels; white noise; wind below 100 Hz."""
    rng = np.random.default_rng(0)
    calls = sum(level * np.sin(2 * np.pi * hz * SECONDS) for hz, level in tones) * (SECONDS % 0.1 < 0.005)
    rumble = wind * np.sin(2 * np.pi * 40 * SECONDS)
    soundfile.write(path, calls + rng.normal(0, noise, len(SECONDS)) + rumble, RATE, "PCM_16")
    return path


@pytest.mark.parametrize(
    ("tones", "more", "share"),
    [
        ([(45_000, 0.1)], {}, 1.0),
        ([(45_000, 0.1)], {"wind": 0.5}, 1.0),
        ([(45_000, 0.1), (3_000, 0.1)], {}, 0.5),
        ([(3_000, 0.1)], {}, 0.0),
        ([], {}, 0.0),
        ([], {"wind": 0.5}, 0.0),
    ],
)
def test_what_stands_out_counts(tmp_path, tones, more, share):
    found, highest = energy_above(write(tmp_path / "a.wav", *tones, **more), 16_000)
    assert found == pytest.approx(share, abs=0.05)
    if share:
        assert highest == pytest.approx(45_000, abs=2_000)


def test_files_that_cannot_be_read_here_say_nothing(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound")
    assert energy_above(tmp_path / "a.wav", 16_000) == (0.0, 0.0)


def test_embedding_says_which_recordings_are_not_heard(tmp_path, registered):
    bats, birds = write(tmp_path / "bat.wav", (45_000, 0.1)), write(tmp_path / "bird.wav", (2_000, 0.1))
    report = mmasc.embed([bats, birds], tmp_path / "c.mmasc", registered)
    (line,) = [one for one in report.remarks if "does not hear" in one]
    assert "bat.wav is above 4 kHz (up to 46 kHz), which standin does not hear; embed them with --speed 0.05" in line
    slow = mmasc.embed([bats, birds], tmp_path / "c.mmasc", f"{registered}+speed=0.05")
    assert not [one for one in slow.remarks if "does not hear" in one]


def test_many_recordings_are_one_line(tmp_path, standin):
    look = BeyondReach(STANDIN_SPEC)
    file = embed_file(write(tmp_path / "bat.wav", (45_000, 0.1)), standin)
    for _ in range(5):
        look.look(file)
    (line,) = look.remarks()
    assert "bat.wav, bat.wav, bat.wav and 2 more is above" in line
