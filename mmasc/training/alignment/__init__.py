"""Audio networks trained towards texts: `train_alignment`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.training.alignment.train import train_alignment

__all__ = ["train_alignment"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "train_alignment": "mmasc.training.alignment.train",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
