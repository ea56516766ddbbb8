"""Every supervised network as an encoder: its layer before last is the vector."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.features.registry import front_end_constants
from mmasc.networks.body import Body
from mmasc.networks.load import load_network
from mmasc.networks.network import Network
from mmasc.networks.registry import NETWORKS
from mmasc.weights.store import find


class NetworkEncoder(Encoder):
    """A network of a file or a run, without its last layer; its space is that of its weights and front end.

    A network that reads two channels hears the window on both.

    Attributes:
        base: Name of the network, where the encoder's own is another.
    """

    base: str = ""

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        name = self.base or spec.name
        self.network = load_network(
            f"{name}:{weights_of(name, path)}", features=spec.features or None, device=str(self.device)
        ).requires_grad_(False)
        if self.network.body.n_tags:
            raise MmascError(
                f"{spec.name} reads tags in addition to the sound, so it is not an encoder; take a network "
                "without -tags"
            )
        rate = self.network.sample_rate
        shortest = shortest_seconds(self.network)
        self.spec = replace(spec, sample_rate=rate, minimum_seconds=shortest, dim=self.network.body.dim)
        constants = {
            "network": name,
            "features": self.network.features,
            "front_end": front_end_constants(self.network.features),
        }
        self.identity = identity_digest(self.spec, dict(self.network.body.state_dict()), constants)

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters (all of them, frozen here), and all numbers of the state dict."""
        body = self.network.body
        return sum(one.numel() for one in body.parameters()), sum(one.numel() for one in body.state_dict().values())

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self.network.embedding(waveforms[:, None].expand(-1, self.network.spec.channels, -1))


class NetworkLogits(NetworkEncoder):
    """What a network says of each window, in the place of a vector: its logits. Its identity is that of its vectors."""

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        self.vector_dim = self.spec.dim
        self.spec = replace(self.spec, dim=self.network.n_classes)

    def logits_of(self, vectors: Float[np.ndarray, "batch dim"]) -> Float[np.ndarray, "batch class"]:
        """Logits from vectors of the layer before last, float64.

        Raises:
            MmascError: If the network does not make them of that layer alone.
        """
        body = self.network.body
        if type(body).forward is not Body.forward:
            raise MmascError(f"{self.spec.name} does not answer from its stored vectors alone; give it the recordings")
        if vectors.shape[1] != self.vector_dim:
            raise ValueError(f"vectors must have {self.vector_dim} numbers, got {vectors.shape[1]}")
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return (
                body.classify(torch.from_numpy(np.asarray(vectors, np.float32)).to(self.device)).cpu().double().numpy()
            )

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self.network(waveforms[:, None].expand(-1, self.network.spec.channels, -1))


def weights_of(name: str, path: str | None) -> Path:
    """Weights of a network: those given, else the published ones.

    Args:
        name: Name of the network in its registry.
        path: A file or a run; None or "" for the published weights.
    Raises:
        MmascError: If there are no published weights, or they have not been fetched.
    """
    if path:
        return Path(path)
    known = NETWORKS[name].weights
    if not known:
        raise MmascError(
            f"{name} is a network without weights of its own; name a file or a run: {name}:PATH (mmasc train makes one)"
        )
    return find(known)


def shortest_seconds(network: Network) -> float:
    """The shortest window of a network, rounded up to the millisecond: rounding to samples never falls below it."""
    return -(-network.minimum_samples * 1000 // network.sample_rate) / 1000
