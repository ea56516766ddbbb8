"""Arrays of a Keras weight file (HDF5), read as data: no code of the file runs, and it cannot reach for others."""

from pathlib import Path
from typing import Any

import numpy as np

from mmasc.errors import MmascError

# A file of weights holds less; a damaged header may claim anything
_MOST_NUMBERS = 1 << 30


def read_keras(path: Path) -> dict[str, np.ndarray]:
    """Every array of the file under its full name in it, as float32 or whole numbers.

    Raises:
        MmascError: If h5py is not installed, or the file is missing, damaged, or refers to other files.
    """
    try:
        import h5py
    except ImportError as error:
        raise MmascError(f"{path.name} is a Keras file, which needs h5py: pip install 'mmasc[keras]'") from error
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            for name in _names(file, h5py):
                arrays[name] = _array(file[name])
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:100]
        raise MmascError(f"{path} cannot be read as a Keras file ({reason}); get the file again") from error
    return arrays


def _names(group: Any, h5py: Any, before: str = "") -> list[str]:
    """Full names of the datasets below a group. Links to other places are not followed."""
    names = []
    for key in group:
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{before}{key} is a link to another place")
        # A link to a group above it would never end
        if before.count("/") > 32:
            raise ValueError("groups lie too deep")
        one = group[key]
        names += _names(one, h5py, f"{before}{key}/") if isinstance(one, h5py.Group) else [f"{before}{key}"]
    return names


def _array(stored: Any) -> np.ndarray:
    if stored.external or stored.is_virtual:
        raise ValueError(f"{stored.name} lies in another file")
    if stored.dtype.kind not in "fiu" or stored.size > _MOST_NUMBERS:
        raise ValueError(f"{stored.name} does not hold numbers")
    values = stored[()]
    return np.asarray(values, np.float32) if stored.dtype.kind == "f" else np.asarray(values)
