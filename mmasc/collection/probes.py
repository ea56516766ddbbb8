"""Text vectors of a space, kept next to its windows: an index measures its recall with them."""

from pathlib import Path

import numpy as np

from mmasc.errors import MmascError
from mmasc.storage.arrays import read_array
from mmasc.storage.files import replacing

PROBES = "probes.npy"


def write_probes(folder: Path, probes: np.ndarray) -> None:
    """Keep text vectors `[item dim]` in a space's folder."""
    with replacing(folder / PROBES) as beside, open(beside, "wb") as file:
        np.save(file, probes.astype(np.float32), allow_pickle=False)


def read_probes(folder: Path, dim: int) -> np.ndarray | None:
    """The text vectors `[item dim]` of a space's folder; None where it has none.

    Raises:
        MmascError: If the file is damaged.
    """
    path = folder / PROBES
    try:
        probes = read_array(path)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise MmascError(f"{error}; delete it") from error
    if probes.ndim != 2 or probes.shape[1] != dim or not np.isfinite(probes).all():
        raise MmascError(f"{path} does not hold vectors of {dim} numbers; delete it")
    return probes
