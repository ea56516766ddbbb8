"""Any encoder of mmasc as a model of MTEB: `mteb.evaluate(MtebEncoder("base"), tasks)`; texts, sounds and pictures.

Source: Enevoldsen et al. 2025, "MMTEB: Massive multilingual text embedding benchmark", and its protocol of encoders.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.integrations.items import loaded, require_same
from mmasc.integrations.lists import vectors_of_rows
from mmasc.integrations.packages import from_extra

with from_extra("mteb", "models of MTEB"):
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder


class MtebEncoder(AbsEncoder):
    """An encoder as MTEB asks it.

    Args:
        model_name: A name as `load_encoder` takes it, or a loaded encoder.
        revision: Identity of stored vectors, as `load_encoder` takes it.
        device: Where an encoder that is named runs.
    Raises:
        MmascError: As `load_encoder` does, and if no rule of the encoder gave the revision.
    """

    def __init__(
        self, model_name: str | Encoder = DEFAULT_ENCODER, revision: str | None = None, device: str | None = None
    ) -> None:
        self.encoder = loaded(model_name, device or "cpu", revision)
        require_same(self.encoder, revision or self.encoder.identity, f"revision {revision}; leave the revision out")
        spec, required = self.encoder.spec, [name for name, one in ModelMeta.model_fields.items() if one.is_required()]
        said = {
            "name": f"mmasc/{spec.name}",
            "revision": self.encoder.identity,  # what MTEB writes next to its results
            "n_parameters": self.encoder.parameter_counts()[0],
            "embed_dim": spec.dim,
            "modalities": list(spec.modalities),
            "similarity_fn_name": "cosine",
            "framework": ["PyTorch"],
            "use_instructions": False,
        }
        self.mteb_model_meta = ModelMeta(**{**dict.fromkeys(required), "loader": MtebEncoder, **said})

    def encode(self, inputs: Any, **asked: Any) -> Float[np.ndarray, "item dim"]:
        """Vectors of the rows of a loader of MTEB; a row of several kinds is the sum of their unit vectors.

        Args:
            inputs: Batches of `text`, `audio` (see `mmasc.integrations.sounds`) and `image`, as many of each.
            asked: Task, split and size of batches, on which no vector depends.
        Raises:
            MmascError: If the space does not understand one of them.
        """
        return np.concatenate([vectors_of_rows(self.encoder, batch) for batch in inputs])
