"""Encoders and networks as one module from waveforms to answers, in operations that ONNX has words for.

Fourier transforms become convolutions with cosines and sines (`LogMelProducts`); the length of a recording is
only asked for inside the graph, so that one file takes recordings of any length.
"""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.encoders.base import Encoder
from mmasc.encoders.classic import Classic
from mmasc.encoders.mini import Mini, MiniFeatures
from mmasc.encoders.mini_weights import PEAK_FLOOR
from mmasc.encoders.names import Names, named
from mmasc.encoders.taggers import NetworkTagger
from mmasc.errors import MmascError
from mmasc.features.classic import FRAME, RANGE_DB
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_products import LogMelProducts
from mmasc.networks.body import Body
from mmasc.networks.folding import replace_module
from mmasc.networks.network import Network


def encoder_graph(encoder: Encoder) -> nn.Module:
    """What turns waveforms `[batch time]` of any length into vectors `[batch dim]`, as this encoder does.

    Args:
        encoder: `base`, `mini` or one of their kind, `classic`, or `names:` of a network; loaded on the CPU.
    Raises:
        MmascError: If the encoder is of another kind, or the tagger of `names:` is an ONNX file itself.
    """
    if isinstance(encoder, MiniFeatures):
        return _MiniGraph(encoder)
    if isinstance(encoder, Classic):
        return _ClassicGraph(encoder)
    if isinstance(encoder, Names):
        return _NamesGraph(encoder)
    faster = type(encoder)._run_by_onnx is not Encoder._run_by_onnx
    raise MmascError(
        f"{encoder.spec.name} cannot be written as ONNX with its front end; base, mini and their kind, classic, names "
        "of networks, and trained networks can" + ("; embed --backend onnx runs it by ONNX Runtime here" * faster)
    )


class NetworkGraph(nn.Module):
    """Waveforms `[batch time]` to vectors `[batch dim]` and logits `[batch class]` of a network.

    Args:
        network: On the CPU; stays as it is. One that reads two channels hears the waveform on both.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = deepcopy(network)
        for module in list(self.network.modules()):
            if isinstance(module, LogMel):
                replace_module(self.network, module, LogMelProducts(module))
        self.from_vector = type(network.body).forward is Body.forward

    def forward(
        self, waveforms: Float[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch class"]]:
        network, body = self.network, self.network.body
        features = network.front_end(waveforms[:, None].expand(-1, network.spec.channels, -1))
        vectors = body.embedding(features)
        return vectors, body.classify(vectors) if self.from_vector else body(features)


class _MiniGraph(nn.Module):
    """What `Mini._audio` does."""

    def __init__(self, encoder: MiniFeatures) -> None:
        super().__init__()
        self.front_end, self.network = LogMelProducts(encoder.front_end), encoder.network
        self.output = int(isinstance(encoder, Mini))

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        peak = waveforms.abs().amax(1, keepdim=True).clamp_min(PEAK_FLOOR)
        power, config = self.front_end.mel(waveforms / peak), self.network.config
        # The number of loudest frames is a number in the graph: `topk` wants it before the length is known
        loudest = power.sum(1).sort(dim=1, descending=True).values
        place = torch.ones_like(loudest, dtype=torch.float64).cumsum(1)
        count = (config.level_share * place[:, -1:]).round().clamp_min(1)
        level = (loudest * (place <= count)).sum(1, keepdim=True) / count.float()
        level = level.clamp_min(config.level_floor)[:, :, None]
        decibels = 10 * torch.log10(config.n_mels * power / level + config.power_floor)
        return self.network.vectors((decibels - config.decibel_mean) / config.decibel_deviation)[self.output]


class _NamesGraph(nn.Module):
    """What `Names._audio` does."""

    names: Tensor

    def __init__(self, encoder: Names) -> None:
        super().__init__()
        if not isinstance(encoder.tagger, NetworkTagger):
            raise MmascError(
                f"the tagger of {encoder.spec.name} is an ONNX file already ({encoder.tagger.weights}), which is not "
                "written into another one; use names:onnx:FILE as it is"
            )
        self.logits, self.usual = NetworkGraph(encoder.tagger.network), encoder.usual
        self.register_buffer("names", encoder._name_vectors)

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return named(self.usual.excess(self.logits(waveforms)[1]), self.names)


class _ClassicGraph(nn.Module):
    """What `Classic._audio` does."""

    typical: Tensor
    spread: Tensor

    def __init__(self, encoder: Classic) -> None:
        super().__init__()
        self.log_mel, self.cosines = LogMelProducts(encoder.features.log_mel), encoder.features.cosines
        self.typical, self.spread = encoder._typical, encoder._spread

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        decibels = self.log_mel(waveforms)
        loudest = decibels.amax((1, 2), keepdim=True)
        cepstra = torch.maximum(decibels, loudest - RANGE_DB).transpose(1, 2) @ self.cosines
        above = (waveforms >= 0).float()
        # A sum over frames of samples that differ from the one before; the first of a frame has none before it
        changes = torch.nn.functional.pad((above[:, 1:] - above[:, :-1]).abs(), (1, 0))[:, None]
        kernel = torch.ones(1, 1, FRAME)
        kernel[..., 0] = 0
        crossings = torch.nn.functional.conv1d(changes, kernel, stride=FRAME).transpose(1, 2) / FRAME
        parts = (cepstra, crossings)
        means = [frames.mean(1) for frames in parts]
        spreads = [((frames - mean[:, None]) ** 2).mean(1).sqrt() for frames, mean in zip(parts, means, strict=True)]
        return (torch.cat([*means, *spreads], 1) - self.typical) / self.spread
