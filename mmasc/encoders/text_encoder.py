"""The part of an encoder that reads texts; it needs no torch, and is enough for queries in words."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.inputs import as_texts


@runtime_checkable
class WordList(Protocol):
    """Words that a text side knows, see `mmasc.encoders.words.KnownWords`."""

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Words of texts that are not known."""

    def nearest(self, word: str) -> list[str]:
        """Known words that may be meant."""


class TextEncoder:
    """Texts to vectors of a named space.

    Attributes:
        spec: What was known before loading.
        identity: Hex digest of weights, preprocessing constants and window policy: it names the space. Vectors of
            different identities are never compared.
        logit_scale: What softmax multiplies cosines by, where the space has text or pictures; else None.
    """

    spec: EncoderSpec
    identity: str
    logit_scale: float | None = None

    def embed_text(self, texts: Any) -> Float[np.ndarray, "item dim"]:
        """Vectors of texts in the same space.

        Args:
            texts: A text, or several in any container.
        Raises:
            MmascError: If the space has no text.
            ValueError: If a text is empty, or something else than a text.
        """
        self._require("text")
        texts = list(as_texts(texts))
        if not texts:
            return np.zeros((0, self.spec.dim), np.float32)
        for text in texts:
            if not text.strip():
                raise ValueError("a text must not be empty")
        return np.asarray(self._text(texts), np.float32)

    def unknown_words(self, texts: Any) -> list[str]:
        """Words of texts that the encoder does not know: it gives them a vector that means little.

        Args:
            texts: A text, or several in any container.
        Returns:
            Each word once, as it is written; none for encoders that read pieces of words in their context.
        """
        return [] if self._words is None else self._words.unknown(as_texts(texts))

    def nearest_words(self, word: str) -> list[str]:
        """Known words that may be meant by one that is not known: the nearest by spelling, else by vector."""
        return [] if self._words is None else self._words.nearest(word)

    @property
    def _words(self) -> WordList | None:
        """The words that it knows; None where there is no such list."""
        return None

    def supports(self, modality: str) -> bool:
        """Whether the space understands "audio", "text", "image" or "film"."""
        return modality in self.spec.modalities

    def _require(self, modality: str) -> None:
        if not self.supports(modality):
            spaces = " and ".join(self.spec.modalities)
            raise MmascError(f"the space of {self.spec.name} holds {spaces}, no {modality}; choose another encoder")

    def _text(self, texts: list[str]) -> Any:
        raise NotImplementedError
