"""AlexNet, VGG-16 and ResNet-50 without their fully connected layers, on spectrograms of any length.

Log-mel in (one channel: left, right or their mean), logits out. Three heads: "mean" over frequency and time; "mlp",
the paper's e = mean of u * tanh(W a + b), which is called attention there but weighs all places alike; and
"attention", which is what the name says: a softmax over the places, of one score each.

Paper: Zhou, Bai and Du 2018, "An Investigation of Transfer Learning Mechanism for Acoustic Scene Classification".
The features are standardised band by band with the statistics of training (our reading; the paper does not say).
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.imagenet import band_norm, convolution_layers, resnet_layers, standardised, standardised_bands
from mmasc.networks.resnet import ResidualTrunk

# Fewest frames, and fewest bands, that leave something after the last pooling
_LEAST = {"alexnet": 63, "vgg16": 32, "resnet50": 1}


class TransferNetwork(ResidualTrunk):
    """A network of image recognition as a fully convolutional one.

    Args:
        n_classes: Logits.
        trunk: "alexnet", "vgg16" or "resnet50".
        pooling: "mean", "mlp" or "attention".
        hidden: Numbers for each place that the heads "mlp" and "attention" work with (C').
        n_channels: Channels of the features.
        standardise: Bands of the features; 0 takes them as they are.
        weights: "random" or "imagenet".
    """

    head = "out"

    def __init__(
        self,
        n_classes: int,
        trunk: str = "vgg16",
        pooling: str = "mean",
        hidden: int = 256,
        n_channels: int = 1,
        standardise: int = 128,
        weights: str = "random",
    ) -> None:
        if trunk not in _LEAST:
            raise ValueError(f"trunk must be one of {sorted(_LEAST)}, got {trunk!r}")
        if pooling not in ("mean", "mlp", "attention"):
            raise ValueError(f"pooling must be one of ['attention', 'mean', 'mlp'], got {pooling!r}")
        if trunk == "resnet50":
            layers, channels = resnet_layers(trunk, n_channels, weights)
        else:
            features, channels = convolution_layers(trunk, n_channels, weights)
            layers = {"features": features}
        super().__init__(layers)
        self.trunk, self.pooling, self.minimum_frames = trunk, pooling, _LEAST[trunk]
        if standardise:
            self.bn0 = band_norm(standardise)
        if pooling != "mean":
            self.mlp = nn.Linear(channels, hidden)
        if pooling == "mlp":
            self.u = nn.Parameter(torch.ones(hidden))
        elif pooling == "attention":
            self.score = nn.Linear(hidden, 1, bias=False)
        self.out = nn.Linear(hidden if pooling == "mlp" else channels, n_classes)

    @property
    def n_filters(self) -> int:
        """Filters of the last map."""
        return self.mlp.in_features if "mlp" in self._modules else self.dim

    def feature_map(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch filter bands frames"]:
        """The last map of the convolutions, frequency before time, as pictures are.

        Raises:
            ValueError: If there are fewer frames or bands than the network can take.
        """
        if min(features.shape[2:]) < self.minimum_frames:
            raise ValueError(
                f"{self.trunk} takes at least {self.minimum_frames} frames and {self.minimum_frames} bands, "
                f"got {features.shape[2]} and {features.shape[3]}"
            )
        if "bn0" in self._modules:
            features = self.augmented(standardised(self.bn0, features))
        images = features.transpose(2, 3)
        return self.residual_map(images) if self.trunk == "resnet50" else self.get_submodule("features")(images)

    def from_map(self, map: Float[Tensor, "batch filter bands frames"]) -> Float[Tensor, "batch dim"]:
        """What the head makes of all places of the map."""
        places = map.flatten(2).transpose(1, 2)
        if self.pooling == "mean":
            return places.mean(1)
        hidden = torch.tanh(self.mlp(places))
        if self.pooling == "mlp":
            return (self.u * hidden).mean(1)
        return (places * self.score(hidden).softmax(1)).sum(1)

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Classes, channels, head and standardised bands; the weights of ImageNet are not looked for again."""
        first = state["conv1.weight" if "conv1.weight" in state else "features.0.weight"]
        pooling = "mlp" if "u" in state else "attention" if "score.weight" in state else "mean"
        return {
            "n_classes": len(state["out.weight"]),
            "n_channels": first.shape[1],
            "standardise": standardised_bands(state),
            "pooling": pooling,
            "hidden": len(state["mlp.bias"]) if "mlp.bias" in state else 256,
            "weights": "random",
        }
