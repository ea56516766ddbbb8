"""The network of `base`: that of `mini`, whose vector has a second part, learned from a teacher that has texts.

Both parts are unit vectors next to texts; the vector is both, weighed so that its cosine with a text's vector is the
weighted mean of the two cosines.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.mini_config import MiniConfig
from mmasc.networks.mini_network import MiniNetwork
from mmasc.networks.taught_config import TaughtConfig


class TaughtNetwork(MiniNetwork):
    """Mel power to features and to a unit vector of two parts.

    Args:
        config: Its shape.
    """

    config: TaughtConfig

    def __init__(self, config: TaughtConfig) -> None:
        super().__init__(config)
        self.to_taught = nn.Linear(config.n_features, config.taught_dim)

    def vectors(
        self, levelled: Float[Tensor, "batch mel frame"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch dim"]]:
        """Features, and the unit vector: the part of the labels, then the part of the teacher."""
        features, joint = super().vectors(levelled)
        heard = self.to_taught(F.dropout(features, self.config.dropout, self.training))
        own, taught = self.config.part_weights
        return features, torch.cat([own * joint, taught * F.normalize(heard, dim=1)], 1)


def network_of(config: MiniConfig) -> MiniNetwork:
    """The network that a configuration shapes."""
    return TaughtNetwork(config) if isinstance(config, TaughtConfig) else MiniNetwork(config)
