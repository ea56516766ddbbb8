"""Vectors of texts that an encoder was asked before: class labels come again and again, and a text tower is slow."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

_TEXTS_KEPT = 10_000  # 40 MB of 1024 numbers each


class TextMemory:
    """Texts to vectors, each computed once as long as there is room.

    Belongs to one encoder, so that its vectors are of one identity.

    Args:
        compute: Vectors of texts, none of them twice.
        dim: Numbers of a vector.
    """

    def __init__(self, compute: Callable[[list[str]], Float32[np.ndarray, "text dim"]], dim: int) -> None:
        self._compute, self._dim = compute, dim
        self._vectors: dict[str, Float32[np.ndarray, " dim"]] = {}

    def __call__(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        """Vectors in the order of the texts."""
        known = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= dict(zip(new, self._compute(new), strict=True))
            if len(self._vectors) < _TEXTS_KEPT:
                self._vectors |= {text: known[text] for text in new}
        return np.array([known[text] for text in texts], np.float32).reshape(len(texts), self._dim)
