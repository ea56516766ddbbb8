"""VGGish's front end: windows, not transforms, lie inside the waveform, and triangles are straight on the mel scale.

Source: tensorflow/models, research/audioset/vggish/mel_features.py: frames of 400 samples every 160, each padded to
512 for the Fourier transform (a magnitude does not depend on where in the transform the window sits); the weight of a
bin follows from its distance in mel, where librosa and others take it in Hz, which moves bands by up to half a percent.
"""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel import LogMel, hz_to_mel
from mmasc.features.log_mel_config import LogMelConfig


class MelTriangles(LogMel):
    """Log-mel spectrograms with triangles that are straight on the mel scale, peaks at 1."""

    def filters(self) -> Float32[np.ndarray, "mel bin"]:
        """Weights of the transform's bins in each band."""
        config = self.config
        bins = hz_to_mel(np.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1), config.mel_scale)
        lowest, highest = hz_to_mel(np.array([config.f_min, config.f_max]), config.mel_scale).tolist()
        edges = np.linspace(lowest, highest, config.n_mels + 2)[:, None]
        rising, falling = (
            (bins - edges[:-2]) / np.diff(edges, axis=0)[:-1],
            (edges[2:] - bins) / np.diff(edges, axis=0)[1:],
        )
        return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


class VggishFrontEnd(LogMelFrontEnd):
    """Log-mel bands of every window that lies inside the waveform, also where its transform is longer than it.

    Args:
        config: Configuration with `centre` and `norm` None.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        if config.centre is not None or config.norm is not None:
            raise ValueError(f"centre and norm must be None, got {config.centre!r} and {config.norm!r}")
        self.log_mel = MelTriangles(config)
        self.minimum_samples = config.win_length + (config.frame_mean - 1) * config.hop_length
        self.margin = (config.n_fft - config.win_length) // 2

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms, one for each channel."""
        return super().forward(self._padded(waveforms))

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Mel power, one for each channel."""
        return super().power(self._padded(waveforms))

    def n_frames(self, n_samples: int) -> int:
        """1 + (samples - window) // hop."""
        config = self.log_mel.config
        return (1 + (n_samples - config.win_length) // config.hop_length) // config.frame_mean

    def _padded(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch channel padded"]:
        # The window is zero there
        return F.pad(waveforms, (self.margin, self.log_mel.config.n_fft - self.log_mel.config.win_length - self.margin))
