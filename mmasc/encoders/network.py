"""Every supervised network as an encoder: its layer before last is the vector."""

from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.base import Encoder, identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.features.registry import front_end_constants
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
        self.network = load_network(f"{name}:{weights_of(name, path)}", device=str(self.device)).requires_grad_(False)
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
