"""Cosines of sounds and labels, whose true labels are known."""

import numpy as np

LABELS = ["a", "b", "c", "d"]


def cosines_of(n_items: int = 120, seed: int = 0, signal: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Cosines around 0.2, higher by `signal` at the true label, and the true columns, all equally frequent."""
    codes = np.arange(n_items) % len(LABELS)
    cosines = 0.2 + 0.05 * np.random.default_rng(seed).normal(size=(n_items, len(LABELS)))
    cosines[np.arange(n_items), codes] += signal
    return cosines, codes
