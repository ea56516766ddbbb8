"""Supervised networks trained on labelled data, fold by fold: `train_network`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.training.supervised.train import OptionError, train_network

__all__ = ["OptionError", "train_network"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "OptionError": "mmasc.training.supervised.train",
    "train_network": "mmasc.training.supervised.train",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
