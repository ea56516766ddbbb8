"""Words as marks on the map: where the windows lie that a word finds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.collection.space import SpaceReader
from mmasc.web.state import Session
from mmasc.windows.units import unit_float32

_WINDOWS = (3, 20)  # best ones of a word, least and most
_SHARE = 0.02  # of all windows, in between
_SHOWN = 15  # words


def anchors_of(
    session: Session, reader: SpaceReader, places: Float[np.ndarray, "window 2"], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The words that stand out most, at the middle (median) of the windows that fit each best. For the worker's thread.

    A word stands out by how far the mean of its best windows lies above its usual score, in standard deviations.
    """
    side = session.text_side(reader)
    words = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    if side is None or not words or not len(reader):
        return []
    targets = unit_float32(side.embed_text(words))
    usual = session.sample(reader) @ targets.T
    number = round(min(max(_SHARE * len(reader), _WINDOWS[0]), _WINDOWS[1], len(reader)))
    scores, found = reader.search(targets, number, None, True)
    spread = np.maximum(np.nanstd(usual, axis=0), 1e-9)
    standing = (np.nanmean(scores, axis=1) - np.nanmedian(usual, axis=0)) / spread
    chosen = np.argsort(-standing, kind="stable")[:_SHOWN].tolist()
    middles = {at: np.median(places[found[at]], axis=0).round(4).tolist() for at in chosen}
    return [
        {"text": words[at], "x": middles[at][0], "y": middles[at][1], "standing": float(standing[at])} for at in chosen
    ]
