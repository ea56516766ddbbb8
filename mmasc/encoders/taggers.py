"""What `names:TAGGER` needs of a tagger: a network of mmasc, or an ONNX file with names of classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.adapters.onnx_models import OnnxLogits
from mmasc.encoders.network import shortest_seconds, weights_of
from mmasc.features.registry import front_end_constants
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS

_ONNX = "onnx"


class NetworkTagger:
    """A network of mmasc as a tagger: sounds to a logit for each class.

    Args:
        name, file: As `split_tagger` gives them.
        device: Where it runs.
        features: Front end of a file of `tagging` that does not say its own; None for the network's.
    Attributes:
        weights: Its file or run: what is usual for it is kept next to it.
        classes: Names of the classes.
        sample_rate: Rate in Hz.
        shortest_seconds: Shortest window.
        fixed_seconds: The only window that it takes; None for any.
    """

    def __init__(self, name: str, file: str, device: torch.device, features: str | None = None) -> None:
        self.weights = weights_of(name, file)
        given = f"{name}:{self.weights}"
        self.network = load_network(given, features=features, device=str(device)).requires_grad_(False)
        self.classes: Sequence[str] = self.network.classes
        self.sample_rate = self.network.sample_rate
        self.shortest_seconds = shortest_seconds(self.network)
        self.fixed_seconds: float | None = None

    def logits(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch class"]:
        """A logit for each class of each window."""
        return self.network(waveforms[:, None].expand(-1, self.network.spec.channels, -1))

    def state(self) -> Mapping[str, Tensor]:
        """Its weights by name."""
        return dict(self.network.body.state_dict())

    def constants(self) -> dict[str, Any]:
        """What else shapes its logits, JSON types only."""
        features = self.network.features
        return {"features": features, "front_end": front_end_constants(features)}

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters, and all numbers of its state dict."""
        return self.network.parameter_counts()


class OnnxTagger:
    """An ONNX file as a tagger; attributes and methods as of `NetworkTagger`.

    Args:
        file: The ONNX file.
    """

    def __init__(self, file: str) -> None:
        self.weights = Path(file).expanduser()
        self.encoder = OnnxLogits(self.weights)
        about = self.encoder.network.about
        self.classes: Sequence[str] = self.encoder.classes
        self.sample_rate = about.sample_rate
        self.shortest_seconds = about.minimum_seconds
        self.fixed_seconds = None if self.encoder.network.fixed_samples is None else about.window_seconds

    def logits(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch class"]:
        """A logit for each class of each window."""
        return self.encoder._audio(waveforms).to(waveforms.device)

    def state(self) -> Mapping[str, Tensor]:
        """Its weights by name."""
        return {}

    def constants(self) -> dict[str, Any]:
        """What else shapes its logits, JSON types only."""
        return {"onnx": self.encoder.identity}

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters, and all numbers of its state dict."""
        return self.encoder.parameter_counts()


def load_tagger(tagger: str, device: torch.device, features: str | None = None) -> NetworkTagger | OnnxTagger:
    """A tagger by its name.

    Args:
        tagger: "yamnet", "cnn14:FILE", a run of `mmasc train tagging`, or "onnx:FILE".
        device: Where a network runs.
        features: Front end that a file of `tagging` was read with before files said it; None for that of now.
    Raises:
        MmascError: If it cannot be loaded.
    """
    name, file = split_tagger(tagger)
    if name == _ONNX:
        return OnnxTagger(file)
    return NetworkTagger(name, file, device, features if name == "tagging" else None)


def split_tagger(given: str) -> tuple[str, str]:
    """Name of the network, and its file or run ("" for published weights); a bare path is a run of a tagger."""
    base, _, path = given.partition(":")
    return (base, path) if base in NETWORKS or base == _ONNX else ("tagging", given)
