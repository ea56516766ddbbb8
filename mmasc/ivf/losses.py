"""The losses of imagined visual features, as pure functions.

Papers: Liu et al. 2021, ICASSP, equations (2)-(4); van den Oord et al. 2017, arXiv:1711.00937, equation (3); Gulrajani
et al. 2017, arXiv:1704.00028, equation (3).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmasc.ivf.vqvae import Quantised


def picture_loss(
    made: Float[Tensor, "batch 3 height width"], pictures: Float[Tensor, "batch 3 height width"], variance: float
) -> Float[Tensor, ""]:
    """Squared error as a share of the variance of the training pictures: first term of equation (2).

    Args:
        made: Reconstructions.
        pictures: What they should be.
        variance: Variance of all pixels of the training set, one number.
    """
    return F.mse_loss(made.float(), pictures.float()) / variance


def vqvae_loss(
    made: Float[Tensor, "batch 3 height width"],
    pictures: Float[Tensor, "batch 3 height width"],
    quantised: Quantised,
    variance: float,
    beta: float = 0.25,
) -> Float[Tensor, ""]:
    """Equation (2): pictures + codebook + beta commitment. With moving averages the codebook term is 0."""
    return picture_loss(made, pictures, variance) + quantised.codebook_loss + beta * quantised.commitment_loss


def mix_features(
    real: Float[Tensor, "batch *feature"], fake: Float[Tensor, "batch *feature"], weight: Float[Tensor, " batch"]
) -> Float[Tensor, "batch *feature"]:
    """Equation (4): a point between each real and imagined item, `weight` of the way towards the real one."""
    weight = weight.reshape(-1, *[1] * (real.ndim - 1))
    return weight * real + (1 - weight) * fake


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "batch *feature"],
    fake: Float[Tensor, "batch *feature"],
    weight: Float[Tensor, " batch"],
) -> Float[Tensor, ""]:
    """Mean over items of (|gradient of the critic at the mixed item| - 1)^2, in float32 outside autocast.

    Args:
        critic: Features to one number an item.
        real: Features of pictures.
        fake: Imagined features.
        weight: Uniform in [0, 1], one per item.
    Source: Gulrajani et al. 2017, equation (3).
    """
    with torch.autocast(real.device.type, enabled=False):
        mixed = mix_features(real.detach().float(), fake.detach().float(), weight.float()).requires_grad_(True)
        scores = critic(mixed)
        (gradient,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def critic_loss(
    real_scores: Float[Tensor, " batch"], fake_scores: Float[Tensor, " batch"], penalty: Float[Tensor, ""], scale: float
) -> Float[Tensor, ""]:
    """What the critic makes small: the negative of equation (3), E[fake] - E[real] + lambda penalty."""
    return fake_scores.mean() - real_scores.mean() + scale * penalty


def imagination_loss(fake_scores: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """What the sound side makes small of equation (3): -E[fake]."""
    return -fake_scores.mean()


def peak_signal_to_noise(
    made: Float[Tensor, "batch 3 height width"], pictures: Float[Tensor, "batch 3 height width"]
) -> float:
    """PSNR in dB of pictures with values in [-1, 1] (peak to peak 2); made ones are clipped first."""
    error = (made.float().clamp(-1, 1) - pictures.float()).square().mean().clamp_min(1e-12)
    return float(10 * torch.log10(4 / error))
