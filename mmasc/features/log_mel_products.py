"""Log-mel spectrograms as convolutions and products alone, for runtimes that have no Fourier transform."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.log_mel import LogMel


class LogMelProducts(nn.Module):
    """What a `LogMel` computes, except for rounding: the transform is a convolution with cosines and sines.

    Slower than the transform, and the same for any batch; bins at the rounding floor can differ by a fraction of a dB.

    Args:
        log_mel: Its configuration and constants are taken over.
    """

    kernel: Tensor
    matrix: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.config, self.compress = log_mel.config, log_mel.compress
        n_bins, n_fft = len(log_mel.matrix), log_mel.config.n_fft
        angles = torch.arange(n_bins)[:, None] * torch.arange(n_fft)[None] % n_fft * (2 * math.pi / n_fft)
        waves = torch.cat([angles.double().cos(), angles.double().sin()]) * log_mel.window.double()
        self.register_buffer("kernel", waves.float()[:, None], persistent=False)
        self.register_buffer("matrix", log_mel.matrix.clone(), persistent=False)

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch mel frame"]:
        """As `LogMel.forward`."""
        return self.compress(self.mel(waveforms))

    def mel(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch mel frame"]:
        """As `LogMel.mel`."""
        config = self.config
        samples = waveforms.float()[:, None]
        if config.centre is not None:
            half = config.n_fft // 2
            samples = F.pad(samples, (half, half), mode="reflect" if config.centre == "reflect" else "constant")
        real, imaginary = F.conv1d(samples, self.kernel, stride=config.hop_length).chunk(2, dim=1)
        size = real.square() + imaginary.square()
        mel = (size if config.power == 2 else size.sqrt()).transpose(1, 2) @ self.matrix
        if config.frame_mean > 1:
            mel = mel[:, : mel.shape[1] // config.frame_mean * config.frame_mean]
            mel = mel.unflatten(1, (-1, config.frame_mean)).mean(2)
        return mel.transpose(1, 2)
