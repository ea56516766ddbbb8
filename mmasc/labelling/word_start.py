"""Scores of windows by the words of labels: where a head starts from, before it has any example.

A label is compared as it is written. Labels whose words the encoder does not know, and spaces that understand no text,
give none: their heads learn from examples alone, and a sentence says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.collection.query import QueryEncoders
from mmasc.collection.space import SpaceReader
from mmasc.encoders.registry import spec_of
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.encoders.words import remarks_on_words
from mmasc.errors import MmascError
from mmasc.heads.from_words import WordScore, word_score
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED
from mmasc.printing import counted
from mmasc.windows.units import unit_as_normalizer, unit_float64

_USUAL_WINDOWS = 5_000  # from which it is learnt what is usual, at most


@dataclass(frozen=True)
class WordStart:
    """Where the heads of labels begin.

    Attributes:
        scores: Label → what its words say; labels without known words are missing.
        remarks: Why words are left out, a sentence each.
    """

    scores: dict[str, WordScore]
    remarks: tuple[str, ...] = ()


def reads_words(reader: SpaceReader) -> bool:
    """Whether the encoder of a space is known to understand text."""
    spec = spec_of(reader.space.encoder)
    return spec is not None and "text" in spec.modalities


def word_start(
    collection: Collection, reader: SpaceReader, order: Int[np.ndarray, " window"], labels: Sequence[str]
) -> WordStart:
    """Scores of labels by their words in a space, compared with what is usual in its windows.

    Args:
        collection: Opened.
        reader: The space.
        order: Windows that may be learnt from, in an order that does not depend on ids.
        labels: The labels.
    """
    if not reads_words(reader):
        return WordStart({})
    try:
        side = _encoders().of_words(reader.name, reader.space, collection.store.location)
        known, remarks = _known(side, labels)
        words = unit_float64(side.embed_text(known)) if known else np.zeros((0, reader.space.dim))
    except (MmascError, ImportError) as error:
        return WordStart({}, (f"heads learn from examples alone, without words: {error}",))
    usual = _usual_windows(reader, order)
    if known and len(usual) < MINIMUM_UNLABELLED:
        few = (
            f"{counted(len(usual), 'window')} with sound {'is' if len(usual) == 1 else 'are'} too few to say what "
            "is usual"
        )
        return WordStart({}, (f"heads learn from examples alone, without words: {few}",))
    scores = {label: word_score(vector, usual) for label, vector in zip(known, words, strict=True) if vector.any()}
    return WordStart(scores, remarks)


@cache
def _encoders() -> QueryEncoders:
    """Kept, so that a head that is fitted after every answer does not load the text side each time."""
    return QueryEncoders("cpu")


def _known(side: TextEncoder, labels: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Labels of which every word is known, and remarks on the others."""
    known, remarks = [], []
    for label in labels:
        unknown = remarks_on_words(side, (label,))
        if unknown:
            remarks.append(f"{label!r} is learnt from examples alone: {unknown[0]}")
        elif label.strip():
            known.append(label)
    return known, tuple(remarks)


def _usual_windows(reader: SpaceReader, order: Int[np.ndarray, " window"]) -> Float[np.ndarray, "window dim"]:
    """Unit vectors of windows with sound, evenly spread where they are very many."""
    vectors = reader.vectors(order[:: -(-len(order) // _USUAL_WINDOWS) or 1]).astype(np.float64)
    vectors = vectors[np.isfinite(vectors).all(axis=1)]
    return unit_as_normalizer(vectors[~reader.is_silence(vectors)])
