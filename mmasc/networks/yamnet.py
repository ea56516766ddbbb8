"""YAMNet: the depthwise separable network that Google trained on AudioSet, 521 kinds of sound, 1,024 numbers before.

Patches of 0.96 s every 0.48 s are heard one by one; a recording's probability is the mean of its patches', its
embedding the mean of theirs.

Papers: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications",
table 1 (a width of 1); Plakal and Ellis, "YAMNet", tensorflow/models, research/audioset/yamnet. The official file is
Keras's; its batch norms have no gain.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.features.yamnet import PATCH_FRAMES, PATCH_HOP_FRAMES
from mmasc.networks.body import Body, log_odds_of_mean

N_BANDS = 64
EMBEDDING = 1024
EPSILON = 1e-4

# Channels out and stride of the 13 pairs of a depthwise and a pointwise convolution
_PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_FIRST = 32
# Patches that go through the convolutions at once: 64 of them hold 50 MB after the first one
_PATCHES_AT_ONCE = 64

_KERAS = re.compile(
    r"(?:.*/)?layer(?P<layer>\d+)/(?P<kind>conv|depthwise_conv|pointwise_conv)(?:/bn)?/"
    r"(?P<name>kernel|depthwise_kernel|gamma|beta|moving_mean|moving_variance)(?::0)?"
)
_KERAS_CLASSIFIER = re.compile(r"(?:.*/)?logits/(?P<name>kernel|bias)(?::0)?")
_OF_NORMS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


class Yamnet(Body):
    """27 convolutions, each with a batch norm and a ReLU, and a linear layer on the mean over time and bands.

    Args:
        n_classes: Outputs of the last layer.
    """

    head = "classifier"
    minimum_frames = PATCH_FRAMES

    def __init__(self, n_classes: int = 521) -> None:
        super().__init__()
        if n_classes < 1:
            raise ValueError(f"n_classes must be at least 1, got {n_classes}")
        convs = [nn.Conv2d(1, _FIRST, 3, stride=2, bias=False)]
        width = _FIRST
        for wider, stride in _PAIRS:
            padding = 0 if stride == 2 else 1
            convs.append(nn.Conv2d(width, width, 3, stride, padding, groups=width, bias=False))
            convs.append(nn.Conv2d(width, wider, 1, bias=False))
            width = wider
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(conv.out_channels, eps=EPSILON) for conv in convs)
        self.classifier = nn.Linear(EMBEDDING, n_classes)

    def patch_embeddings(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch patch 1024"]:
        """One embedding for each 0.48 s.

        Raises:
            ValueError: If there are fewer than 96 frames.
        """
        if features.shape[2] < PATCH_FRAMES:
            raise ValueError(f"features must hold at least {PATCH_FRAMES} frames (0.96 s), got {features.shape[2]}")
        patches = features[:, 0].unfold(1, PATCH_FRAMES, PATCH_HOP_FRAMES)
        flat = rearrange(patches, "batch patch band frame -> (batch patch) 1 frame band")
        out = torch.cat([self._embed(some) for some in flat.split(_PATCHES_AT_ONCE)])
        return rearrange(out, "(batch patch) dim -> batch patch dim", batch=len(patches))

    def patch_logits(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch patch class"]:
        """Logits of every patch: a timeline in steps of 0.48 s."""
        return self.classifier(self.patch_embeddings(features))

    def embedding(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch dim"]:
        """The mean of the patches' embeddings."""
        return self.patch_embeddings(features).mean(1)

    def forward(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch class"]:
        """Log odds of the mean of the patches' probabilities."""
        return log_odds_of_mean(self.patch_logits(features))

    def _embed(self, patches: Float[Tensor, "patch 1 96 64"]) -> Float[Tensor, "patch 1024"]:
        maps = patches.contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            # TensorFlow pads the end alone where a stride of 2 meets an even length
            maps = F.pad(maps, (0, 1, 0, 1)) if conv.stride == (2, 2) else maps
            maps = F.relu(norm(conv(maps)))
        return maps.mean((2, 3))

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state of this class from that of a run, of a file with folded batch norms, or of the Keras file."""
        if "convs.0.bias" in state:
            return _unfolded(state)
        found = {name: match for name in state if (match := _KERAS.fullmatch(name))}
        return _from_keras(state, found) if found else dict(state)


def _unfolded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions with a bias as convolutions with a batch norm that only adds: 1 / sqrt(variance + epsilon) is 1."""
    unfolded = {}
    for name, tensor in state.items():
        number, _, part = name.removeprefix("convs.").partition(".")
        if not name.startswith("convs.") or part != "bias":
            unfolded[name] = tensor
            continue
        unfolded[f"norms.{number}.bias"] = tensor
        unfolded[f"norms.{number}.weight"] = torch.ones_like(tensor)
        unfolded[f"norms.{number}.running_mean"] = torch.zeros_like(tensor)
        unfolded[f"norms.{number}.running_var"] = torch.full_like(tensor, 1 - EPSILON)
    return unfolded


def _from_keras(state: Mapping[str, Tensor], found: Mapping[str, re.Match[str]]) -> dict[str, Tensor]:
    """Keras's names and axes (height, width, in, out) in torch's."""
    own: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if (match := found.get(name)) is None:
            last = _KERAS_CLASSIFIER.fullmatch(name)
            part = {"kernel": "weight", "bias": "bias"}[last["name"]] if last else None
            own[f"classifier.{part}" if part else name] = tensor.T if part == "weight" else tensor
            continue
        layer, kind, part = int(match["layer"]), match["kind"], match["name"]
        number = 0 if layer == 1 else 2 * (layer - 1) - (kind == "depthwise_conv")
        if part == "depthwise_kernel":
            own[f"convs.{number}.weight"] = tensor.permute(2, 3, 0, 1)
        elif part == "kernel":
            own[f"convs.{number}.weight"] = tensor.permute(3, 2, 0, 1)
        else:
            own[f"norms.{number}.{_OF_NORMS[part]}"] = tensor
            own.setdefault(f"norms.{number}.weight", torch.ones_like(tensor))
    return own
