"""Residual networks on spectrograms: log-mel in, logits out, all layers or the first and the last one trained.

ResNet-34 is that of Barberteguy 2023, "Audio Scene Classification", whose text trains the first convolution and the
output only and whose code trains everything: both are offered. ResNet-18 is the plain network of Kumar, Vyas and Garg
2020, "From Image Classification to Audio Classification"; `dilated.py` has the other one.
Layers and names: torchvision (He et al. 2016, "Deep Residual Learning for Image Recognition").
"""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body, checked_dropout
from mmasc.networks.imagenet import band_norm, resnet_layers, standardised, standardised_bands


class ResidualTrunk(Body):
    """Residual layers without pooling and output.

    Args:
        layers: Layers by name, as `resnet_layers` gives them.
    """

    conv1: nn.Conv2d
    bn1: nn.BatchNorm2d
    relu: nn.ReLU
    maxpool: nn.MaxPool2d
    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def residual_map(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch filter low narrow"]:
        """What the last residual layer gives, a 32nd of the height and of the width."""
        stem = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(stem))))


class ResNet(ResidualTrunk):
    """A residual network with mean pooling and one linear layer.

    Args:
        n_classes: Logits.
        depth: 18, 34 or 50.
        n_channels: Channels of the features.
        weights: "random" or "imagenet".
        trainable: "all", or "first-and-last" for the first convolution and the output; what is frozen keeps the
            statistics of its batch norms as well.
        standardise: Bands of the features, where they are to be standardised with running statistics (`bn0`);
            0 leaves them as they are.
        dropout: Share of the pooled numbers that training sets to 0.
    """

    head = "fc"

    def __init__(
        self,
        n_classes: int,
        depth: int = 34,
        n_channels: int = 1,
        weights: str = "random",
        trainable: str = "all",
        standardise: int = 0,
        dropout: float = 0.0,
    ) -> None:
        if depth not in (18, 34, 50):
            raise ValueError(f"depth must be one of [18, 34, 50], got {depth}")
        if trainable not in ("all", "first-and-last"):
            raise ValueError(f"trainable must be one of ['all', 'first-and-last'], got {trainable!r}")
        layers, channels = resnet_layers(f"resnet{depth}", n_channels, weights)
        super().__init__(layers)
        if standardise:
            self.bn0 = band_norm(standardise)
        self.fc = nn.Linear(channels, n_classes)
        self.dropout = checked_dropout(dropout)
        self.frozen = trainable == "first-and-last"
        if self.frozen:
            self.requires_grad_(False)
            self.conv1.requires_grad_(True)
            self.fc.requires_grad_(True)

    def train(self, mode: bool = True) -> "ResNet":
        """Training mode; frozen batch norms stay as in evaluation."""
        super().train(mode)
        if self.frozen:
            for layer in (self.bn1, self.layer1, self.layer2, self.layer3, self.layer4):
                layer.eval()
        return self

    def feature_map(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch filter frames bands"]:
        """The last map before pooling."""
        if "bn0" in self._modules:
            features = self.augmented(standardised(self.bn0, features))
        return self.residual_map(features)

    def from_map(self, map: Float[Tensor, "batch filter frames bands"]) -> Float[Tensor, "batch dim"]:
        """Mean over frames and bands."""
        return map.mean((2, 3))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """The last layer, in training behind dropout."""
        return self.fc(F.dropout(embedding, self.dropout, self.training))

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Classes, channels and standardised bands; the weights of ImageNet are not looked for again."""
        return {
            "n_classes": len(state["fc.weight"]),
            "n_channels": state["conv1.weight"].shape[1],
            "standardise": standardised_bands(state),
            "weights": "random",
        }
