"""Supervised networks trained on labelled data, fold by fold: `train_network`.

train.py goes through folds; run.py is one fold's run (the loop itself is `mmasc.training.stage`); config.py has every
option, recipes.py named sets of them. Data: data.py, hearing.py, crops.py, fragments.py, batches.py, augment.py;
targets: losses.py, batch_loss.py, teacher.py, tags.py with tag_sources.py; testing: scoring.py, results.py.
"""

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
