"""An encoder of mmasc with the calls of sentence-transformers: `encode`, `similarity` and their kin, texts and sounds.

Loads mmasc alone; what is written for a SentenceTransformer takes this in its place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.integrations.items import kind_of, loaded, vectors_of

_NOTHING_ELSE = (None, "float32", "sentence_embedding")


class SoundTransformer:
    """An encoder as a SentenceTransformer is used.

    Args:
        model_name_or_path: A name as `load_encoder` takes it, or a loaded encoder.
        device: Where an encoder that is named runs.
    """

    similarity_fn_name = "cosine"

    def __init__(self, model_name_or_path: str | Encoder = DEFAULT_ENCODER, device: str = "cpu") -> None:
        self.encoder = loaded(model_name_or_path, device)
        self.device, self.modalities = self.encoder.device, list(self.encoder.spec.modalities)

    def encode(
        self,
        inputs: Any,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        **others: Any,
    ) -> Any:
        """Vectors `[input dim]`, or `[dim]` of a single input.

        Args:
            inputs: One or a list of: a text; a sound as a path (a text that ends as sound files do is one), as
                `(samples, rate)` or as `{"array": samples, "sampling_rate": rate}`; a picture of PIL.
            batch_size, show_progress_bar: Taken and not used: inputs go one by one, so that none depends on others.
            convert_to_numpy: numpy; else a list of tensors.
            convert_to_tensor: One tensor instead.
            normalize_embeddings: Vectors of length 1.
            others: Arguments of the package (prompt, precision, truncate_dim) that ask for nothing else.
        Raises:
            ValueError: If one of the others asks for something else.
            MmascError: If the space has no texts, sounds or pictures, or a file cannot be read.
        """
        asked = [f"{name}={value!r}" for name, value in others.items() if value not in _NOTHING_ELSE]
        if asked:
            raise ValueError(f"{self.encoder.spec.name} has no {', '.join(asked)}; leave it out")
        inputs = inputs.tolist() if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OU" else inputs
        single = isinstance(inputs, str | Path | tuple | Mapping | np.ndarray) or hasattr(inputs, "convert")
        rows = [vectors_of(self.encoder, kind_of(one), [one])[0] for one in ([inputs] if single else inputs)]
        vectors = torch.from_numpy(np.stack(rows) if rows else np.zeros((0, self.encoder.spec.dim), np.float32))
        vectors = normalize(vectors, dim=1) if normalize_embeddings else vectors
        vectors = vectors[0] if single else vectors
        if convert_to_tensor:
            return vectors
        return vectors.numpy() if convert_to_numpy else vectors if single else list(vectors)

    encode_query = encode_document = encode  # no prompts: the same for both

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


def _units(vectors: Any) -> Float[Tensor, "item dim"]:
    rows = vectors if isinstance(vectors, Tensor) else torch.from_numpy(np.asarray(vectors, np.float32))
    return normalize(rows.reshape(-1, rows.shape[-1]), dim=1)
