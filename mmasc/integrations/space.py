"""What programs ask of a loaded model besides vectors: kinds, sizes, similarities, and the form of the answer."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from mmasc.encoders.base import Encoder


class LoadedSpace:
    """An encoder under the names that sentence-transformers has for what is known of it.

    Args:
        encoder: A loaded encoder.
    """

    similarity_fn_name = "cosine"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.device, self.modalities = encoder, encoder.device, list(encoder.spec.modalities)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Float[Tensor, "one other"]:
        """Cosines of all vectors with all, of arrays or tensors `[item dim]`."""
        return _units(embeddings1) @ _units(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Float[Tensor, " item"]:
        """Cosines of the vectors of two lists, one by one."""
        return (_units(embeddings1) * _units(embeddings2)).sum(-1)

    def get_sentence_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.encoder.spec.dim

    get_embedding_dimension = get_sentence_embedding_dimension

    def supports(self, modality: str) -> bool:
        """Whether the space understands "audio", "text" or "image"."""
        return self.encoder.supports(modality)


def in_form(vectors: Float[np.ndarray, "*item dim"], numpy: bool, tensor: bool, unit: bool) -> Any:
    """Vectors as numpy, as one tensor, else as a list of tensors; of length 1 where `unit` says so."""
    rows = torch.from_numpy(vectors)
    rows = normalize(rows, dim=-1) if unit else rows
    if tensor or (rows.ndim == 1 and not numpy):
        return rows
    return rows.numpy() if numpy else list(rows)


def _units(vectors: Any) -> Float[Tensor, "item dim"]:
    rows = vectors if isinstance(vectors, Tensor) else torch.from_numpy(np.asarray(vectors, np.float32))
    return normalize(rows.reshape(-1, rows.shape[-1]), dim=1)
