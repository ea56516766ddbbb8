"""Front ends under test, and the sounds that they are tried on."""

import numpy as np
import torch

from mmasc.features import CLAP, MINI, PANNS, VGGISH, LogMelConfig, load_front_end

SPEECHY = LogMelConfig(22_050, 2048, 1200, 441, 128, 0.0, 11_025.0, "htk", "slaney", centre="zeros")
PRESETS = {"mini": MINI, "panns": PANNS, "clap": CLAP, "vggish": VGGISH, "htk, window inside": SPEECHY}


def sound(sample_rate: int, seconds: float = 2.0) -> np.ndarray:
    """A chirp, clicks and noise that fades over 80 dB: loud and quiet, tonal and not."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    generator = np.random.default_rng(3)
    chirp = 0.4 * np.sin(2 * np.pi * (100 * time + 0.4 * sample_rate / 2 / seconds * time**2))
    clicks = (generator.random(len(time)) < 0.0005) * 0.5
    noise = generator.standard_normal(len(time)) * 0.1 * 10 ** (-4 * time / seconds)
    return (chirp * (time < seconds / 2) + clicks * (time < seconds / 3) + noise).astype(np.float32)


def noise(seconds: float, sample_rate: int, seed: int = 0, channels: int = 1) -> torch.Tensor:
    """Noise with a rising tone in it: energy in every band of every frame."""
    n_samples = round(seconds * sample_rate)
    time = np.arange(n_samples) / sample_rate
    samples = np.random.default_rng(seed).normal(0, 0.05, (channels, n_samples))
    samples += 0.3 * np.sin(2 * np.pi * (200 * time + 500 * time**2))
    return torch.from_numpy(samples.astype(np.float32))


def features_of(name: str, waveform: torch.Tensor) -> np.ndarray:
    """`[lane frame band]` of one waveform `[channel time]`."""
    with torch.inference_mode():
        return load_front_end(name)(waveform[None])[0].numpy()
