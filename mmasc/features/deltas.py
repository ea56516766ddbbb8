"""Log-mel spectrograms with their slopes over time as further feature channels, without padding.

A delta is the slope of a straight line fitted to nine frames; where there are not nine, there is no frame: a delta
costs four frames at each end, a delta of deltas eight, and the features beneath are cut to the frames that are left.

Source: The HTK Book 2006, section 5.9 (the regression); Liu et al. 2021, "Cross-modal spectrum transformation network
for acoustic scene classification" (no padding).
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel_config import LogMelConfig

REACH = 4  # frames to each side
_SQUARES = 2 * sum(step * step for step in range(1, REACH + 1))


class DeltaFrontEnd(LogMelFrontEnd):
    """Log-mel values, their deltas, and the deltas of those, as feature channels in this order.

    Args:
        config: Configuration of the log-mel spectrogram.
        order: 1 for deltas, 2 for deltas of deltas as well.
    """

    def __init__(self, config: LogMelConfig, order: int) -> None:
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order}")
        super().__init__(config)
        self.order, self.n_features = order, order + 1
        frames = 2 * REACH * order
        self.minimum_samples = max(self.minimum_samples, frames * config.frame_mean * config.hop_length)

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch lane frame mel"]:
        """`[batch (channel feature) frame mel]`."""
        return self.compress(self.power(waveforms))

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch lane kept mel"]:
        """The same of mel power.

        Raises:
            ValueError: If there are too few frames for one delta.
        """
        features = [super().compress(power)]
        for _ in range(self.order):
            features.append(deltas(features[-1]))
        frames = features[-1].shape[2]
        cut = [one[:, :, (start := (one.shape[2] - frames) // 2) : start + frames] for one in features]
        return torch.stack(cut, 2).flatten(1, 2)

    def n_frames(self, n_samples: int) -> int:
        """Those of the log-mel spectrogram, less eight for each order."""
        return max(super().n_frames(n_samples) - 2 * REACH * self.order, 0)


def deltas(features: Float[Tensor, "*batch frame band"]) -> Float[Tensor, "*batch kept band"]:
    """Slopes over nine frames, in units a frame; eight frames fewer come out.

    Raises:
        ValueError: If there are fewer than nine frames.
    """
    n_kept = features.shape[-2] - 2 * REACH
    if n_kept < 1:
        raise ValueError(f"deltas need {2 * REACH + 1} frames, got {features.shape[-2]}")
    slopes = torch.zeros_like(features[..., :n_kept, :])
    for step in range(1, REACH + 1):
        later = features[..., REACH + step : REACH + step + n_kept, :]
        slopes += step * (later - features[..., REACH - step : REACH - step + n_kept, :])
    return slopes / _SQUARES
