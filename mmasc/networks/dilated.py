"""ResNet-18 that hears several time scales at once: dilated convolutions side by side in front of it.

Log-mel frames in, logits out. Kernels of 3x3 with dilations 1, 2, 3 and 4 see 3, 5, 7 and 9 frames (and bands); what
they give is joined along channels. Nothing stands between them and the network: no norm, no activation.

Papers: Kumar, Vyas and Garg 2020, "From Image Classification to Audio Classification" (which does not say how many
filters: 16 for each dilation is our reading); McMahan and Rao 2018, "Listening to the World Improves Speech Command
Recognition".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body
from mmasc.networks.resnet import ResNet


class DilatedResNet(Body):
    """Dilated convolutions, joined, and ResNet-18.

    Args:
        n_classes: Logits.
        n_channels: Channels of the features.
        n_filters: For each dilation.
        dilations: One convolution for each.
        weights: "random" or "imagenet", of the residual network.
        dropout: Share of the pooled numbers that training sets to 0.
    """

    head = "resnet.fc"

    def __init__(
        self,
        n_classes: int,
        n_channels: int = 1,
        n_filters: int = 16,
        dilations: Sequence[int] = (1, 2, 3, 4),
        weights: str = "random",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if n_filters < 1 or not dilations or min(dilations) < 1:
            raise ValueError(f"n_filters and dilations must be at least 1, got {n_filters} and {list(dilations)}")
        self.front = nn.ModuleList(
            nn.Conv2d(n_channels, n_filters, 3, padding=dilation, dilation=dilation) for dilation in dilations
        )
        self.resnet = ResNet(n_classes, 18, n_filters * len(dilations), weights, dropout=dropout)

    def embedding(self, features: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, "batch dim"]:
        """Mean of the last map of the residual network."""
        return self.resnet.embedding(torch.cat([convolution(features) for convolution in self.front], dim=1))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """The last layer of the residual network."""
        return self.resnet.classify(embedding)

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Classes, channels and filters; the dilations leave no trace but their number."""
        n_filters, n_channels = state["front.0.weight"].shape[:2]
        return {
            "n_classes": len(state["resnet.fc.weight"]),
            "n_channels": n_channels,
            "n_filters": n_filters,
            "weights": "random",
        }
