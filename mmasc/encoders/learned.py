"""The recordings that the bundled encoders learned from, recognised by their vectors.

`weights/mini_learned.safetensors` and `base_learned.safetensors` keep, for every bundled encoder, 64 numbers of every
labelled recording that it learned from (made by the `list_learned.py` of examples/make_mini and make_base): the mean of
the recording's windows along the directions in which these means differ most. Nothing of a sound can be had back from
them.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float
from safetensors.numpy import load

from mmasc.errors import MmascError

BUNDLED = ("mini", "mini-features", "mini-strict", "base", "base-features", "base-strict")
# Cosine of two vectors from which on they are of one recording. Conversions to WAV, MP3 or a higher rate stay above it,
# Ogg Vorbis nearly always, rates below 32 kHz often not; list_learned.py counts the others that reach it
SAME_COSINE = 0.996


def same_recordings(encoder: str, vectors: Float[np.ndarray, "item dim"]) -> Bool[np.ndarray, " item"]:
    """Which recordings a bundled encoder learned from.

    Args:
        encoder: Name of the encoder that made the vectors, with its own weights and window.
        vectors: Means of the windows of whole recordings, any length.
    Returns:
        All false for encoders that are not bundled.
    """
    if encoder not in BUNDLED:
        return np.zeros(len(vectors), bool)
    directions, known = _known(encoder)
    if vectors.shape[1] != len(directions):
        return np.zeros(len(vectors), bool)
    inside = np.asarray(vectors, np.float64) @ directions
    norms = np.linalg.norm(inside, axis=1, keepdims=True)
    cosines = np.divide(inside, norms, out=np.zeros_like(inside), where=norms > 0) @ known.T
    same: np.ndarray = cosines.max(axis=1) >= SAME_COSINE
    return same


def pack(vectors: Float[np.ndarray, "item dim"], n_directions: int = 64) -> dict[str, np.ndarray]:
    """What the file keeps of recordings' vectors: int8 numbers and the directions that they lie along.

    Args:
        vectors: Means of the windows of whole recordings, any length.
        n_directions: Numbers that are kept of each.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    _, _, rows = np.linalg.svd(unit, full_matrices=False)
    directions = rows[:n_directions].T
    scale = np.abs(directions).max() / 127
    # safetensors writes the bytes as they lie in memory
    rounded = np.ascontiguousarray(np.round(directions / scale).astype(np.int8))
    inside = unit @ rounded.astype(np.float64)
    inside /= np.abs(inside).max(axis=1, keepdims=True)
    return {"directions": rounded, "recordings": np.round(inside * 127).astype(np.int8)}


@cache
def _known(encoder: str) -> tuple[np.ndarray, np.ndarray]:
    """Directions `[dim 64]`, and unit vectors `[recording 64]` along them."""
    path = files("mmasc.encoders") / "weights" / f"{encoder.partition('-')[0]}_learned.safetensors"
    try:
        stored = load(path.read_bytes())
        directions = stored[f"{encoder}.directions"].astype(np.float64)
        known = stored[f"{encoder}.recordings"].astype(np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise MmascError(f"cannot read {path} ({error}); install mmasc again") from error
    return directions, known / np.linalg.norm(known, axis=1, keepdims=True)
