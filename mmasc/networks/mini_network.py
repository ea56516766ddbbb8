"""The audio network of `mini`: mel power in, a unit vector in the text space and the features before it out.

The level rule is the first step, so a recording and the same at a tenth of its level are one; it is followed by a
small convolutional network in the line of the VGG-like networks of Hershey et al. 2017 and Kong et al. 2020.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.mini_config import MiniConfig


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm and ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(self, x: Float[Tensor, "batch c_in frame mel"]) -> Float[Tensor, "batch c_out frame mel"]:
        x = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(x)))


class MiniNetwork(nn.Module):
    """Mel power to features and to a unit vector next to texts.

    Args:
        config: Its shape and its level rule.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        first, *_, last = config.channels
        # No gain of its own: the convolution has one, and its gradient need not go further down.
        self.bn0 = nn.BatchNorm2d(config.n_mels, affine=False)
        self.conv0 = nn.Conv2d(1, first, 5, stride=2, padding=2, bias=False)
        self.bn_conv0 = nn.BatchNorm2d(first)
        self.blocks = nn.ModuleList(ConvBlock(n_in, n_out) for n_in, n_out in pairwise(config.channels))
        self.to_features = nn.Linear(2 * last, config.n_features)
        self.to_joint = nn.Linear(config.n_features, config.dim)

    def forward(
        self, power: Float[Tensor, "batch mel frame"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch dim"]]:
        """Features and unit vectors of mel power (before any logarithm), of 16 frames (0.32 s) or more."""
        return self.vectors(self.levelled(power))

    def vectors(
        self, levelled: Float[Tensor, "batch mel frame"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch dim"]]:
        """The same, of what `levelled` gives."""
        x = rearrange(levelled, "batch mel frame -> batch mel frame 1")
        x = rearrange(self.bn0(x), "batch mel frame 1 -> batch 1 frame mel")
        x = F.relu_(self.bn_conv0(self.conv0(x.contiguous(memory_format=torch.channels_last))))
        for block in self.blocks:
            x = block(F.avg_pool2d(x, 2))
        frames = x.mean(3)
        pooled = torch.cat([frames.mean(2), frames.amax(2)], 1)
        features = F.relu(self.to_features(F.dropout(pooled, self.config.dropout, self.training)))
        joint = self.to_joint(F.dropout(features, self.config.dropout, self.training))
        return features, F.normalize(joint, dim=1)

    def levelled(self, power: Float[Tensor, "batch mel frame"]) -> Float[Tensor, "batch mel frame"]:
        """Decibels relative to the recording's own level, about of unit size; silence is constant."""
        config = self.config
        loudest = power.sum(1).topk(max(1, round(config.level_share * power.shape[2])), dim=1).values
        level = loudest.mean(1).clamp_min(config.level_floor)[:, None, None]
        decibels = 10 * torch.log10(config.n_mels * power / level + config.power_floor)
        return (decibels - config.decibel_mean) / config.decibel_deviation
