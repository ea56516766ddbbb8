"""Log-mel spectrograms → cepstra (MFCC): the cosine transform of every frame, low coefficients only.

Paper: Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition".
"""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel_config import LogMelConfig


class MfccFrontEnd(LogMelFrontEnd):
    """Mel-frequency cepstral coefficients, from the zeroth (the level) on.

    Args:
        config: Configuration of the log-mel spectrogram beneath.
        n_coefficients: Kept of its `n_mels`.
    """

    cosines: Tensor

    def __init__(self, config: LogMelConfig, n_coefficients: int) -> None:
        super().__init__(config)
        cosines = torch.from_numpy(cosine_matrix(config.n_mels, n_coefficients).T.copy())
        self.register_buffer("cosines", cosines, persistent=False)
        self.n_bands = n_coefficients

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame band"]:
        """Cepstra, one for each channel; the unit is that of the log-mel values."""
        return self.compress(self.power(waveforms))

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame band"]:
        """Cepstra of mel power."""
        return exact_product(super().compress(power), self.cosines)


def exact_product(
    values: Float[Tensor, "batch channel frame band"], matrix: Float32[Tensor, "band out"]
) -> Float32[Tensor, "batch channel frame out"]:
    """Every frame times a matrix, always in float32 (without autocast and TF32); items do not affect each other."""
    with torch.autocast(values.device.type, enabled=False):
        if values.device.type == "cuda":
            return (values.double() @ matrix.double()).float()
        return torch.stack([torch.stack([lane.float() @ matrix for lane in item]) for item in values])


def cosine_matrix(n_in: int, n_out: int) -> Float32[np.ndarray, "out in"]:
    """The orthonormal cosine transform of type II, its first rows: sqrt(2 / n) cos(pi k (i + 1/2) / n), row 0 / sqrt 2.

    Raises:
        ValueError: If more rows are asked for than there are.
    """
    if not 1 <= n_out <= n_in:
        raise ValueError(f"n_out must be in [1, {n_in}], got {n_out}")
    rows, columns = np.arange(n_out)[:, None], np.arange(n_in)[None]
    matrix = np.sqrt(2 / n_in) * np.cos(np.pi * rows * (columns + 0.5) / n_in)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)
