"""Unit vectors, three ways side by side: they differ in precision or in the last bit, and each is kept for that."""

import numpy as np
from jaxtyping import Float


def unit_float32(vectors: Float[np.ndarray, "*any dim"]) -> Float[np.ndarray, "*any dim"]:
    """float32 vectors of length 1, as the index keeps and compares them; a zero vector stays zero."""
    vectors = np.asarray(vectors, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # damaged numbers: `collection check` tells of them
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def unit_float64(vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    """float64 vectors of length 1, for cosines of sounds and prompts; a zero vector stays zero."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def unit_as_normalizer(vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    """float64 vectors of length 1, to the last bit as scikit-learn's Normalizer makes them; a zero vector stays zero.

    Trees of heads compare with numbers of the vectors that they were fitted to: there the last bit decides.
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors / np.where(lengths > 0, lengths, 1.0)
