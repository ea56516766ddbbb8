"""What is trained in a run, and its targets in addition to batches: held-out clips, tags, soft labels, a teacher."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.metrics.functions import lwlrap
from mmasc.networks.body import Body
from mmasc.networks.network import Network
from mmasc.training.schedules import one_cycle
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.scoring import measure, score_clips
from mmasc.training.supervised.teacher import TeacherTargets


@dataclass(frozen=True)
class HeldOutClips:
    """Clips that are scored in passing: what was held back, and with a test curve those of the test.

    Attributes:
        waveforms: As `load_clips` gives them.
        targets: Their labels.
        names: What to call them.
        tags: Tags of them, for a network that reads tags.
    """

    waveforms: Sequence[np.ndarray]
    targets: Float32[np.ndarray, "clip class"]
    names: list[str]
    tags: Float32[np.ndarray, "clip tag"] | None = None

    def score(self, network: Network, config: SupervisedConfig) -> dict[str, float]:
        """Accuracy and loss of a network on them, and lwlrap where a clip can have several labels."""
        logits = score_clips(network, self.waveforms, config.hearing, self.names, tags=self.tags)
        several = config.loss == "bce"
        accuracy, loss = measure(logits, self.targets, several)
        figures = {"accuracy": accuracy, "loss": loss}
        if several and self.targets.any():
            figures["lwlrap"] = lwlrap(self.targets > 0, logits)
        return figures


@dataclass(frozen=True)
class ExtraTargets:
    """What is known of the clips to learn from besides their sound and labels, a row for each.

    Attributes:
        tags: Tags for a network that reads tags.
        pseudo: Soft labels of noisy clips, by taggers that were trained before.
        teacher: What a teacher says of them.
    """

    tags: Float32[Tensor, "clip tag"] | None = None
    pseudo: Float32[Tensor, "clip class"] | None = None
    teacher: TeacherTargets | None = None


class Student(nn.Module):
    """A body and, with a teacher of vectors, a projection of its vectors to the teacher's length; one call for both.

    Args:
        body: Body that learns.
        dim: Dimension of the teacher's vectors; 0 for no projection.
        seed: Random seed of the projection.
        noisy: Whether the body's head for noisy labels learns too.
        codes: Whether the layer before last is given as well.
    """

    def __init__(self, body: Body, dim: int = 0, seed: int = 0, noisy: bool = False, codes: bool = False) -> None:
        super().__init__()
        self.body, self.noisy, self.codes = body, noisy, codes
        self.projection: nn.Linear | None = None
        if dim:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.projection = nn.Linear(body.dim, dim)

    def forward(
        self, features: Float[Tensor, "batch *feature"], tags: Float[Tensor, "batch tag"] | None = None
    ) -> tuple[Float[Tensor, "batch class"], Float[Tensor, "batch number"] | None]:
        """Logits; and what learns besides: projected vectors, the noisy head's logits, or codes."""
        if self.noisy:
            body: Any = self.body
            return body.both(features)
        inputs = (features,) if tags is None else (features, tags)
        if self.projection is None and not self.codes:
            return self.body(*inputs), None
        vectors = self.body.embedding(*inputs)
        return self.body.classify(vectors), vectors if self.projection is None else self.projection(vectors)


def move_average(averaged: Body, body: Body, decay: float, step: int) -> None:
    """Move an average of weights towards the weights; slowly only once there is something to average.

    Args:
        averaged: Changed in place.
        body: Body after this step.
        decay: Share of the average that stays, once many steps are done.
        step: Steps that are done.
    """
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        now = body.state_dict()
        for name, kept in averaged.state_dict().items():
            if kept.dtype.is_floating_point:
                kept.lerp_(now[name], 1 - decay)
            else:
                kept.copy_(now[name])


def learning_rate(config: SupervisedConfig, step: int, steps: int) -> float:
    """Learning rate of a step of so many."""
    top, rise = config.learning_rate, config.warm_up * steps
    if config.schedule == "one-cycle":
        return one_cycle(step, steps, top, config.warm_up)
    if step < rise:
        return top * (step + 1) / (rise + 1)
    if config.schedule == "constant":
        return top
    share = (step - rise) / max(1, steps - rise)
    if config.cycles > 1:
        share = share * config.cycles % 1
    return top * (config.final_rate + (1 - config.final_rate) * (1 + math.cos(math.pi * share)) / 2)


def parameter_groups(parameters: Sequence[nn.Parameter], config: SupervisedConfig) -> list[dict[str, Any]]:
    """Parameters with weight decay, and those without: biases and norms, where the configuration leaves them."""
    decayed = [item for item in parameters if item.ndim > 1 or config.decay_all]
    plain = [item for item in parameters if item.ndim <= 1 and not config.decay_all]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def optimizer_of(parameters: Sequence[nn.Parameter], config: SupervisedConfig) -> torch.optim.Optimizer:
    """The optimiser that a configuration names."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
    return kind(parameter_groups(parameters, config), lr=config.learning_rate, amsgrad=config.amsgrad)


@contextlib.contextmanager
def same_kernels() -> Iterator[None]:
    """The same kernels every time; numbers below float32's normal range are 0 (a CPU takes a hundred times as long)."""
    torch.set_flush_denormal(True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_flush_denormal(False)
