"""Recordings as their own background: what stands out from the rest of a recording, for prompts and heads alike."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.background import standing_out
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED
from mmasc.printing import counted

OWN = "own"  # what options say for it
_ALWAYS_OUT = 1e6


class OwnBackground:
    """How far values stand out in their recordings; of recordings with few windows it is not known.

    Args:
        stands_out: How many deviations above what is usual in its recording a label must lie.
    """

    def __init__(self, stands_out: float) -> None:
        self.stands_out, self.short = stands_out, 0

    def measure(
        self, values: Float[np.ndarray, "window class"], bounds: Int[np.ndarray, " edge"]
    ) -> Float[np.ndarray, "window class"]:
        """Deviations above what is usual (see `standing_out`), of windows recording by recording.

        Args:
            values: What is compared, higher where a label is more likely.
            bounds: Where the windows of a recording begin, and where the last ones end.
        """
        found = np.full(values.shape, _ALWAYS_OUT)
        for first, last in pairwise(bounds.tolist()):
            if last - first >= MINIMUM_UNLABELLED:
                found[first:last] = standing_out(values[first:last], values[first:last])
            else:
                self.short += last > first
        return found

    @property
    def remarks(self) -> list[str]:
        """How many recordings could not be their own background."""
        if not self.short:
            return []
        some = counted(self.short, "recording has", "recordings have")
        few = f"fewer than {MINIMUM_UNLABELLED} windows to be its own background"
        return [f"{some} {few}: nothing had to stand out there"]
