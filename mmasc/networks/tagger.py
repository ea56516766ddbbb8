"""ResNet-34 that tags sounds, with a head for curated and a head for noisy labels.

Standardised log-mel (features "tagging-reflect") in, 80 logits out; their sigmoids are the tags of a scene network.
The noisy head shares all layers up to the global maximum and is there for training (`noisy`).

Released files hold every layer twice (`base_model.` is the same layers again): that is why 22.9 million numbers were
published as 44.

Source: Akiyama and Sato 2019, "Multitask Learning and Semisupervised Learning with Noisy Data for Audio Tagging";
official code OsciiArt/Freesound-Audio-Tagging-2019 (MIT).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.imagenet import resnet_layers
from mmasc.networks.network import Network
from mmasc.networks.resnet import ResidualTrunk

# Frames added at each edge in the two passes that the authors average
PADDINGS = (8, 64)


def _head(n_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 1024),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(1024, n_classes),
    )


class Tagger(ResidualTrunk):
    """ResNet-34 with a global maximum and one or two heads.

    Args:
        n_classes: Tags.
        n_channels: Channels of the features.
        noisy_head: Whether the head for noisy labels is there as well.
        weights: "random" or "imagenet", of the residual layers.
    """

    head = "last_linear.6"

    def __init__(
        self, n_classes: int = 80, n_channels: int = 1, noisy_head: bool = False, weights: str = "random"
    ) -> None:
        super().__init__(resnet_layers("resnet34", n_channels, weights)[0])
        self.last_linear = _head(n_classes)
        if noisy_head:
            self.last_linear2 = _head(n_classes)

    @property
    def n_filters(self) -> int:
        """Filters of the last map."""
        return 512

    def feature_map(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch filter bands frames"]:
        """The last map, frequency before time."""
        return self.residual_map(features.transpose(2, 3))

    def from_map(self, map: Float[Tensor, "batch filter bands frames"]) -> Float[Tensor, "batch dim"]:
        """The curated head up to its last layer: 1024 numbers."""
        return self.last_linear[:-1](map.amax((2, 3)))

    def noisy(self, features: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, "batch class"]:
        """Logits of the noisy head.

        Raises:
            ValueError: If there is none.
        """
        return self.both(features)[1]

    def both(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> tuple[Float[Tensor, "batch class"], Float[Tensor, "batch class"]]:
        """Logits of the curated and of the noisy head, from one pass.

        Raises:
            ValueError: If there is no noisy head.
        """
        if "last_linear2" not in self._modules:
            raise ValueError("there is no head for noisy labels: make the network with noisy_head=True")
        pooled = self.feature_map(features).amax((2, 3))
        return self.last_linear(pooled), self.last_linear2(pooled)

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the layers that released files hold a second time."""
        return {name: tensor for name, tensor in state.items() if not name.startswith("base_model.")}

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Tags, channels and heads; the weights of ImageNet are not looked for again."""
        return {
            "n_classes": len(state["last_linear.6.weight"]),
            "n_channels": state["conv1.weight"].shape[1],
            "noisy_head": "last_linear2.6.weight" in state,
            "weights": "random",
        }


def tag_probabilities(
    network: Network, waveform: Any, sample_rate: int, paddings: Sequence[int] = PADDINGS
) -> Float[np.ndarray, " class"]:
    """Tags of a recording as the authors test: the mean over passes with frames added at both ends.

    With the features "tagging-reflect" these are silence, max(peak - 80 dB, -100 dB), and standardised with the rest;
    with others the edge frames are repeated.

    Args:
        network: A tagger, or any network of spectrograms with sigmoid outputs.
        waveform: See `Network.scores`.
        sample_rate: Sample rate in Hz.
        paddings: For each pass how many frames are added at each end; (0,) is one plain pass.
    Returns:
        float32 in [0, 1], one a tag: the mean of the sigmoids.
    Raises:
        ValueError: If a padding is negative, or the waveform is wrong (see `Network.scores`).
    """
    if not paddings or min(paddings) < 0:
        raise ValueError(f"paddings must hold numbers of at least 0, got {list(paddings)}")
    samples = network.prepare(waveform, sample_rate)[None]
    with torch.inference_mode(), torch.autocast(samples.device.type, enabled=False):
        passes = [network.body(network.front_end.edged(samples, padding)).sigmoid() for padding in paddings]
        return torch.stack(passes).mean(0)[0].float().cpu().numpy()


def multitask_loss(
    curated: Float[Tensor, "clip class"],
    curated_labels: Float[Tensor, "clip class"],
    noisy: Float[Tensor, "other class"],
    noisy_labels: Float[Tensor, "other class"],
    rule: str = "plain",
) -> Float[Tensor, ""]:
    """Binary cross-entropy of both heads, each on its own clips (0 where there are none), summed.

    Args:
        curated: Logits of the curated head.
        curated_labels: 0 to 1.
        noisy: Logits of the noisy head, on other clips.
        noisy_labels: 0 to 1.
        rule: "plain", or "authors" for their code, which applies the sigmoid to the noisy head twice.
    """
    if rule not in ("plain", "authors"):
        raise ValueError(f"rule must be one of ['authors', 'plain'], got {rule!r}")
    second = noisy.sigmoid() if rule == "authors" else noisy
    both = ((curated, curated_labels), (second, noisy_labels))
    # The sum of no logits is a 0 with a slope, the mean of no losses is not a number
    losses = [F.binary_cross_entropy_with_logits(*one) if len(one[0]) else one[0].sum() for one in both]
    return losses[0] + losses[1]


def pseudo_labels(
    predictions: Float[np.ndarray, "model clip class"], power: float = 2.0
) -> Float[np.ndarray, "clip class"]:
    """Soft labels of clips from the sigmoids of several models: their mean, sharpened, rows of sum 1.

    Args:
        predictions: Probabilities.
        power: 2 is the authors' "temperature"; 1 sharpens nothing.
    Raises:
        ValueError: If power is not positive, or a clip has no positive probability.
    """
    if not power > 0:
        raise ValueError(f"power must be positive, got {power}")
    sharpened = predictions.mean(0) ** power
    sums = sharpened.sum(1, keepdims=True)
    if not (sums > 0).all():
        raise ValueError("every clip must have a positive probability")
    return sharpened / sums


def pseudo_label_loss(
    logits: Float[Tensor, "clip class"], labels: Float[Tensor, "clip class"], weight: float = 20.0
) -> Float[Tensor, ""]:
    """Mean squared error between sigmoids and soft labels, weighted as the authors do."""
    return weight * F.mse_loss(logits.sigmoid(), labels)
