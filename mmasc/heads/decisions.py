"""Decision values of classes → probabilities."""

import numpy as np
from jaxtyping import Float


def softmax(logits: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """Rows that sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def per_class(decisions: np.ndarray) -> Float[np.ndarray, "item class"]:
    """Decision values of two classes come as one number: the second's; the first has 0."""
    if decisions.ndim == 2:
        return decisions
    return np.stack([np.zeros(len(decisions)), decisions], axis=1)
