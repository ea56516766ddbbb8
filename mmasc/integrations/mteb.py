"""Any encoder of mmasc as a model of MTEB: `mteb.evaluate(MtebEncoder("base"), tasks)`; texts, sounds and pictures.

Source: Enevoldsen et al. 2025, "MMTEB: Massive multilingual text embedding benchmark", and its protocol of encoders.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.errors import MmascError
from mmasc.integrations.items import KINDS, loaded, vectors_of
from mmasc.windows.units import unit_float32

try:
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
except ImportError as error:
    raise MmascError(f"{error.name} is missing; models of MTEB need it: pip install 'mmasc[mteb]'") from error


class MtebEncoder(AbsEncoder):
    """An encoder as MTEB asks it.

    Args:
        model_name: A name as `load_encoder` takes it, or a loaded encoder.
        revision: Identity of stored vectors, as `load_encoder` takes it.
        device: Where an encoder that is named runs.
    """

    def __init__(
        self, model_name: str | Encoder = DEFAULT_ENCODER, revision: str | None = None, device: str | None = None
    ) -> None:
        self.encoder = loaded(model_name, device or "cpu", revision)
        self.mteb_model_meta = _meta(self.encoder)

    def encode(self, inputs: Any, **asked: Any) -> Float[np.ndarray, "item dim"]:
        """Vectors of the rows of a loader of MTEB; a row of several kinds is the sum of their unit vectors.

        Args:
            inputs: Batches of `text`, `audio` and `image`, as many of each.
            asked: Task, split and size of batches, on which no vector depends.
        Raises:
            MmascError: If the space does not understand one of them.
        """
        return np.concatenate([self._batch(batch) for batch in inputs])

    def _batch(self, batch: Any) -> Float[np.ndarray, "item dim"]:
        parts = [vectors_of(self.encoder, kind, batch[kind]) for kind in KINDS if kind in batch]
        if not parts:
            raise MmascError(f"{self.encoder.spec.name} reads text, audio and image, got {', '.join(batch)}")
        return parts[0] if len(parts) == 1 else np.sum([unit_float32(part) for part in parts], axis=0)


def _meta(encoder: Encoder) -> ModelMeta:
    """What MTEB writes next to its results: the identity of the space is the revision."""
    spec = encoder.spec
    said = {
        "name": f"mmasc/{spec.name}",
        "revision": encoder.identity,
        "n_parameters": encoder.parameter_counts()[0],
        "embed_dim": spec.dim,
        "modalities": list(spec.modalities),
        "similarity_fn_name": "cosine",
        "framework": ["PyTorch"],
        "use_instructions": False,
    }
    return ModelMeta(**{**dict.fromkeys(_REQUIRED), "loader": MtebEncoder, **said})


_REQUIRED = [name for name, one in ModelMeta.model_fields.items() if one.is_required()]
