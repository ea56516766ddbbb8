"""The loss that AudioCLIP was trained with, for fine-tuning: pairs of modalities against each other, and the kernels.

Paper: Guzhov et al. 2021, "AudioCLIP", arXiv:2106.13043, section 3; the division and the kernel term are in the
training code that its authors released.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Complex64, Float
from torch import Tensor


def audioclip_loss(
    logits: Sequence[Float[Tensor, "item item"]], kernel: Complex64[Tensor, "bin sample"] | None = None
) -> Float[Tensor, ""]:
    """Symmetric cross entropies of the pairs present, over the factorial of their number, plus the kernels' norms.

    Args:
        logits: One to three matrices of scaled cosines (audio-image, audio-text, image-text), item i of one modality
            belonging to item i of the other.
        kernel: Kernel of the audio network, where sound takes part.
    Raises:
        ValueError: If there are no logits.
    """
    if not logits:
        raise ValueError("logits must hold at least one pair of modalities, got none")
    total = torch.zeros((), device=logits[0].device)
    for pair in logits:
        diagonal = torch.arange(len(pair), device=pair.device)
        total = total + F.cross_entropy(pair, diagonal) + F.cross_entropy(pair.T, diagonal)
    total = total / math.factorial(len(logits))
    return total if kernel is None else total + kernel_norm_loss(kernel).to(total.device)


def kernel_norm_loss(kernel: Complex64[Tensor, "bin sample"]) -> Float[Tensor, ""]:
    """Mean squared distance of the kernels' lengths from 1."""
    return (torch.view_as_real(kernel).square().sum((1, 2)).sqrt() - 1).square().mean()
