"""Imagined visual features trained on sounds with pictures: `train_ivf`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.training.ivf.train import train_ivf, train_vqvae

__all__ = ["train_ivf", "train_vqvae"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "train_ivf": "mmasc.training.ivf.train",
    "train_vqvae": "mmasc.training.ivf.train",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
