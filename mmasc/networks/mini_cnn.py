"""The network of the bundled encoder `mini` as a classifier: small enough to be trained in minutes of one CPU core.

It is not a network of a paper; it is in the line of the VGG-like networks of Hershey et al. 2017 and Kong et al. 2020.
"""

from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body
from mmasc.networks.mini_network import ConvBlock


class MiniCnn(Body):
    """A 5 x 5 convolution, three blocks of two 3 x 3 ones, mean and maximum over time, two linear layers.

    Args:
        n_classes: Outputs.
        n_mels: Bands of the features.
        n_channels: Channels of the features.
        channels: Channels of the first convolution and of the three blocks.
        n_hidden: Numbers of the layer before last.
        dropout: Before both linear layers, in training.
    """

    head: ClassVar[str] = "fc2"
    minimum_frames = 16

    def __init__(
        self,
        n_classes: int = 10,
        n_mels: int = 64,
        n_channels: int = 1,
        channels: tuple[int, ...] | list[int] = (16, 32, 64, 128),
        n_hidden: int = 512,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if n_mels < self.minimum_frames:
            raise ValueError(f"n_mels must be at least {self.minimum_frames}, got {n_mels}")
        self.dropout = dropout
        # No gain of its own: the convolution has one.
        self.bn0 = nn.BatchNorm2d(n_mels, affine=False)
        self.conv0 = nn.Conv2d(n_channels, channels[0], 5, stride=2, padding=2, bias=False)
        self.bn_conv0 = nn.BatchNorm2d(channels[0])
        self.blocks = nn.ModuleList(ConvBlock(n_in, n_out) for n_in, n_out in pairwise(channels))
        self.fc1 = nn.Linear(2 * channels[-1], n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    @property
    def n_filters(self) -> int:
        """Filters of the last map."""
        return self.fc1.in_features // 2

    def feature_map(self, features: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch filter step"]:
        """The filters of the last block over time, the mean of what is left of the bands."""
        bands_first = rearrange(features, "batch channel frame mel -> batch mel frame channel")
        maps = self.augmented(rearrange(self.bn0(bands_first), "batch mel frame channel -> batch channel frame mel"))
        maps = F.relu_(self.bn_conv0(self.conv0(maps.contiguous(memory_format=torch.channels_last))))
        for block in self.blocks:
            maps = block(F.avg_pool2d(maps, 2))
        return maps.mean(3)

    def from_map(self, map: Float[Tensor, "batch filter step"]) -> Float[Tensor, "batch dim"]:
        """The first linear layer on mean and maximum over time, after its ReLU."""
        pooled = torch.cat([map.mean(2), map.amax(2)], 1)
        return F.relu(self.fc1(F.dropout(pooled, self.dropout, self.training)))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Logits; in training after dropout."""
        return self.fc2(F.dropout(embedding, self.dropout, self.training))
