"""`mini`: the bundled encoder of everyday sounds and English words, small enough for one CPU core.

A convolutional network of half a million parameters (mini_network.py) next to a static table of token vectors
(mini_text.py). What it heard, what it reaches and what it cannot do stands in weights/mini_card.md.

Papers: Kong et al. 2020, "PANNs" (the kind of network); Wu et al. 2023, "Large-scale contrastive language-audio
pretraining" (the kind of space); Jacob et al. 2018, arXiv:1712.05877, section 3.2 (folding batch norm).
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from torch import Tensor, nn

from mmasc.encoders.base import Encoder, identity_digest
from mmasc.encoders.mini_text import TextSide, TextTable, load_text_side
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.features import MINI, LogMel
from mmasc.networks.building import building
from mmasc.networks.mini_network import ConvBlock, MiniConfig, MiniNetwork
from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import best_weights, load_tensors

# spec name -> file in the package
_BUNDLED = {"mini": "mini.safetensors", "mini-features": "mini.safetensors", "mini-strict": "mini_strict.safetensors"}
# Below -120 dB of full scale a waveform is silence, not a quiet recording.
_PEAK_FLOOR = 1e-6


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
        self._file = _weights_file(spec, path)
        tensors, self._about = load_tensors(self._file)
        _check_record(self._about, self._file)
        network = _build_network(tensors, self._about, self._file)
        self._parameters = sum(parameter.numel() for parameter in network.parameters())
        self._text_mean = _tensor(tensors, "text_mean", self._file)
        self._text_side = _text_side(tensors, self._about, self._file)
        self._state = {name: tensor for name, tensor in tensors.items() if name.startswith(("network.", "text"))}
        self.front_end = LogMel(MINI).to(self.device).eval()
        self.network = fold_batch_norm(network).to(self.device).to(memory_format=torch.channels_last).eval()
        self._vectors: Callable[[Tensor], tuple[Tensor, Tensor]] = self.network.vectors
        self._check_dim(self._output_dim())
        self.identity = identity_digest(spec, self._shaping_state(), self._constants())

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters (of the network), and all numbers of the weights, the text table included."""
        return self._parameters, sum(tensor.numel() for tensor in self._state.values()) + self._table_numbers()

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self._both(waveforms)[0]

    def _both(
        self, waveforms: Float[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch dim"]]:
        # Relative to the peak: no recording is too loud or too quiet for float32, and level is invisible exactly.
        peak = waveforms.abs().amax(1, keepdim=True).clamp_min(_PEAK_FLOOR)
        return self._vectors(self.network.levelled(self.front_end.mel(waveforms / peak)))

    def _run_by_onnx(self, identity: str) -> None:
        from mmasc.networks.onnx import OnnxPart

        example = torch.zeros(1, self.network.config.n_mels, 250)
        self._vectors = OnnxPart(self.network, "vectors", example, identity, dynamic={2: "frame"})

    def _output_dim(self) -> int:
        return self.network.config.n_features

    def _check_dim(self, dim: int) -> None:
        if dim != self.spec.dim:
            raise MmascError(
                f"{self._file} gives vectors of {dim} numbers, {self.spec.name} has {self.spec.dim}; "
                "train against a text side of that size"
            )

    def _constants(self) -> dict[str, Any]:
        return {
            "front_end": asdict(MINI),
            "network": asdict(self.network.config),
            "peak_floor": _PEAK_FLOOR,
            "output": self.output,
        }

    def _shaping_state(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self._state.items() if name.startswith("network.")}

    def _table_numbers(self) -> int:
        table = self._text_side.table
        # A table inside the weights file is counted with it.
        return 0 if table is None or "text.table" in self._state else table.table.size + table.scale.size


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
        self.logit_scale = float(self._about["logit_scale"])

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self._both(waveforms)[1]

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        centred = self._text_side(texts) - self._text_mean.numpy()
        return centred / np.linalg.norm(centred, axis=1, keepdims=True)

    def _output_dim(self) -> int:
        return self.network.config.dim

    def _constants(self) -> dict[str, Any]:
        table = self._text_side.table
        text = self._text_side.name if table is None else f"table-{table.digest()}"
        return super()._constants() | {"text": text, "logit_scale": self._about["logit_scale"]}

    def _shaping_state(self) -> dict[str, Tensor]:
        return super()._shaping_state() | {"text_mean": self._text_mean}


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

    def forward(self, x: Float[Tensor, "batch c_in frame mel"]) -> Float[Tensor, "batch c_out frame_out mel_out"]:
        """The convolution; one window or many go through the same routine."""
        exported = torch.compiler.is_compiling()
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available() and not exported:
            # F.conv2d sends a single small window to a routine that takes twice the time.
            return torch.mkldnn_convolution(x, self.weight, self.bias, self.padding, self.stride, [1, 1], 1)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def fold_batch_norm(network: MiniNetwork) -> MiniNetwork:
    """A copy in which every batch norm is part of the convolution before it; the one over bands stays."""
    folded = deepcopy(network)
    folded.conv0, folded.bn_conv0 = FoldedConv(network.conv0, network.bn_conv0), nn.Identity()  # type: ignore[assignment]
    for block in folded.blocks:
        assert isinstance(block, ConvBlock)
        block.conv1, block.bn1 = FoldedConv(block.conv1, block.bn1), nn.Identity()  # type: ignore[assignment]
        block.conv2, block.bn2 = FoldedConv(block.conv2, block.bn2), nn.Identity()  # type: ignore[assignment]
    return folded.eval().requires_grad_(False)


def _weights_file(spec: EncoderSpec, path: str | None) -> Path:
    if path is None:
        return Path(str(files("mmasc.encoders") / "weights" / _BUNDLED[spec.name]))
    given = Path(path)
    if not given.is_dir():
        return given
    found = best_weights(given)
    if found is None:
        raise MmascError(
            f"{given} holds neither best.safetensors nor last.safetensors; is it a run of mmasc train align?"
        )
    return found


def _tensor(tensors: dict[str, Tensor], name: str, file: Path) -> Tensor:
    if name not in tensors:
        raise MmascError(f"{file} lacks {name}; it is not an encoder of mmasc train align")
    return tensors[name].float()


def _check_record(about: dict[str, Any], file: Path) -> None:
    if about.get("kind") != "mmasc-mini":
        raise MmascError(f"{file} is not an encoder of mmasc train align; name its run folder or its best.safetensors")
    scale, vocabulary = about.get("logit_scale"), about.get("vocabulary", [])
    scaled = type(scale) in (int, float) and math.isfinite(scale)  # type: ignore[arg-type]
    worded = isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    if not scaled or not worded or not isinstance(about.get("text"), str) or not isinstance(about.get("network"), dict):
        raise MmascError(f"{file} is damaged: its record lacks network, text or logit_scale; train or copy it again")


def _build_network(tensors: dict[str, Tensor], about: dict[str, Any], file: Path) -> MiniNetwork:
    config = usable_config(MiniConfig, about["network"], str(file))
    with building(file, "network of mini", asdict(config)):
        network = MiniNetwork(config)
    state = {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
    try:
        # float16 in the file, float32 at work
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise MmascError(f"{file} does not fit the network that it names, train or copy it again: {detail}") from error
    return network.eval()


def _text_side(tensors: dict[str, Tensor], about: dict[str, Any], file: Path) -> TextSide:
    if "vocabulary" not in about:
        try:
            return load_text_side(about["text"])
        except MmascError as error:
            raise MmascError(f"the text side that {file} names cannot be loaded: {error}") from error
    try:
        scale = _tensor(tensors, "text.scale", file)
        table = TextTable(about["vocabulary"], tensors["text.table"].numpy(), scale.numpy())
    except (KeyError, ValueError, SafetensorError) as error:
        raise MmascError(f"{file} holds a damaged text table ({error}); train or copy it again") from error
    return TextSide(about["text"], table, table)
