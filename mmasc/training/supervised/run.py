"""One fold's run between its steps: batches, weights, losses, early stopping; the loop itself is `Stage`."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmasc.devices import ProcessGroup
from mmasc.networks.network import Network
from mmasc.progress import current
from mmasc.training.run_folder import Metrics
from mmasc.training.stage import Stage
from mmasc.training.supervised.batch_loss import BatchLoss
from mmasc.training.supervised.batches import Batches
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.hearing import masks_of
from mmasc.training.supervised.losses import fixed_centres
from mmasc.training.supervised.student import (
    ExtraTargets,
    HeldOutClips,
    Student,
    learning_rate,
    move_average,
    optimizer_of,
    same_kernels,
)

# Losses stay on the device between looks, so that an accelerator need not wait for the CPU at every step
_STEPS_A_LOOK = 10
# Of AdamW where momentum goes with the learning rate: with none, and at the highest
_RESTING_MOMENTUM, _TOP_MOMENTUM = 0.95, 0.85


class Run(Stage):
    """State of a run.

    Args:
        config: Configuration of the run.
        folder: Folder of the run, claimed already.
        network: Network with the weights it begins from; trained in place.
        batches: What it learns from.
        processes: Processes that train together.
        held_out: What is scored after every epoch: "validation", and "test" never to choose by.
        extra: What else is known of the clips to learn from.

    Attributes:
        checkpoint_seconds: Seconds from one checkpoint to the next, at most; 0 makes one after every step.
        progress: Called with steps done, steps of all, and a line about speed and loss.
    """

    kind = "mmasc-supervised-training"
    advice = "a lower --learning-rate, a smaller --gradient-norm, or without --bf16"
    config: SupervisedConfig

    def __init__(
        self,
        config: SupervisedConfig,
        folder: Path,
        network: Network,
        batches: Batches,
        processes: ProcessGroup,
        held_out: Mapping[str, HeldOutClips | None] | None = None,
        extra: ExtraTargets | None = None,
    ) -> None:
        super().__init__(folder, config, config.epochs * batches.steps_an_epoch, batches.items.device, processes)
        self.network, self.batches = network, batches
        self.held_out, self.extra = held_out or {}, extra or ExtraTargets()
        self.checkpoint_seconds = 30.0
        self.progress: Callable[[int, int, str], None] = _no_progress
        self.seconds, self._saved_at = 0.0, time.monotonic()
        self.best, self.best_epoch = -math.inf, 0
        self.measured: dict[str, float] = {}
        self._loss_sum, self._loss_count, self._train_seconds = 0.0, 0, 0.0
        teacher = self.extra.teacher
        dim = teacher.rows.shape[1] if teacher is not None and teacher.kind == "vectors" else 0
        coded = config.centre_weight > 0
        self.student = Student(network.body, dim, config.seed, bool(config.noisy), coded).to(self.device)
        centres = fixed_centres(len(config.classes), network.body.dim, config.seed) if coded else None
        if any(parameter.ndim == 4 for parameter in self.student.parameters()):
            self.student = self.student.to(memory_format=torch.channels_last)
        in_body = config.mask_at == "body" and config.time_masks + config.band_masks > 0
        self.masks = masks_of(config.hearing) if in_body else None
        if self.masks is not None:
            network.body.augment = self.masks
        self.averaged = copy.deepcopy(network).requires_grad_(False) if config.ema else network
        targets = torch.from_numpy(batches.items.targets)
        self.batch_loss = BatchLoss(config, self.extra, targets, self.device, centres)
        self.trained = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        self.optimizer = optimizer_of(self.trained, config)
        self.parts = {"pupil/": self.student, "optimizer/": self.optimizer}
        if config.ema:
            self.parts["average/"] = self.averaged.body
        self.restore()
        self.wrapped = processes.wrap(self.student, self.device)

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.step // self.batches.steps_an_epoch

    def go(self, stop: int) -> None:
        """Train up to a step, to the end or to early stopping; see `Stage.go`."""
        self._saved_at = time.monotonic()
        super().go(stop)

    def arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """The same kernels every time."""
        return same_kernels()

    def look_due(self, n_waiting: int) -> bool:
        """After some steps: losses stay on the device between looks."""
        return n_waiting >= _STEPS_A_LOOK

    def round_over(self) -> bool:
        """At the end of an epoch."""
        return self.step % self.batches.steps_an_epoch == 0

    def checkpoint_due(self) -> bool:
        """By time, as the first process says."""
        return self.processes.broadcast_flag(time.monotonic() - self._saved_at >= self.checkpoint_seconds, self.device)

    def before_checkpoint(self, metrics: Metrics | None, last: bool) -> None:
        """The time to the next checkpoint begins when this one is being written."""
        self._saved_at = time.monotonic()

    def train_step(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """One batch of clips."""
        config = self.config
        batch = self.batches.make(self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step, self.steps)
            if config.cycle_momentum:
                share = group["lr"] / config.learning_rate
                group["betas"] = (_RESTING_MOMENTUM - share * (_RESTING_MOMENTUM - _TOP_MOMENTUM), group["betas"][1])
        self.student.train()
        seed = int(np.random.default_rng([config.seed, 4, self.step, self.processes.rank]).integers(2**62))
        if self.masks is not None:
            self.masks.generator.manual_seed(seed)
        features = batch.features
        if features.ndim == 4:
            features = features.contiguous(memory_format=torch.channels_last)
        with self.seeded(seed), torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            tags = () if self.extra.tags is None else (self.batch_loss.tags(self.extra.tags, batch, seed),)
            logits, vectors = self.wrapped(features, *tags)
        loss = self.batch_loss(batch, logits, vectors)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.gradient_norm:
            nn.utils.clip_grad_norm_(self.trained, config.gradient_norm)
        self.optimizer.step()
        if config.ema:
            move_average(self.averaged.body, self.network.body, config.ema, self.step)
        return {"loss": loss.detach()}

    def note(self, values: Sequence[Mapping[str, float]], seconds: float, metrics: Metrics | None, last: bool) -> None:
        """Losses and time of the epoch so far."""
        self._loss_sum += sum(item["loss"] for item in values)
        self._loss_count += len(values)
        self._train_seconds += seconds
        self.seconds += seconds
        self.progress(self.step, self.steps, self._line())
        if self.processes.first:
            current().note(self._rates())

    def end_round(self, metrics: Metrics | None) -> None:
        """Score what was held back, and decide by it whether to go on."""
        began = time.monotonic()
        n_items = self._loss_count * self.batches.batch
        line: dict[str, Any] = {
            "step": self.step,
            "epoch": self.epoch,
            "loss": self._loss_sum / max(1, self._loss_count),
            "learning_rate": learning_rate(self.config, self.step - 1, self.steps),
            "seconds": round(self.seconds, 3),
            "clips_per_second": round(n_items / max(self._train_seconds, 1e-9), 2),
        }
        self.measured = {"loss": line["loss"], "clips_per_second": line["clips_per_second"]}
        if self.processes.first:
            for name, clips in self.held_out.items():
                if clips is not None:
                    line |= {
                        f"{name}_{figure}": value for figure, value in clips.score(self.averaged, self.config).items()
                    }
            if "test_accuracy" in line:
                line["test_chooses_nothing"] = True
            self.measured |= {name: value for name, value in line.items() if name.startswith(("validation", "test_a"))}
            self._judge(line)
        self.stopped = self.processes.broadcast_flag(self.stopped, self.device)
        self.seconds += time.monotonic() - began
        self._loss_sum, self._loss_count, self._train_seconds = 0.0, 0, 0.0
        if metrics is not None:
            metrics.write(**line)

    def _judge(self, line: Mapping[str, Any]) -> None:
        """Early stopping, by validation alone: the accuracy (lwlrap for "bce"), and where it is equal the loss."""
        if not self.config.patience or "validation_loss" not in line:
            return
        # A loss lies far below 1e3, so that the accuracy decides where it differs
        score = -line["validation_loss"] / 1e6
        score += line.get("validation_lwlrap", 0.0) if self.config.loss == "bce" else line["validation_accuracy"]
        if score > self.best:
            self.best, self.best_epoch = score, self.epoch
            self._export("best")
        self.stopped = self.epoch - self.best_epoch >= self.config.patience

    @property
    def pace(self) -> tuple[str, int, float]:
        """Epochs are counted."""
        return "epoch", self.config.epochs, 1 / self.batches.steps_an_epoch

    def _line(self) -> str:
        epochs = self.config.epochs
        return f"epoch {min(self.epoch + 1, epochs)} of {epochs}, {self._rates()}"

    def _rates(self) -> str:
        rate = self._loss_count * self.batches.batch / max(self._train_seconds, 1e-9)
        return f"loss {self.loss:.3f}, {rate:.1f} clips/s"

    @property
    def loss(self) -> float:
        """Mean over the epoch so far."""
        return self._loss_sum / max(1, self._loss_count)

    def about(self) -> dict[str, Any]:
        """Where the epoch is, and what early stopping goes by."""
        return {
            "steps": self.steps,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "best": self.best if math.isfinite(self.best) else None,
            "best_epoch": self.best_epoch,
            "measured": self.measured,
            "epoch_so_far": [self._loss_sum, self._loss_count, self._train_seconds],
        }

    def recall(self, about: Mapping[str, Any]) -> None:
        """Where the epoch is, and what early stopping goes by."""
        self.seconds, self.stopped = float(about["seconds"]), bool(about["stopped"])
        self.best = -math.inf if about["best"] is None else float(about["best"])
        self.best_epoch = int(about["best_epoch"])
        self.measured = {str(name): float(value) for name, value in dict(about["measured"]).items()}
        loss_sum, loss_count, train_seconds = about["epoch_so_far"]
        self._loss_sum, self._loss_count, self._train_seconds = float(loss_sum), int(loss_count), float(train_seconds)

    def export(self) -> None:
        """Write last.safetensors."""
        self._export("last")

    def _export(self, name: str) -> None:
        """Weights as `load_network("NAME:FOLDER")` reads them."""
        if not self.processes.first:
            return
        config = self.config
        about = {
            "kind": "mmasc-network",
            "network": config.network,
            "features": config.features,
            "arguments": config.arguments,
            "classes": list(config.classes),
            "dataset": config.dataset,
            "fold": config.fold,
            "seed": config.seed,
            "step": self.step,
        }
        self.save(name, dict(self.averaged.body.state_dict()), about)


def _no_progress(done: int, steps: int, line: str) -> None:
    pass
