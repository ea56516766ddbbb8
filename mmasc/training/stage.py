"""The training loop: what every training of mmasc shares between its steps.

A run is a folder: config.json, metrics.jsonl, last.safetensors (what use needs), training.safetensors (everything to go
on from). All randomness of a step comes from the seed, the number of the step and the number of the process, and a
checkpoint holds everything else, so a run that was killed at any moment continues to exactly the same weights.
"""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmasc.devices import ProcessGroup
from mmasc.errors import MmascError
from mmasc.progress import SILENT, current
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.run_folder import Metrics, pack_optimizer, unpack_optimizer

Say = Callable[[str], None]
Values = Mapping[str, Tensor | float]
Part = nn.Module | nn.Parameter | torch.optim.Optimizer


class Stage:
    """A training between its steps.

    A subclass sets `parts` when its networks and optimisers are made and then calls `restore`. It writes `train_step`
    and `export`, and says when a checkpoint is due; the other methods up to `go` have defaults.

    Args:
        folder: Folder of the run, claimed already.
        config: Configuration of the run, with `seed`.
        steps: Where the training ends.
        device: Where the networks are.
        processes: Processes that train together.
        say: Called with lines about progress, by the first process.

    Attributes:
        name: Name in front of lines about progress.
        kind: Kind of its checkpoints, as their files say it.
        advice: What to change when the loss stops being a number.
        parts: What a checkpoint holds, by the beginning of the names in the file: modules and optimisers ("network/"),
            or a single parameter ("log_scale").
        report_steps: Steps from one line of metrics to the next.
        step: Steps that are done.
        saved_step: Step of the last checkpoint.
        stopped: Whether it ended before its last step.
    """

    name = ""
    kind = "mmasc-training"
    advice = "a lower --learning-rate"
    parts: dict[str, Part]
    report_steps = 50

    def __init__(
        self,
        folder: Path,
        config: Any,
        steps: int,
        device: torch.device,
        processes: ProcessGroup,
        say: Say | None = None,
    ) -> None:
        self.folder, self.config, self.steps, self.device, self.processes = folder, config, steps, device, processes
        self.say: Say = say if say is not None and processes.first else _silent
        self.step, self.saved_step, self.stopped = 0, 0, False
        self._sums, self._n_summed, self._sum_seconds = Counter[str](), 0, 0.0

    def train_step(self, generator: np.random.Generator) -> Values:
        """One step; what it cost, by name, "loss" among it."""
        raise NotImplementedError

    def export(self) -> None:
        """Write last.safetensors."""
        raise NotImplementedError

    def checkpoint_due(self) -> bool:
        """Whether to save everything after this step; at the last one it is saved anyway."""
        raise NotImplementedError

    def look_due(self, n_waiting: int) -> bool:
        """Whether to look at the values of the steps since the last look; before a checkpoint they are looked at."""
        return self.step % self.report_steps == 0

    def round_over(self) -> bool:
        """Whether a round of training ends with this step, so that `end_round` follows."""
        return False

    @property
    def pace(self) -> tuple[str, int, float]:
        """How progress is reported: what is counted, the total, and the part of it that a step is."""
        return f"{self.name} step".strip(), self.steps, 1.0

    def end_round(self, metrics: Metrics | None) -> None:
        """Validate, and decide whether to go on."""

    def before_checkpoint(self, metrics: Metrics | None, last: bool) -> None:
        """Validate and write what stands next to a checkpoint. Only the first process comes here."""

    def about(self) -> dict[str, Any]:
        """What a checkpoint keeps besides tensors and the step; JSON."""
        return {}

    def recall(self, about: Mapping[str, Any]) -> None:
        """Take what `about` kept."""

    def arithmetic(self) -> contextlib.AbstractContextManager[Any]:
        """Settings of torch for the whole loop."""
        return contextlib.nullcontext()

    def line(self, means: Mapping[str, float]) -> str:
        """Means of the last steps, to be read."""
        return ", ".join(f"{name} {value:.3f}" for name, value in means.items() if name != "learning_rate")

    def rates(self, steps_per_second: float) -> dict[str, float]:
        """Speeds for the metrics."""
        return {"steps_per_second": steps_per_second}

    def note(self, values: Sequence[Mapping[str, float]], seconds: float, metrics: Metrics | None, last: bool) -> None:
        """Take the values of some steps and the time they took; every `report_steps` a line tells their means."""
        for item in values:
            self._sums.update(item)
        self._n_summed += len(values)
        self._sum_seconds += seconds
        if self.step % self.report_steps and not last:
            return
        means = {name: total / self._n_summed for name, total in self._sums.items()}
        rate = self._n_summed / max(self._sum_seconds, 1e-9)
        if metrics is not None:
            metrics.write(step=self.step, **means, **self.rates(rate))
        left = (self.steps - self.step) / rate
        where = f"{self.name} step {self.step} of {self.steps}".strip()
        self.say(f"{where}: {self.line(means)}; {rate:.2f} steps/s, {left:.0f} s left")
        self._sums, self._n_summed, self._sum_seconds = Counter[str](), 0, 0.0

    def go(self, stop: int) -> None:
        """Train up to a step, or until the stage stops by itself.

        Raises:
            MmascError: If the loss is not a number (what was saved stays as it is), or a file cannot be written.
        """
        metrics = Metrics(self.folder / "metrics.jsonl", self.step) if self.processes.first else None
        waiting: list[Values] = []
        seconds = 0.0
        progress, (name, total, a_step) = current() if self.processes.first else SILENT, self.pace
        with progress.phase(name, total), self.arithmetic():
            progress.advance(self.step * a_step)
            while self.step < stop and not self.stopped:
                began = time.monotonic()
                waiting.append(self.train_step(self._generator()))
                self.step += 1
                progress.advance(a_step)
                last, over = self.step == stop, self.round_over()
                due = self.checkpoint_due() or last
                look = due or over or self.look_due(len(waiting))
                values = self._looked_at(waiting) if look else []
                seconds += time.monotonic() - began
                if look:
                    with self._writing():
                        self.note(values, seconds, metrics, last)
                    waiting, seconds = [], 0.0
                if over:
                    with self._writing():
                        self.end_round(metrics)
                if due or self.stopped:
                    self._checkpoint(metrics, last or self.stopped)
        ended = self.stopped or self.step >= self.steps
        if ended and self.processes.first and not (self.folder / "last.safetensors").exists():
            with self._writing():
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
            for prefix, part in self.parts.items():
                _put_back(part, prefix, tensors)
            self.step = int(about["step"])
            if not 0 <= self.step <= self.steps:
                raise ValueError(f"step {self.step} of {self.steps}")
            self.recall(about)
        except (RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
            first = " ".join(str(error).split())[:150]
            raise MmascError(
                f"{path} does not hold the state of this run to continue from ({first}); copy it again, or "
                "start a new run"
            ) from error
        self.saved_step = self.step

    @contextlib.contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """torch's randomness from a seed; afterwards it is as before."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients averaged over processes."""
        if self.processes.size > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.processes.mean(parameter.grad)

    def save(self, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Write NAME.safetensors into the folder of the run, completely or not at all."""
        path = self.folder / f"{name}.safetensors"
        with self._writing(path):
            save_tensors(path, tensors, about)

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, self.step, self.processes.rank])

    def _looked_at(self, waiting: Sequence[Values]) -> list[dict[str, float]]:
        """Values of steps as numbers, averaged over processes; a loss that is not a number ends the training."""
        values = [dict[str, float]() for _ in waiting]
        for name in waiting[0] if waiting else ():
            numbers = [item[name] for item in waiting]
            if self.processes.size > 1 or isinstance(numbers[0], Tensor):
                # On the device until now, so that an accelerator need not wait for the CPU at every step
                column = torch.stack([torch.as_tensor(number, device=self.device).float() for number in numbers])
                numbers = self.processes.mean(column).tolist()
            for item, number in zip(values, numbers, strict=True):
                item[name] = float(number)
        for step, item in enumerate(values, self.step - len(values) + 1):
            if not math.isfinite(item["loss"]):
                raise MmascError(
                    f"the loss is {item['loss']} at step {step} of {self.folder}: begin again in another folder with "
                    f"{self.advice}; the checkpoint of step {self.saved_step} is whole"
                )
        return values

    def _checkpoint(self, metrics: Metrics | None, last: bool) -> None:
        if self.processes.first:
            tensors: dict[str, Tensor] = {}
            for prefix, part in self.parts.items():
                tensors |= _tensors_of(part, prefix)
            with self._writing():
                self.before_checkpoint(metrics, last)
                self.save("training", tensors, {"kind": self.kind, "step": self.step, **self.about()})
        self.saved_step = self.step
        self.processes.wait()

    @contextlib.contextmanager
    def _writing(self, path: Path | None = None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = path or error.filename or self.folder
            raise MmascError(
                f"{what} cannot be written ({error.strerror or error}); make room and give the same command again: it "
                f"continues from step {self.saved_step}"
            ) from error


def _tensors_of(part: Part, prefix: str) -> dict[str, Tensor]:
    if isinstance(part, nn.Parameter):
        return {prefix: part}
    state = pack_optimizer(part) if isinstance(part, torch.optim.Optimizer) else part.state_dict()
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def _put_back(part: Part, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    if isinstance(part, nn.Parameter):
        with torch.no_grad():
            part.copy_(tensors[prefix])
        return
    state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    if isinstance(part, torch.optim.Optimizer):
        unpack_optimizer(part, state)
        _check_moments(part)
    else:
        part.load_state_dict(state)


def _check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Adam's moments have the shapes of the parameters; loading them does not ask."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq") if name in state):
                raise ValueError("moments of the optimiser do not fit the parameters")


def _silent(line: str) -> None:
    pass
