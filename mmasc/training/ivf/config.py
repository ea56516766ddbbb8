"""Configurations of the two stages of imagined visual features: frozen, saved as JSON with the runs."""

from dataclasses import dataclass, field
from typing import Literal

from mmasc.ivf.critic import CriticConfig
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.imagination import VARIANTS, Variant
from mmasc.ivf.transformation import TransformationConfig
from mmasc.ivf.vqvae import VqVaeConfig

# Adam's rate and decay rates by name. "paper" is what Liu et al. 2021 print; a second decay rate of 0.0002 forgets all
# but the last gradient, so that every step has the length of the rate: it is the rate, printed twice, and the pair
# of WGAN work, (0.5, 0.999), is the default.
ADAM: dict[str, tuple[float, tuple[float, float]]] = {
    "default": (2e-4, (0.5, 0.999)),
    "paper": (2e-4, (0.5, 0.0002)),
    "wgan-gp": (1e-4, (0.0, 0.9)),
}
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class VqVaeRun:
    """Training of the VQ-VAE.

    Attributes:
        pairs: Digest of the sources that are learned from, in their order.
        pair: How they are decoded.
        vqvae: The network.
        validation_share: Share of the groups that are held back.
        seed: Random seed.
        steps: Number of optimiser steps.
        warm_steps: First steps without a codebook, which then begins with k-means.
        batch: Frames per step, over all processes.
        learning_rate: Learning rate of Adam, falling to nothing by a cosine in the last half.
        beta: Weight of the commitment term of equation (2).
        precision: Precision of the network; losses and codebook are float32 always.
    """

    pairs: str
    pair: PairConfig = field(default_factory=PairConfig)
    vqvae: VqVaeConfig = field(default_factory=VqVaeConfig)
    validation_share: float = 0.1
    seed: int = 0
    steps: int = 3_000
    warm_steps: int = 300
    batch: int = 32
    learning_rate: float = 1e-3
    beta: float = 0.25
    precision: Precision = "float32"


@dataclass(frozen=True)
class ImaginationRun:
    """Training of the transformation network with its critic.

    Attributes:
        pairs: Digest of the sources that are learned from, in their order.
        vqvae: Digest of the VQ-VAE's weights, which stay as they are.
        variant: Variant of `ImaginationConfig`.
        transformation: The network.
        critic: Its critic.
        window_seconds: Seconds of sound.
        seed: Random seed.
        steps: Number of steps of the transformation network.
        batch: Pairs per step, over all processes.
        adam: A name of `ADAM`, for the critic, and for the transformation network unless `learning_rate` is given.
        learning_rate: Learning rate of the transformation network; 0 takes that of `adam`.
        critic_weight: Weight of -E[D(fake)] in addition to the cross-entropy (or squared error); 0 trains without a
            critic.
        critic_steps: Steps of the critic for each step of the transformation network.
        penalty: Lambda of equation (3).
        imagined: How logits become the vectors that the critic sees: "soft" (softmax times codebook) or
            "straight-through" (the likeliest code's vector, the gradient of the soft one).
        precision: Precision of the networks; the penalty is float32 always.
        joint: Whether the VQ-VAE goes on learning in the same steps (L = L_E + L_D), instead of staying as it is.
    """

    pairs: str
    vqvae: str
    variant: Variant = "index"
    transformation: TransformationConfig = field(default_factory=TransformationConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    window_seconds: float = 0.96
    seed: int = 0
    steps: int = 3_000
    batch: int = 32
    adam: str = "default"
    learning_rate: float = 0.0
    critic_weight: float = 0.01
    critic_steps: int = 1
    penalty: float = 10.0
    imagined: Literal["soft", "straight-through"] = "soft"
    precision: Precision = "float32"
    joint: bool = False

    def __post_init__(self) -> None:
        if self.adam not in ADAM:
            raise ValueError(f"adam must be one of {sorted(ADAM)}, got {self.adam!r}")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {sorted(VARIANTS)}, got {self.variant!r}")
        if self.imagined not in ("soft", "straight-through"):
            raise ValueError(f"imagined must be one of ['soft', 'straight-through'], got {self.imagined!r}")
        if self.critic_steps < 1 or self.critic_weight < 0:
            raise ValueError(
                f"critic_steps >= 1 and critic_weight >= 0 must hold, got {self.critic_steps} and {self.critic_weight}"
            )
