"""Log-mel spectrograms relative to a recording's own level: how loud a recording is does not change them.

The level is the mean power of the loudest twentieth of the frames, so that digital silence around a sound does not
count. Log-mel values are decibels above `floor` of the mean band power of such a frame.
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel_config import LogMelConfig

LOUDEST_SHARE = 0.05


class LevelledFrontEnd(LogMelFrontEnd):
    """Mel power divided by its level, in decibels.

    Args:
        config: Configuration of power; its `floor` is relative to the mean band power of a loud frame.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        self.config = config

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Decibels relative to each item's level, at least 10 log10(floor)."""
        return self.compress(self.power(waveforms))

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame mel"]:
        """The features of mel power that is computed already."""
        level = loudest_power(power).reshape(-1, 1, 1, 1)
        # An item of silence is all floor
        relative = power * power.shape[3] / torch.where(level > 0, level, torch.ones_like(level))
        return 10 * (relative + self.config.floor).log10()


def loudest_power(power: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, " batch"]:
    """Power over all bands (mean of the channels), mean of the loudest twentieth of the frames."""
    frames = power.sum(3).mean(1)
    return frames.topk(max(1, round(LOUDEST_SHARE * frames.shape[1])), 1).values.mean(1)
