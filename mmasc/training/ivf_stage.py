"""What the stages of imagined visual features share: a folder, exact resume, chance by step, averaging over processes.

All chance of a step comes from the seed and the number of the step, so a run that was killed goes on to the very same
weights.
"""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.ivf.pairs import Pair, Pairs, Source
from mmasc.storage.files import replacing
from mmasc.training.checkpoints import (
    Metrics,
    claim_run,
    load_tensors,
    pack_optimizer,
    save_tensors,
    unpack_optimizer,
)
from mmasc.training.parallel import World

Say = Callable[[str], None]


class Stage:
    """A training stage between its steps.

    A subclass sets `modules` and `optimizers` (by name), writes `train_step`, `validate`, `export` and `draw_pictures`,
    and calls `restore` when they are made.

    Attributes:
        folder: Of this stage.
        step: Steps done.
        steps: Where it ends.
        validation: Latest figures on the sources held back (on those learned from, where none are).
    """

    name: str
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def __init__(self, folder: Path, config: Any, pairs: Pairs, device: torch.device, world: World, say: Say) -> None:
        if config.batch % world.size:
            raise MmascError(
                f"{config.batch} pairs a step cannot be shared evenly by {world.size} processes; give a --batch that "
                f"is a multiple of {world.size}"
            )
        self.folder, self.config, self.pairs, self.device, self.world = folder, config, pairs, device, world
        self.say: Say = say if world.first else _silent
        self.steps: int = config.steps
        self.step, self.validation = 0, dict[str, float]()
        if world.first:
            claim_run(folder, config)
        world.wait()

    def train_step(self, chance: np.random.Generator) -> dict[str, float]:
        """One step; what it cost, by name."""
        raise NotImplementedError

    def validate(self) -> dict[str, float]:
        """Figures on sources held back."""
        raise NotImplementedError

    def export(self) -> None:
        """Write last.safetensors."""
        raise NotImplementedError

    def draw_pictures(self, path: Path) -> None:
        """Write the picture of this moment."""
        raise NotImplementedError

    def go(self, stop: int, report_steps: int, checkpoint_steps: int, picture_steps: int) -> None:
        """Train up to a step; a loss that is no number ends it before anything is overwritten.

        Raises:
            MmascError: If the loss is no number.
        """
        metrics = Metrics(self.folder / "metrics.jsonl", self.step) if self.world.first else None
        since, at, sums = time.monotonic(), self.step, Counter[str]()
        while self.step < stop:
            chance = np.random.default_rng([self.config.seed, self.step, self.world.rank])
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(int(chance.integers(2**62)))
                values = self.train_step(chance)
            self.step += 1
            if not math.isfinite(values["loss"]):
                raise MmascError(
                    f"the loss of {self.name} is no number at step {self.step}; what was saved before is kept: start "
                    "a new run with a lower --learning-rate"
                )
            sums.update(values)
            last = self.step == stop
            if self.step % report_steps == 0 or last:
                self._report(metrics, sums, self.step - at, time.monotonic() - since)
                since, at, sums = time.monotonic(), self.step, Counter[str]()
            # Before the checkpoint: one that is killed in between draws it again
            if (self.step % picture_steps == 0 or last) and self.world.first:
                self.draw_pictures(self.folder / "pictures" / f"step-{self.step:06d}.png")
            if self.step % checkpoint_steps == 0 or last:
                self._checkpoint(metrics)
        if self.world.first and not (self.folder / "last.safetensors").exists():
            self.export()

    def restore(self) -> None:
        """Go on where the checkpoint of this folder is, if there is one.

        Raises:
            MmascError: If it is damaged or of another network.
        """
        path = self.folder / "training.safetensors"
        if not path.exists():
            return
        tensors, about = load_tensors(path)
        try:
            for name, module in self.modules.items():
                module.load_state_dict(_under(tensors, f"{name}/"))
            for name, optimizer in self.optimizers.items():
                unpack_optimizer(optimizer, _under(tensors, f"optimizer-{name}/"))
                _check_moments(optimizer)
            self.step, self.validation = int(about["step"]), dict(about["validation"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            first = " ".join(str(error).split())[:150]
            raise MmascError(
                f"{path} holds no state of this run to go on from ({first}); copy it again, or start a new run"
            ) from error

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients averaged over processes."""
        if self.world.size > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.world.mean(parameter.grad)

    def draw(self, sources: Sequence[int], n: int, chance: np.random.Generator) -> list[Pair]:
        """This process's part of a batch of `n` pairs, drawn evenly from sources."""
        share = n // self.world.size
        return [self.pairs.draw(sources[int(number)], chance) for number in chance.integers(len(sources), size=share)]

    def _report(self, metrics: Metrics | None, sums: Mapping[str, float], n_steps: int, seconds: float) -> None:
        means = {name: total / n_steps for name, total in sums.items()}
        rate = n_steps / max(seconds, 1e-9)
        if metrics is not None:
            per_second = rate * self.config.batch
            metrics.write(step=self.step, **means, steps_per_second=rate, pairs_per_second=per_second)
        left = (self.steps - self.step) / rate
        told = ", ".join(f"{name} {value:.3f}" for name, value in means.items() if name != "learning_rate")
        self.say(f"{self.name} step {self.step} of {self.steps}: {told}; {rate:.2f} steps/s, {left:.0f} s left")

    def _checkpoint(self, metrics: Metrics | None) -> None:
        if not self.world.first:
            return
        self.validation = self.validate()
        if metrics is not None:
            metrics.write(step=self.step, **{f"validation/{name}": value for name, value in self.validation.items()})
        self.say(f"{self.name} held back: " + ", ".join(f"{key} {value:.3f}" for key, value in self.validation.items()))
        self.export()
        tensors: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            tensors |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            tensors |= {f"optimizer-{name}/{key}": tensor for key, tensor in pack_optimizer(optimizer).items()}
        about = {"kind": "mmasc-training", "step": self.step, "validation": self.validation}
        save_tensors(self.folder / "training.safetensors", tensors, about)


def pairs_digest(sources: Sequence[Source], held: Sequence[int]) -> str:
    """Of the names and groups of sources in their order, and of which of them are held back."""
    lines = [f"{source.name} {source.label} {source.group}" for source in sources] + [f"{number}" for number in held]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def falling_rate(step: int, steps: int, top: float) -> float:
    """Learning rate of a step: even through the first half, then a cosine down to nothing."""
    half = steps / 2
    if step < half:
        return top
    return top * (1 + math.cos(math.pi * (step - half) / half)) / 2


def contact_sheet(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Write rows of pictures (each uint8 [picture height width 3]) under each other as one PNG.

    Small pictures are enlarged, without smoothing, so that there is something to look at.
    """
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    factor = max(1, 96 // rows[0].shape[1])
    with replacing(path) as beside:
        Image.fromarray(sheet.repeat(factor, 0).repeat(factor, 1)).save(beside, format="PNG")


def _check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Adam's moments have the shapes of the parameters; loading them does not ask."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq") if name in state):
                raise ValueError("moments of the optimiser do not fit the parameters")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _silent(line: str) -> None:
    pass
