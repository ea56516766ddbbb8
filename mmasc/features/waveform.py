"""Waveforms as they are, for networks that read samples: optionally with pre-emphasis and another scale."""

from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import FrontEnd


class RawWaveform(FrontEnd):
    """Samples, each channel by itself.

    Args:
        sample_rate: Sample rate in Hz.
        pre_emphasis: x[t] - pre_emphasis * x[t - 1], which costs the first sample; 0 leaves the samples alone.
        scale: Factor on all samples after it.
    """

    n_bands = 1

    def __init__(self, sample_rate: int, pre_emphasis: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.sample_rate, self.pre_emphasis, self.scale = sample_rate, pre_emphasis, scale
        self.minimum_samples = 2 if pre_emphasis else 1

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel sample"]:
        """Samples in float32."""
        samples = waveforms.float()
        if self.pre_emphasis:
            samples = samples[..., 1:] - self.pre_emphasis * samples[..., :-1]
        return samples if self.scale == 1 else samples * self.scale

    def n_frames(self, n_samples: int) -> int:
        """As many as there are samples; with pre-emphasis one less."""
        return n_samples - (1 if self.pre_emphasis else 0)
