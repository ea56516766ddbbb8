"""Recordings and moments that are unlike what a head or an encoder learned from."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.unlike import can_mark, unlike_heard
from mmasc.heads.fitted import FittedHead

Mark = Callable[[Float[np.ndarray, "item dim"]], Bool[np.ndarray, " item"]]


def mark_of_encoder(encoder: str, spec: EncoderSpec) -> Mark | None:
    """What marks windows that a bundled encoder never heard the like of; None for other encoders and windows.

    Args:
        encoder: As `load_encoder` takes it.
        spec: What it was loaded by; for weights of an earlier version nothing is known.
    """
    if spec.weights != "bundled" or not can_mark(encoder, spec.window_seconds):
        return None
    return lambda vectors: unlike_heard(encoder, vectors)


def mark_of_head(fitted: FittedHead) -> Mark | None:
    """What marks vectors that are unlike all classes of a head; None for heads that do not know."""
    return None if fitted.familiarity is None else fitted.familiarity.unlike


def marked_seconds(
    marked: Bool[np.ndarray, " window"],
    starts: Float[np.ndarray, " window"],
    ends: Float[np.ndarray, " window"],
    bounds: Int[np.ndarray, " edge"],
) -> list[float]:
    """Seconds of each recording that lie in a marked window; overlaps count once.

    Args:
        marked, starts, ends: Of the windows, recording by recording, in any order within one.
        bounds: Where the windows of a recording begin, and where the last ones end.
    """
    totals = []
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        total, reached = 0.0, -np.inf
        own = np.flatnonzero(marked[first:last]) + first
        for place in own[np.argsort(starts[own], kind="stable")].tolist():
            total += max(0.0, float(ends[place]) - max(float(starts[place]), reached))
            reached = max(reached, float(ends[place]))
        totals.append(total)
    return totals
