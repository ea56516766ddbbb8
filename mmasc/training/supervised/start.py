"""Where a training begins: the network with fresh weights, with those of a file, or with a fresh last layer on them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmasc.datasets.dataset import Dataset
from mmasc.errors import MmascError
from mmasc.networks.building import building_asked
from mmasc.networks.load import load_network
from mmasc.networks.network import Network
from mmasc.networks.registry import NETWORKS, network_class
from mmasc.storage.tensors import best_weights
from mmasc.training.supervised.kept_tags import ClipTags
from mmasc.training.supervised.tags import check_vocabulary


def starting_network(
    name: str,
    table: Dataset,
    features: str | None,
    weights: str | Path | None,
    new_head: bool,
    arguments: Mapping[str, Any],
    seed: int,
    tags: ClipTags | None,
) -> tuple[Callable[[], Network], Network]:
    """How to make the network that every fold begins from, and one of them.

    Args:
        name: In the registry.
        table: The data set: its labels are the classes.
        features: Another front end than the network's own; None for that.
        weights: File or run to begin from; None for fresh weights.
        new_head: Whether the last layer is fresh on top of `weights`.
        arguments: Arguments of the network's definition.
        seed: Random seed of fresh weights.
        tags: Tags of the clips, for a network that reads them.
    Raises:
        MmascError: If the network, its arguments or the weights do not fit the data or each other.
    """
    if name not in NETWORKS:
        raise MmascError(f"unknown network {name!r}; there are: {', '.join(sorted(NETWORKS))}")
    if weights is None:
        if new_head:
            raise MmascError(
                "a new head needs weights for the layers below it: give --weights FILE, or leave out --new-head"
            )

        def fresh() -> Network:
            return _fresh(name, table, features, seed, arguments)

        return fresh, fresh()
    source = load_network(f"{name}:{weights}")
    check_vocabulary(source, tags, str(weights))
    if features is not None and features != source.features:
        raise MmascError(f"{weights} was trained on features {source.features!r}: leave out --features {features}")
    if not new_head:
        unknown = [label for label in table.classes if label not in source.classes]
        if unknown:
            known = ", ".join(source.classes[:12]) or "not said in the file"
            raise MmascError(
                f"{weights} does not know {', '.join(unknown[:5])}; its classes are {known}: say --new-head to learn a "
                "last layer for these"
            )
        return (lambda: load_network(f"{name}:{weights}")), source

    def headed() -> Network:
        made = _fresh(name, table, source.features, seed, arguments)
        own = made.body.state_dict()
        kept = {
            key: value
            for key, value in source.body.state_dict().items()
            if not key.startswith(f"{made.body.head}.") and key in own and own[key].shape == value.shape
        }
        lacking = [key for key in own if key not in kept and not key.startswith(f"{made.body.head}.")]
        if lacking:
            raise MmascError(
                f"{weights} does not fit {name} with these arguments: {len(lacking)} weights differ ({lacking[0]} ...)"
            )
        made.body.load_state_dict(kept, strict=False)
        return made

    return headed, headed()


def _fresh(name: str, table: Dataset, features: str | None, seed: int, arguments: Mapping[str, Any]) -> Network:
    """A network with fresh weights for the classes of the data."""
    with building_asked(f"{name} cannot be made with these features and arguments", dict(arguments)):
        return load_network(name, classes=table.classes, features=features, seed=seed, arguments=dict(arguments))


def digest_of_weights(weights: str | Path | None) -> str:
    """Of the bytes of the file that a training begins from; empty where it begins from fresh weights."""
    if weights is None:
        return ""
    path = best_weights(Path(weights)) or Path(weights)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.is_file() else ""


def with_noisy_head(network: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network that learns noisy labels by a head of their own.

    Raises:
        MmascError: If the network has no such head.
    """
    if network in NETWORKS and not hasattr(network_class(NETWORKS[network]), "both"):
        raise MmascError(f"{network} has no head for noisy labels: leave out noisy, or train tagging")
    return {**arguments, "noisy_head": True}
