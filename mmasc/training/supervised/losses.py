"""Losses on soft labels: rows of targets that sum to 1 (one label, possibly mixed), or of 0 .. 1 (several labels).

Papers: Lin et al. 2017, "Focal loss for dense object detection", equation 4; Hinton et al. 2015, "Distilling the
knowledge in a neural network"; Szegedy et al. 2016, section 7 (smoothing).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def smooth(targets: Float[Tensor, "batch class"], share: float, several: bool) -> Float[Tensor, "batch class"]:
    """Targets with a share of them spread over all classes; towards one half where a clip can have several labels."""
    return (1 - share) * targets + share * (0.5 if several else 1 / targets.shape[1])


def class_weights_of(targets: Float[Tensor, "item class"]) -> Float[Tensor, " class"]:
    """Weights by the inverse of a class's share, mean 1 over items; a class without items gets the greatest."""
    counts = targets.sum(0)
    weights = counts.sum() / (counts.clamp_min(1e-9) * (counts > 0).sum())
    return torch.where(counts > 0, weights, weights[counts > 0].max())


def classification_loss(
    logits: Float[Tensor, "batch class"],
    targets: Float[Tensor, "batch class"],
    kind: str,
    gamma: float = 0.0,
    argmax: bool = False,
    weights: Float[Tensor, " class"] | None = None,
) -> Float[Tensor, ""]:
    """Mean loss of a batch, in float32.

    Args:
        logits: Logits of the network.
        targets: Soft labels.
        kind: "cross-entropy": -sum t log p; "focal": -sum t (1 - p) ** gamma log p, both with p = softmax; "bce": the
            mean over classes of the binary cross-entropy.
        gamma: Gamma of the focal loss.
        argmax: Focal loss on the strongest label alone, as the authors of SP4SC take it.
        weights: Weights of the classes.
    """
    logits, targets = logits.float(), targets.float()
    factor = 1.0 if weights is None else weights
    if kind == "bce":
        each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return (factor * each).mean()
    log_p = logits.log_softmax(1)
    if kind == "focal":
        if argmax:
            targets = F.one_hot(targets.argmax(1), targets.shape[1]).float()
        # At p = 1 the power's slope is infinite for gamma below 1; the least float above 0 keeps it finite.
        missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(torch.float32).tiny)
        log_p = missing**gamma * log_p if gamma else log_p
    return -(factor * targets * log_p).sum(1).mean()


def centre_loss(
    codes: Float[Tensor, "batch dim"], targets: Float[Tensor, "batch class"], centres: Float[Tensor, "class dim"]
) -> Float[Tensor, ""]:
    """Squared Euclidean distance of codes to the centres of their classes, weighted by soft labels; mean of the batch.

    Source: Wen et al. 2016, "A discriminative feature learning approach for deep face recognition", equation 2 without
    its factor one half, as the released code of Jung et al. 2019 has it.
    """
    return (targets.float() * torch.cdist(codes.float(), centres).square()).sum(1).mean()


def fixed_centres(n_classes: int, dim: int, seed: int) -> Float[Tensor, "class dim"]:
    """Centres for `centre_loss`, drawn from the normal distribution of mean 0 and deviation 1."""
    return torch.randn(n_classes, dim, generator=torch.Generator().manual_seed(seed))


def match_posteriors(
    logits: Float[Tensor, "batch class"],
    teacher: Float[Tensor, "batch class"],
    temperature: float,
    several: bool = False,
) -> Float[Tensor, ""]:
    """Kullback-Leibler divergence from the teacher's posteriors, times temperature squared (Hinton et al., section 2).

    Args:
        logits: Logits of the student.
        teacher: Logits of the teacher, of the same classes.
        temperature: Temperature of both.
        several: Sigmoids instead of softmaxes; the mean over classes.
    """
    wanted, given = teacher.float() / temperature, logits.float() / temperature
    if several:
        entropy = F.binary_cross_entropy_with_logits(wanted, wanted.sigmoid())
        return temperature**2 * (F.binary_cross_entropy_with_logits(given, wanted.sigmoid()) - entropy)
    return temperature**2 * F.kl_div(
        given.log_softmax(1), wanted.log_softmax(1), reduction="batchmean", log_target=True
    )


def match_vectors(vectors: Float[Tensor, "batch dim"], teacher: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """1 - cosine, mean of the batch."""
    return (1 - F.cosine_similarity(vectors.float(), teacher.float())).mean()
