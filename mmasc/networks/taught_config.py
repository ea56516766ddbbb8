"""What shapes the network of `base`: numbers alone, no torch."""

import math
from dataclasses import dataclass

from mmasc.networks.mini_config import MiniConfig


@dataclass(frozen=True)
class TaughtConfig(MiniConfig):
    """A network like that of `mini` whose vector has a second part.

    Attributes:
        taught_dim: Numbers of the part that was learned from a teacher with texts.
        taught_share: Share of that part's cosine in the cosine of two vectors, from 0 to 1.
    """

    taught_dim: int = 128
    taught_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.taught_share <= 1:
            raise ValueError(f"taught_share must be in [0, 1], got {self.taught_share}")

    @property
    def vector_dim(self) -> int:
        """Numbers of a vector: both parts."""
        return self.dim + self.taught_dim

    @property
    def part_weights(self) -> tuple[float, float]:
        """What the unit vectors of both parts are multiplied by: the whole is a unit vector again."""
        return math.sqrt(1 - self.taught_share), math.sqrt(self.taught_share)
