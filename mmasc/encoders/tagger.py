"""A tagger as an encoder: its probabilities are the vector, a space of its own next to that of its embedding.

`tagging-scores:RUN` gives the sigmoids of all tags; `tagging:RUN` the layer before last (as every network does).
"""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.identity import identity_digest
from mmasc.encoders.network import NetworkEncoder
from mmasc.encoders.spec import EncoderSpec
from mmasc.features.registry import front_end_constants


class TaggingScores(NetworkEncoder):
    """Probabilities of tags of a window, in the order of `network.classes`."""

    base = "tagging"

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        self.spec = replace(self.spec, dim=self.network.n_classes)
        constants = {
            "network": self.base,
            "features": self.network.features,
            "front_end": front_end_constants(self.network.features),
            "vector": "sigmoids",
            "classes": list(self.network.classes),
        }
        self.identity = identity_digest(self.spec, dict(self.network.body.state_dict()), constants)

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return self.network(waveforms[:, None].expand(-1, self.network.spec.channels, -1)).sigmoid()
