"""Networks for use: batch norms merged into the layers before them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body
from mmasc.networks.folding import merge_batch_norms
from mmasc.networks.network import Network


def example_waveforms(network: Network, seconds: float | None = None, seed: int = 0) -> Float[Tensor, "1 channel time"]:
    """Noise as a network reads it: what it is tried on where no recording is at hand.

    Args:
        network: Its rate, channels and least length are kept.
        seconds: Default: what the network was made for.
        seed: Random seed of the noise.
    Raises:
        ValueError: If the network cannot take so short a recording; the least length is named.
    """
    n_samples = round((network.spec.seconds if seconds is None else seconds) * network.sample_rate)
    if n_samples < network.minimum_samples:
        least = network.minimum_samples / network.sample_rate
        raise ValueError(f"{network.spec.name} takes at least {least:.3f} s, got {n_samples / network.sample_rate:.3f}")
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(1, network.spec.channels, n_samples, generator=generator)


def body_inputs(
    network: Network, waveforms: Float[Tensor, "1 channel time"], seed: int = 0
) -> tuple[Float[Tensor, "1 ..."], ...]:
    """What the body of a network reads: the features of waveforms, and tags drawn by `seed` where it reads tags."""
    with torch.no_grad():
        features = network.front_end(waveforms)
    if not network.body.n_tags:
        return (features,)
    return features, torch.rand(1, network.body.n_tags, generator=torch.Generator().manual_seed(seed))


def merged_body(body: Body, inputs: tuple[Float[Tensor, "1 ..."], ...]) -> nn.Module:
    """A copy of a body without batch norms, equal to it in evaluation mode except for rounding.

    A body that knows how to merge itself (a method `merge`) does so first; what is left is found by running it.

    Args:
        body: Body in evaluation mode, on the CPU; stays as it is.
        inputs: What it reads, see `body_inputs`.
    """
    merge = getattr(type(body), "merge", None)
    own = body if merge is None else merge(body)
    return merge_batch_norms(own, lambda module: module(*inputs))[0]
