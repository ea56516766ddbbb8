"""Shared by all tests: a stand-in encoder whose vectors can be worked out by hand, and the folder of extra data."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import EncoderSpec

STANDIN_SPEC = EncoderSpec(
    "standin",
    "tests.conftest:StandIn",
    sample_rate=8_000,
    window_seconds=1.0,
    dim=4,
    modalities=("audio", "text"),
    description="vectors that can be worked out: mean, mean absolute value, maximum, share of positive samples",
)


class StandIn(Encoder):
    """(mean, mean absolute value, maximum, share of positive samples) of a window; a text is its letters' counts."""

    logit_scale = 10.0
    identity = "standin0" * 4

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


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with extra recordings, weights and recorded answers; tests that need it skip without it."""
    folder = os.environ.get("MMASC_TEST_DATA")
    if not folder:
        pytest.skip("MMASC_TEST_DATA is not set: no extra recordings here")
    return Path(folder).resolve()
