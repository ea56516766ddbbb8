"""Networks of image recognition as bodies for spectrograms: torchvision's layers under their official names.

A spectrogram has one channel where a picture has three. The first convolution is made new for it; with ImageNet
weights its kernels are the sums over red, green and blue, which is the same as to show the grey picture three times.

Papers: Krizhevsky 2014 (AlexNet), Simonyan and Zisserman 2015 (VGG), He et al. 2016 (ResNet).
"""

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.weights.store import find

# Layers of torchvision's residual networks between the input and the pooling, in their order
RESNET_LAYERS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


def resnet_layers(name: str, n_channels: int, weights: str = "random") -> tuple[dict[str, nn.Module], int]:
    """The layers of a residual network without its pooling and its output, and the channels that come out.

    Args:
        name: "resnet18", "resnet34" or "resnet50".
        n_channels: Number of channels that go in.
        weights: "imagenet" for the released ones (`mmasc models fetch NAME-imagenet`).
    Raises:
        ValueError: If `weights` is neither.
        MmascError: If the released weights are not on this machine.
    """
    import torchvision

    builders = {
        "resnet18": torchvision.models.resnet18,
        "resnet34": torchvision.models.resnet34,
        "resnet50": torchvision.models.resnet50,
    }
    whole = builders[name](weights=None)
    whole.conv1 = nn.Conv2d(n_channels, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(whole.conv1.weight, mode="fan_out", nonlinearity="relu")
    layers = {layer: getattr(whole, layer) for layer in RESNET_LAYERS}
    if _is_imagenet(weights):
        _fill(nn.ModuleDict(layers), name, "conv1.weight", n_channels, leave_out="fc.")
    return layers, whole.fc.in_features


def convolution_layers(name: str, n_channels: int, weights: str = "random") -> tuple[nn.Sequential, int]:
    """The convolutions (`features`) of AlexNet or VGG-16, and the channels that come out.

    Args:
        name: "alexnet" or "vgg16".
        n_channels: Number of channels that go in.
        weights: See `resnet_layers`.
    Raises:
        ValueError: If `weights` is neither "random" nor "imagenet".
        MmascError: If the released weights are not on this machine.
    """
    import torchvision

    builders = {"alexnet": torchvision.models.alexnet, "vgg16": torchvision.models.vgg16}
    # The fully connected layers hold nine tenths of the numbers and are not used: nothing is set aside for them.
    with torch.device("meta"):
        features = builders[name](weights=None).features
    first = features[0]
    features[0] = nn.Conv2d(n_channels, first.out_channels, first.kernel_size, first.stride, first.padding)
    features = features.to_empty(device="cpu")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
            if name == "vgg16" and layer.bias is not None:  # its own rule; AlexNet has torch's
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
    channels = [layer.out_channels for layer in features if isinstance(layer, nn.Conv2d)][-1]
    if _is_imagenet(weights):
        _fill(nn.ModuleDict({"features": features}), name, "features.0.weight", n_channels, leave_out="classifier.")
    return features, channels


def sum_colours(
    kernels: Float[Tensor, "out 3 height width"], n_channels: int
) -> Float[Tensor, "out channel height width"]:
    """First kernels for `n_channels` of sound: with one, the sum over colours; with more, each its equal share."""
    return kernels.sum(1, keepdim=True).expand(-1, n_channels, -1, -1) / n_channels


def band_norm(n_bands: int) -> nn.BatchNorm2d:
    """Running statistics of `n_bands` bands: nothing to train, no scale, no shift."""
    return nn.BatchNorm2d(n_bands, affine=False)


def standardised(
    norm: nn.Module, features: Float[Tensor, "batch channel frame band"]
) -> Float[Tensor, "batch channel frame band"]:
    """Features of mean 0 and variance 1 in each band, by the statistics of training."""
    bands_first = rearrange(features, "batch channel frame band -> batch band frame channel")
    return rearrange(norm(bands_first), "batch band frame channel -> batch channel frame band")


def standardised_bands(state: Mapping[str, Tensor]) -> int:
    """Bands of the `band_norm` in a state dict; 0 where there is none."""
    return len(state["bn0.running_mean"]) if "bn0.running_mean" in state else 0


def _is_imagenet(weights: str) -> bool:
    if weights not in ("random", "imagenet"):
        raise ValueError(f"weights must be one of ['imagenet', 'random'], got {weights!r}")
    return weights == "imagenet"


def _fill(layers: nn.ModuleDict, name: str, first: str, n_channels: int, leave_out: str) -> None:
    """Put released ImageNet weights into layers; names and shapes must be the official ones."""
    from mmasc.networks.load import read_state

    path = find(f"{name}-imagenet")
    released: dict[str, Any] = {
        key: value for key, value in read_state(path)[0].items() if not key.startswith(leave_out)
    }
    wanted = layers.state_dict()
    optional = {key for key in wanted if key.endswith("num_batches_tracked")}
    if first in released and released[first].ndim == 4 and released[first].shape[1] == 3:
        released[first] = sum_colours(released[first], n_channels)
    wrong = sorted(set(wanted) - set(released) - optional) + sorted(set(released) - set(wanted))
    wrong += [key for key in wanted if key in released and released[key].shape != wanted[key].shape]
    if wrong:
        raise MmascError(
            f"{path} does not hold the weights of {name}: {', '.join(wrong[:3])}; fetch {name}-imagenet again"
        )
    layers.load_state_dict(released, strict=False)
