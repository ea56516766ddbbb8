"""Supervised networks: features → logits; a registry, weights from files, export."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS, network_class

__all__ = ["NETWORKS", "load_network", "network_class"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "NETWORKS": "mmasc.networks.registry",
    "network_class": "mmasc.networks.registry",
    "load_network": "mmasc.networks.load",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
