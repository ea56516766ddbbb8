"""Losses for the vector of a sound: the softmax over a bank of texts, and the cosine.

Papers: Radford et al. 2021, "CLIP" (cosines times a learned scale); Szegedy et al. 2016, "Rethinking the inception
architecture", section 7 (softened targets).
"""

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
        similar_temperature: Temperature of that softmax.
    """
    similar = F.softmax(bank @ bank.T / similar_temperature, dim=1)
    softened = (1 - similar_share) * targets + similar_share * targets @ similar
    return F.cross_entropy(scale * joint @ bank.T, softened)


def cosine_loss(
    joint: Float[Tensor, "batch dim"], bank: Float[Tensor, "text dim"], targets: Float[Tensor, "batch text"]
) -> Float[Tensor, ""]:
    """1 - cosine between a sound and the weighted sum of its texts."""
    return (1 - F.cosine_similarity(joint, targets @ bank)).mean()
