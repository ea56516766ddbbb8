"""The registry of supervised networks: names to specs, and `load_network`. Listing loads nothing.

A new network is one class and one line here. A name with a path, "sp4sc:FILE", takes weights of a file or of a run.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.baselines.spec import NetworkSpec
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError

if TYPE_CHECKING:
    from mmasc.baselines.network import Network

# The ten scenes of TAU Urban Acoustic Scenes, in the order of official checkpoints
TAU_SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)

NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in list[NetworkSpec]([])}


def load_network(
    name: str,
    n_classes: int | None = None,
    classes: Sequence[str] = (),
    features: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    arguments: dict[str, Any] | None = None,
) -> "Network":
    """A supervised network with its front end, in evaluation mode.

    Args:
        name: A name of the registry for fresh weights; "name:path" for weights of a file (.safetensors, or a released
            .pt / .pth, which is read without running code) or of the folder of a training run.
        n_classes: Outputs of fresh weights; default: what the definition has.
        classes: Their names.
        features: Another front end than the network's own, by name.
        seed: Of fresh weights.
        device: "cpu", "cuda", "auto" ...
        arguments: Of the definition, by name, where they should differ from the registry's.
    Raises:
        MmascError: If the name is unknown (names are listed), or the weights are missing, damaged, or those of
            another network (what differs is named).
    """
    base, _, path = name.partition(":")
    if base not in NETWORKS:
        raise MmascError(f"unknown network {base!r}; there are: {', '.join(sorted(NETWORKS))}")
    from mmasc.baselines.files import build, read_network

    spec = NETWORKS[base]
    if path:
        return read_network(spec, path, device)
    return build(spec, n_classes, classes, features, seed, device, arguments)


def network_class(spec: NetworkSpec) -> Any:
    """The class of a network's body."""
    module, _, cls = spec.target.partition(":")
    return getattr(import_module(module), cls)


def network_spec(name: str) -> EncoderSpec | None:
    """A network of the registry as the registry of encoders would have it; None where there is none of that name."""
    if name not in NETWORKS:
        return None
    known = NETWORKS[name]
    return EncoderSpec(
        known.name,
        "mmasc.baselines.encoder:NetworkEncoder",
        sample_rate=known.sample_rate,
        window_seconds=known.seconds,
        dim=known.dim,
        padding="minimum",
        licence=known.licence,
        weights="your own",
        description=known.description,
    )
