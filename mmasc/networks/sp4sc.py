"""SP4SC: acoustic scenes in 62,474 numbers, and its batch norms merged away.

Separable blocks: a 1 x 1 convolution, then one of three frames plus one of three bands, both spread by 2 and channel by
channel, summed. After training every batch norm is merged into its neighbours; rounded to float16 the network takes
122.0 KiB of the 128 that the challenge allowed.

The authors cut recordings to 441,000 samples. Nothing is cut here: the network pools over time, so a recording is
heard whole, and a recorded scene of ten seconds gives what theirs gives; who wants windows of ten seconds takes them
from `NetworkSpec.seconds`.

Source: Puy, Jain, Bursuc, DCASE 2021 task 1a, valeoai/SP4ASC (Apache-2.0); used by Barberteguy 2023.
"""

import copy
from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body
from mmasc.networks.depthwise import DepthwiseConv2d
from mmasc.networks.network import Network
from mmasc.networks.panns import initialise, pool_over_time
from mmasc.networks.registry import NETWORKS

WIDTHS = (64, 128, 128, 128)
# torch's own, in every batch norm of the authors
EPS = 1e-5


class SeparableBlock(nn.Module):
    """1 x 1, then frames plus bands, batch norm (or a bias in its place), ReLU, mean pooling by 2 x 2.

    Args:
        n_in: Channels in.
        n_out: Channels out.
        merged: Whether the batch norm is merged away.
    """

    def __init__(self, n_in: int, n_out: int, merged: bool = False) -> None:
        super().__init__()
        self.ch_conv1 = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.sp_conv1 = DepthwiseConv2d(n_out, (3, 1), dilation=2, bias=False)
        self.sp_conv2 = DepthwiseConv2d(n_out, (1, 3), dilation=2, bias=merged)
        self.bn = nn.Identity() if merged else nn.BatchNorm2d(n_out, EPS)

    def forward(
        self, maps: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch wider pooled_frame pooled_band"]:
        """Half of the frames and bands; an odd one at the end is dropped."""
        if maps.device.type == "cpu":
            # A convolution of 1 x 1 is a product over channels: with channels last nothing has to be put in order
            rows = maps.permute(0, 2, 3, 1).contiguous()
            mixed = F.linear(rows, self.ch_conv1.weight.flatten(1)).permute(0, 3, 1, 2)
        else:
            mixed = self.ch_conv1(maps)
        return F.avg_pool2d(F.relu(self.bn(self.sp_conv1(mixed) + self.sp_conv2(mixed))), 2)


class BandScale(nn.Module):
    """What is left of the first batch norm: a factor and a summand for every band, `[1 band 1 1]`."""

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(Tensor(1, n_bands, 1, 1).fill_(1))
        self.bias = nn.Parameter(Tensor(1, n_bands, 1, 1).fill_(0))

    def forward(self, maps: Float[Tensor, "batch band frame channel"]) -> Float[Tensor, "batch band frame channel"]:
        """Every band scaled and shifted."""
        return maps * self.weight + self.bias


class Sp4sc(Body):
    """SP4SC as it is trained: 62,922 parameters, 64,335 numbers in its state dict.

    Args:
        n_classes: Outputs.
        n_mels: Bands of the features, at least 16.
        n_channels: Channels of the features.
        dropout: Before both linear layers, in training.
    """

    head: ClassVar[str] = "fc2"
    merged: ClassVar[bool] = False
    minimum_frames = 2 ** len(WIDTHS)

    def __init__(self, n_classes: int = 10, n_mels: int = 256, n_channels: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        if n_mels < self.minimum_frames:
            raise ValueError(f"n_mels must be at least {self.minimum_frames}, got {n_mels}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.n_mels, self.n_channels, self.dropout = n_mels, n_channels, dropout
        self.bn0 = BandScale(n_mels) if self.merged else nn.BatchNorm2d(n_mels, EPS)
        for number, (n_in, n_out) in enumerate(zip((n_channels, *WIDTHS), WIDTHS, strict=False), 1):
            self.add_module(f"conv{number}", SeparableBlock(n_in, n_out, self.merged))
        self.fc1 = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.fc2 = nn.Linear(WIDTHS[-1], n_classes)
        initialise(self)

    def feature_map(
        self, features: Float[Tensor, "batch channel frame mel"]
    ) -> Float[Tensor, "batch filter pooled_frame pooled_band"]:
        """What comes out of the last block."""
        bands_first = rearrange(features, "batch channel frame mel -> batch mel frame channel")
        maps = self.augmented(rearrange(self.bn0(bands_first), "batch mel frame channel -> batch channel frame mel"))
        for number in range(1, len(WIDTHS) + 1):
            maps = self.get_submodule(f"conv{number}")(maps)
        return maps

    def from_map(self, map: Float[Tensor, "batch filter frame band"]) -> Float[Tensor, "batch dim"]:
        """The first linear layer after its ReLU: 128 numbers."""
        return F.relu(self.fc1(F.dropout(pool_over_time(map), self.dropout, self.training)))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Logits; in training after dropout."""
        return self.fc2(F.dropout(embedding, self.dropout, self.training))

    def merge(self, rule: str = "eps") -> "Sp4scMerged":
        """This network without batch norms: 62,474 numbers for ten classes.

        Args:
            rule: "eps" is exact to rounding. "authors" leaves out the batch norm's 1e-5, as the released code does:
                logits of the released files move by up to 0.03 (ce_mixup), 0.09 (focal) and 4.9 (ce).
        """
        merged = Sp4scMerged(self.n_classes, self.n_mels, self.n_channels, self.dropout)
        merged.load_state_dict(merged_state(self.state_dict(), rule))
        return merged.to(self.fc2.weight.device).train(self.training)


class Sp4scMerged(Sp4sc):
    """SP4SC with its batch norms merged: for use, not for training. Files of the plain network are merged as read."""

    merged = True

    def merge(self, rule: str = "eps") -> "Sp4scMerged":
        """A copy: nothing is left to merge.

        Raises:
            ValueError: If the rule is another than the default: nothing is left to apply it to.
        """
        if rule != "eps":
            raise ValueError(f"rule must be 'eps' for a network that is merged already, got {rule!r}")
        return copy.deepcopy(self)

    def rounded_to_half(self) -> "Sp4scMerged":
        """A copy with every weight rounded to float16 and kept in float32, as the authors are scored."""
        rounded = Sp4scMerged(self.n_classes, self.n_mels, self.n_channels, self.dropout)
        rounded.load_state_dict({name: tensor.half().float() for name, tensor in self.state_dict().items()})
        return rounded.to(self.fc2.weight.device).train(self.training)

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state as it is, or merged (with eps) where it still holds the first batch norm's statistics."""
        return merged_state(state) if "bn0.running_var" in state else dict(state)


def merged_state(state: Mapping[str, Tensor], rule: str = "eps") -> dict[str, Tensor]:
    """The state dict of `Sp4scMerged` from that of `Sp4sc`; computed in float64.

    Raises:
        ValueError: If the rule is unknown.
        KeyError: If a tensor is missing.
    """
    if rule not in ("eps", "authors"):
        raise ValueError(f"rule must be one of ['authors', 'eps'], got {rule!r}")
    eps = EPS if rule == "eps" else 0.0
    norms = {name.rpartition(".")[0] for name in state if name.endswith("running_var")}
    merged = {name: one for name, one in state.items() if name.rpartition(".")[0] not in norms}
    for norm in norms:
        scale = state[f"{norm}.weight"].double() / (state[f"{norm}.running_var"].double() + eps).sqrt()
        shift = state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * scale
        if norm == "bn0":
            scale, shift = scale[None, :, None, None], shift[None, :, None, None]
            merged |= {"bn0.weight": scale.float(), "bn0.bias": shift.float()}
            continue
        block = norm.removesuffix(".bn")
        for conv in ("sp_conv1", "sp_conv2"):
            name = f"{block}.{conv}.weight"
            merged[name] = (state[name].double() * scale[:, None, None, None]).float()
        merged[f"{block}.sp_conv2.bias"] = shift.float()
    return merged


def merge_network(network: Network, rule: str = "eps", half: bool = False) -> Network:
    """A network "sp4sc" as the network "sp4sc-merged"; see `Sp4sc.merge`.

    Args:
        network: Network with a plain SP4SC body.
        rule: "eps" or "authors".
        half: Weights are rounded to float16 (and computed with in float32).
    Raises:
        ValueError: If the body is another.
    """
    if not isinstance(network.body, Sp4sc):
        raise ValueError(f"network must be an sp4sc, got {network.spec.name}")
    body = network.body.merge(rule)
    body = body.rounded_to_half() if half else body
    merged = Network(NETWORKS["sp4sc-merged"], network.features, body, network.classes)
    return merged.to(next(network.body.parameters()).device).train(network.training)
