"""The side of an encoder that reads texts; alone it needs no torch, and a query of words is asked by it alone."""

from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.inputs import as_texts


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

    def supports(self, modality: str) -> bool:
        """Whether the space understands "audio", "text" or "image"."""
        return modality in self.spec.modalities

    def _require(self, modality: str) -> None:
        if not self.supports(modality):
            spaces = " and ".join(self.spec.modalities)
            raise MmascError(f"the space of {self.spec.name} holds {spaces}, no {modality}; choose another encoder")

    def _text(self, texts: list[str]) -> Any:
        raise NotImplementedError
