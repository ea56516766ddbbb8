"""The critic: decides whether a grid of features comes from a picture or was imagined from a sound.

A number without bound (no sigmoid), no batch norm: the penalty is on each item's own gradient.

Papers: Gulrajani et al. 2017, "Improved training of Wasserstein GANs", arXiv:1704.00028; Liu et al. 2021,
ICASSP, equations (3) and (4).
"""

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class CriticConfig:
    """Widths of the critic: one 3 x 3 convolution for each, halving the grid from the second on."""

    widths: tuple[int, ...] = (64, 128, 128)


class Critic(nn.Module):
    """A grid of feature vectors to one number: high for real ones.

    Args:
        dim: Length of a vector.
        config: Its widths.
    """

    def __init__(self, dim: int, config: CriticConfig | None = None) -> None:
        super().__init__()
        widths = (dim, *(config or CriticConfig()).widths)
        self.layers = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 3, stride=2 if number else 1, padding=1)
            for number, (c_in, c_out) in enumerate(pairwise(widths))
        )
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, features: Float[Tensor, "batch dim height width"]) -> Float[Tensor, " batch"]:
        """Scores of items."""
        x = features
        for conv in self.layers:
            x = nn.functional.leaky_relu(conv(x), 0.2)
        return self.last(x.mean((2, 3)))[:, 0]
