"""`mini`: the bundled encoder of everyday sounds and English words, small enough for one CPU core.

A convolutional network of half a million parameters (mini_network.py) next to a static table of token vectors
(mini_text.py). Its training data, figures and limits are in weights/mini_card.md.

Papers: Kong et al. 2020, "PANNs" (the kind of network); Wu et al. 2023, "Large-scale contrastive language-audio
pretraining" (the kind of space); Jacob et al. 2018, arXiv:1712.05877, section 3.2 (folding batch norm).
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.encoders.base import Encoder
from mmasc.encoders.mini_weights import PEAK_FLOOR, MiniWeights
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.words import KnownWords
from mmasc.errors import MmascError
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import MINI
from mmasc.networks.building import building
from mmasc.networks.mini_network import ConvBlock, MiniNetwork
from mmasc.networks.taught_network import network_of


class MiniFeatures(Encoder):
    """The layer before `mini`'s last: 512 numbers, none negative, for heads and search by sound.

    Attributes:
        output: What the identity calls the layer that gives the vector.

    Args:
        spec: Specification from the registry.
        path: A run of `mmasc train align` (its best weights, else its last) or a weights file; default: the package's.
        device: Device on which the network runs.
    Raises:
        MmascError: If the weights are missing, damaged or of another shape than the spec says.
    """

    output: ClassVar[str] = "MiniFeatures"

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        self._weights = MiniWeights(spec, path)
        network = _build_network(self._weights)
        self._parameters = sum(parameter.numel() for parameter in network.parameters())
        self.front_end = LogMel(MINI).to(self.device).eval()
        self.network = fold_batch_norm(network).to(self.device).to(memory_format=torch.channels_last).eval()
        self._vectors: Callable[[Tensor], tuple[Tensor, Tensor]] = self.network.vectors
        self._weights.check_dim(self._output_dim())
        self.identity = self._weights.identity(self.output)

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters (of the network), and all numbers of the weights, the text table included."""
        return self._parameters, self._weights.numbers()

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self._features_and_vectors(waveforms)[0]

    def _features_and_vectors(
        self, waveforms: Float[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch dim"]]:
        # Relative to the peak: no recording is too loud or too quiet for float32, and level is invisible exactly.
        peak = waveforms.abs().amax(1, keepdim=True).clamp_min(PEAK_FLOOR)
        return self._vectors(self.network.levelled(self.front_end.mel(waveforms / peak)))

    def _run_by_onnx(self, identity: str) -> None:
        from mmasc.networks.onnx import OnnxPart

        example = torch.zeros(1, self.network.config.n_mels, 250)
        self._vectors = OnnxPart(self.network, "vectors", example, identity, dynamic={2: "frame"})

    def _output_dim(self) -> int:
        return self.network.config.n_features


class Mini(MiniFeatures):
    """Sounds and English texts in one space of unit vectors.

    Args:
        spec: Specification from the registry.
        path: A run of `mmasc train align` (its best weights, else its last) or a weights file; default: the package's.
        device: Device on which the network runs.
    Raises:
        MmascError: If the weights are missing, damaged or of another shape than the spec says.
    """

    output = "Mini"

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        self.logit_scale = self._weights.logit_scale

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self._features_and_vectors(waveforms)[1]

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return self._weights.texts(texts)

    @property
    def _words(self) -> KnownWords | None:
        return self._weights.words

    def _output_dim(self) -> int:
        return self.network.config.vector_dim


class FoldedConv(nn.Module):
    """A convolution and the batch norm after it as one convolution.

    Args:
        conv: Without a bias.
        norm: Norm in evaluation mode.
    Source: Jacob et al. 2018, section 3.2, equation (14).
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert conv.bias is None
        assert norm.running_var is not None
        assert norm.running_mean is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = (conv.weight.double() * gain[:, None, None, None]).float()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter((norm.bias.double() - norm.running_mean.double() * gain).float(), requires_grad=False)
        self.stride, self.padding = list(conv.stride), [int(n) for n in conv.padding]
        self._packed = _Packed()

    def forward(self, x: Float[Tensor, "batch c_in frame mel"]) -> Float[Tensor, "batch c_out frame_out mel_out"]:
        """The convolution; one window or many go through the same routine."""
        exported = torch.compiler.is_compiling()
        if x.device.type == "cpu" and _has_mkldnn() and not exported:
            if (weight := self._packed.of(self, x)) is not None:
                return torch.ops.mkldnn._convolution_pointwise(
                    x, weight, self.bias, self.padding, self.stride, [1, 1], 1, "none", [], ""
                )
            # F.conv2d sends a single small window to a routine that takes twice the time.
            return torch.mkldnn_convolution(x, self.weight, self.bias, self.padding, self.stride, [1, 1], 1)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class _Packed:
    """The weights of a convolution as oneDNN lays them out for inputs of one shape: else it does so at every call.

    The routine, and so every bit of the result, is the same. A shape that comes once is not prepared for.
    """

    def __init__(self) -> None:
        self._last: tuple[int, ...] = ()
        self._shape: tuple[int, ...] = ()
        self._weight: Tensor | None = None

    def of(self, conv: FoldedConv, x: Tensor) -> Tensor | None:
        """Laid out for the shape of `x`; None where that shape is new, or has one channel, whose layout is its own."""
        shape = tuple(x.shape)
        if shape[1] == 1 or x.requires_grad:
            return None
        if shape != self._shape:
            if shape != self._last:
                self._last = shape
                return None
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight, conv.padding, conv.stride, [1, 1], 1, list(shape)
            )
            self._shape = shape
        return self._weight

    def __deepcopy__(self, memo: dict) -> "_Packed":
        return _Packed()

    def __reduce__(self) -> tuple:
        return _Packed, ()


@cache
def _has_mkldnn() -> bool:
    return bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def fold_batch_norm(network: MiniNetwork) -> MiniNetwork:
    """A copy in which every batch norm is part of the convolution before it; the one over bands stays."""
    folded = deepcopy(network)
    folded.conv0, folded.bn_conv0 = FoldedConv(network.conv0, network.bn_conv0), nn.Identity()  # type: ignore[assignment]
    for block in folded.blocks:
        assert isinstance(block, ConvBlock)
        block.conv1, block.bn1 = FoldedConv(block.conv1, block.bn1), nn.Identity()  # type: ignore[assignment]
        block.conv2, block.bn2 = FoldedConv(block.conv2, block.bn2), nn.Identity()  # type: ignore[assignment]
    return folded.eval().requires_grad_(False)


def _build_network(weights: MiniWeights) -> MiniNetwork:
    with building(weights.file, "network of mini", asdict(weights.config)):
        network = network_of(weights.config)
    state = {name.removeprefix("network."): torch.from_numpy(one.copy()) for name, one in weights.network.items()}
    try:
        # float16 in the file, float32 at work
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise MmascError(
            f"{weights.file} does not fit the network that it names, train or copy it again: {detail}"
        ) from error
    return network.eval()
