"""Vectors of the bundled prompts: text-like queries, on which an index of a space measures its recall."""

import numpy as np

from mmasc.encoders.base import Encoder
from mmasc.prompts.prompts import bundled_prompts, load_prompts

_TEXT_PROBES = 50  # about; spread over the bundled prompts


def text_probes(encoder: Encoder) -> np.ndarray | None:
    """Vectors `[item dim]` of an encoder; None if it understands no texts."""
    if not encoder.supports("text"):
        return None
    phrases = [
        phrase for name in bundled_prompts() for texts in load_prompts(name).expand().values() for phrase in texts
    ]
    spread = sorted(set(phrases))
    # A text tower takes up to 0.1 s for a text
    return encoder.embed_text(spread[:: max(1, len(spread) // _TEXT_PROBES)])
