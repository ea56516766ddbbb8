"""The vector that a space's encoder gives to digital silence, by which silent windows are recognised."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from mmasc.errors import MmascError
from mmasc.storage.arrays import read_array
from mmasc.storage.files import replacing

SILENCE = "silence.npy"
# Of the largest number: above what the order of a sum changes, far below what any sound does
_EQUAL = 1e-5


def write_silence(folder: Path, vector: Float[np.ndarray, " dim"]) -> None:
    """Keep the vector of a silent window in a space's folder."""
    with replacing(folder / SILENCE) as beside, open(beside, "wb") as file:
        np.save(file, vector.astype(np.float32), allow_pickle=False)


def read_silence(folder: Path, dim: int) -> Float[np.ndarray, " dim"] | None:
    """The vector of a silent window; None in spaces that have none yet (of version 0.1.0).

    Raises:
        MmascError: If the file is damaged.
    """
    path = folder / SILENCE
    try:
        vector = read_array(path)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise MmascError(f"{error}; delete it") from error
    if vector.shape != (dim,) or not np.isfinite(vector).all():
        raise MmascError(f"{path} does not hold a vector of {dim} numbers; delete it")
    return vector


def is_silence(
    vectors: Float[np.ndarray, "item dim"], silence: Float[np.ndarray, " dim"] | None
) -> Bool[np.ndarray, " item"]:
    """Which vectors are that of a silent window."""
    if silence is None:
        return np.zeros(len(vectors), bool)
    return np.abs(vectors - silence).max(axis=1) <= _EQUAL * max(float(np.abs(silence).max()), 1e-30)
