"""Signals for networks."""

import numpy as np
import torch

from tests.parity.rule_weights import waveform


def spectrograms(batch=2, frames=70, bands=64, channels=1):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(batch, channels, frames, bands, generator=generator) * 12 - 40


def stereo() -> torch.Tensor:
    """What the recorded answers heard: noise to the left, a chirp to the right, two seconds and a sample."""
    channels = [waveform(kind, 48_000, 96_001 / 48_000) for kind in ("noise", "chirp")]
    return torch.from_numpy(np.stack(channels).astype(np.float32) / 32_768)
