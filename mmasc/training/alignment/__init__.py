"""Audio networks trained towards texts, and towards the vectors of teachers: `train_alignment` (`mmasc train align`).

train.py is the entry, config.py the options; stage.py is the run without teachers (mel_cache.py, augment.py),
taught.py the one with teachers (teaching.py prepares it: crops.py, prepared.py, teachers.py); the loop is
`mmasc.training.stage`. losses.py: what is minimised; audioclip_loss.py: AudioCLIP's loss as a function, for training
loops of your own; validation.py.
"""

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
