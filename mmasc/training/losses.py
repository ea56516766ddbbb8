"""What pulls the vector of a sound: the softmax over a bank of texts, the cosine, and the course of the learning rate.

Papers: Radford et al. 2021, "CLIP" (cosines times a learned scale); Szegedy et al. 2016, "Rethinking the inception
architecture", section 7 (softened targets).
"""

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def bank_loss(
    joint: Float[Tensor, "batch dim"],
    bank: Float[Tensor, "text dim"],
    targets: Float[Tensor, "batch text"],
    scale: Float[Tensor, ""],
    similar_share: float,
    similar_temperature: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax over a bank of texts, with part of the target on similar texts.

    Args:
        joint: Unit vectors of sounds.
        bank: Unit vectors of texts.
        targets: Weights of the texts of each sound; rows sum to 1.
        scale: What cosines are multiplied by.
        similar_share: This share of the target is spread over texts by a softmax of their cosine with the right one.
        similar_temperature: Of that softmax.
    """
    similar = F.softmax(bank @ bank.T / similar_temperature, dim=1)
    softened = (1 - similar_share) * targets + similar_share * targets @ similar
    return F.cross_entropy(scale * joint @ bank.T, softened)


def cosine_loss(
    joint: Float[Tensor, "batch dim"], bank: Float[Tensor, "text dim"], targets: Float[Tensor, "batch text"]
) -> Float[Tensor, ""]:
    """1 - cosine between a sound and the weighted sum of its texts."""
    return (1 - F.cosine_similarity(joint, targets @ bank)).mean()


def one_cycle(step: int, steps: int, top: float, rising: float = 0.3) -> float:
    """Learning rate of a step: a cosine from top / 25 up over a share of the steps, a cosine down to nothing.

    Source: Smith and Topin 2018, "Super-convergence".
    """
    rise = rising * steps
    if step < rise:
        return top / 25 + (top - top / 25) * (1 - math.cos(math.pi * step / rise)) / 2
    return top * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2
