"""Scenes from samples: strided convolution, residual blocks, mean and maximum over time, a short code.

Stereo waveforms at 48 kHz after pre-emphasis (features "raw-48k") in, logits out. 479,999 samples give 39,999 steps
after the strided convolution and 18 after seven blocks; the code is the layer before last.

Papers: Jung et al. 2020, "Acoustic Scene Classification using Audio Tagging", Table 1 (what the layers are); Jung et
al. 2019, "Distilling the Knowledge of Specialist Deep Neural Networks in Acoustic Scene Classification", whose
released code has a slope of 0.3, adds the shortcut before the second activation, narrows two blocks, ends with a
convolution of one step padded by three, and has no bias in its output.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body

SLOPE = 0.3
STRIDE = 12
# Widths of the seven blocks in Table 1; the code of 2019 has others (`mmasc.networks.registry`)
WIDTHS = (128,) * 7


class ResidualBlock(nn.Module):
    """Two convolutions of three steps with batch norm, a shortcut, and the maximum of three steps.

    Args:
        n_in: Filters in.
        n_out: Filters out; where they differ the shortcut is a convolution as well.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, 3, padding=1)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm1d(n_out)
        if n_in != n_out:
            self.conv_downsample = nn.Conv1d(n_in, n_out, 3, padding=1)

    def forward(self, steps: Float[Tensor, "batch n_in step"]) -> Float[Tensor, "batch n_out third"]:
        """A third of the steps; one or two at the end are dropped."""
        inner = self.bn2(self.conv2(F.leaky_relu(self.bn1(self.conv1(steps)), SLOPE)))
        shortcut = self.conv_downsample(steps) if "conv_downsample" in self._modules else steps
        return F.max_pool1d(F.leaky_relu(inner + shortcut, SLOPE), 3)


class RawWave(Body):
    """The raw-waveform network.

    Args:
        n_classes: Logits.
        widths: Filters of the residual blocks.
        code: Numbers of the layer before last; it has no activation.
        last_convolution: Whether the convolution of one step, padded by three, follows the blocks.
        output_bias: Whether the last layer has a bias.
        n_channels: Audio channels.
    """

    head = "fc2"

    def __init__(
        self,
        n_classes: int,
        widths: Sequence[int] = WIDTHS,
        code: int = 64,
        last_convolution: bool = False,
        output_bias: bool = True,
        n_channels: int = 2,
    ) -> None:
        super().__init__()
        if not widths or min(*widths, code) < 1:
            raise ValueError(f"widths and code must be at least 1, got {list(widths)} and {code}")
        first = 128
        self.n_blocks, self.minimum_frames = len(widths), STRIDE * 3 ** len(widths)
        self.first_conv = nn.Conv1d(n_channels, first, STRIDE, stride=STRIDE)
        self.first_bn = nn.BatchNorm1d(first)
        for number, (n_in, n_out) in enumerate(zip((first, *widths), widths, strict=False)):
            self.add_module(f"block{number}", ResidualBlock(n_in, n_out))
        if last_convolution:
            self.last_conv = nn.Conv1d(widths[-1], widths[-1], 1, padding=3)
            self.last_bn = nn.BatchNorm1d(widths[-1])
        self.fc1 = nn.Linear(2 * widths[-1], code)
        self.fc2 = nn.Linear(code, n_classes, bias=output_bias)

    @property
    def n_filters(self) -> int:
        """Filters of the last map."""
        return self.fc1.in_features // 2

    def feature_map(self, features: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch filter step"]:
        """What the blocks make of the samples, 128 filters.

        Raises:
            ValueError: If there are too few samples for a step.
        """
        if features.shape[-1] < self.minimum_frames:
            raise ValueError(f"at least {self.minimum_frames} samples are needed, got {features.shape[-1]}")
        steps = F.leaky_relu(self.first_bn(self.first_conv(features)), SLOPE)
        for number in range(self.n_blocks):
            steps = self.get_submodule(f"block{number}")(steps)
        if "last_conv" in self._modules:
            steps = F.leaky_relu(self.last_bn(self.last_conv(steps)), SLOPE)
        return steps

    def from_map(self, map: Float[Tensor, "batch filter step"]) -> Float[Tensor, "batch dim"]:
        """The code: mean and maximum over time, joined, through a linear layer."""
        return self.fc1(torch.cat([map.mean(2), map.amax(2)], dim=1))

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Everything: a state dict says it all."""
        blocks = [name for name in state if name.startswith("block") and name.endswith(".conv1.weight")]
        return {
            "n_classes": len(state["fc2.weight"]),
            "widths": [len(state[f"block{number}.conv1.weight"]) for number in range(len(blocks))],
            "code": len(state["fc1.weight"]),
            "last_convolution": "last_conv.weight" in state,
            "output_bias": "fc2.bias" in state,
            "n_channels": state["first_conv.weight"].shape[1],
        }
