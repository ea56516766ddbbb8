"""A batch, the network's answers and additional targets → the loss that a step minimises.

Labels, mixed and smoothed; soft labels of noisy clips; what a teacher says of the same clips.
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.networks.tagger import multitask_loss, pseudo_label_loss
from mmasc.training.supervised.augment import jitter_tags, mixup
from mmasc.training.supervised.batches import Batch
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.losses import centre_loss, class_weights_of, classification_loss, smooth
from mmasc.training.supervised.student import ExtraTargets


class BatchLoss:
    """The loss of a run.

    Args:
        config: Configuration of the run.
        extra: What else is known of the clips to learn from.
        targets: Labels of all clips to learn from, which the weights of the classes are of, `[clip class]`.
        device: Where the losses are worked out.
        centres: Fixed centres of the classes' vectors, `[class number]`, for the centre loss; None without it.
    """

    def __init__(
        self,
        config: SupervisedConfig,
        extra: ExtraTargets,
        targets: Tensor,
        device: torch.device,
        centres: Float[Tensor, "class number"] | None = None,
    ) -> None:
        self.config, self.extra = config, extra
        self._centres = None if centres is None else centres.to(device)
        self._class_weights = class_weights_of(targets).to(device) if config.class_weights == "balanced" else None

    def __call__(
        self, batch: Batch, logits: Float[Tensor, "batch class"], second: Float[Tensor, "batch number"] | None
    ) -> Float[Tensor, ""]:
        """Of the labels, and of the teacher where there is one.

        Args:
            batch: The clips.
            logits: Answers of the network.
            second: Answers of its second head, or its vectors; None where it has neither.
        """
        config, loss = self.config, self._of_labels(batch, logits, second)
        if self.extra.teacher is None:
            return loss
        taught = self.extra.teacher.loss(
            logits.float(), None if second is None else second.float(), batch.clips, batch.share, config
        )
        return (1 - config.teacher_weight) * loss + config.teacher_weight * taught

    def _of_labels(
        self, batch: Batch, logits: Float[Tensor, "batch class"], second: Float[Tensor, "batch number"] | None
    ) -> Float[Tensor, ""]:
        """Of the labels alone: of one head, or of two on their own clips, and of soft labels where there are any."""
        config = self.config
        targets = smooth(batch.targets, config.smoothing, config.loss == "bce")
        if batch.noisy is None:
            loss = classification_loss(
                logits, targets, config.loss, config.focal_gamma, config.focal_argmax, self._class_weights
            )
            if self._centres is None or second is None:
                return loss
            return loss + config.centre_weight * centre_loss(second, batch.targets, self._centres)
        assert second is not None
        logits, second, noisy = logits.float(), second.float(), batch.noisy
        loss = multitask_loss(logits[~noisy], targets[~noisy], second[noisy], targets[noisy], config.noisy_rule)
        if self.extra.pseudo is not None and bool(noisy.any()):
            soft = self._mixed(self.extra.pseudo, batch)[noisy]
            loss = loss + pseudo_label_loss(logits[noisy], soft, config.pseudo_weight)
        return loss

    def tags(self, rows: Float32[Tensor, "clip tag"], batch: Batch, seed: int) -> Float32[Tensor, "batch tag"]:
        """Tags of a batch, with noise."""
        generator = torch.Generator().manual_seed(seed)
        return jitter_tags(self._mixed(rows, batch), self.config.tag_noise, generator)

    def _mixed(self, rows: Float32[Tensor, "clip number"], batch: Batch) -> Float32[Tensor, "batch number"]:
        """What is known of the clips of a batch, mixed as their labels are."""
        first, second = (rows[torch.from_numpy(clips).to(rows.device)] for clips in batch.clips)
        return mixup(first, second, batch.share)
