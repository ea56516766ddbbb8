"""Names of devices → torch devices (`resolve_device`), and several processes that train one network.

Processes are started by `torchrun --nproc-per-node 4 -m mmasc train ...` and use torch's DistributedDataParallel;
without torchrun there is one process. Every process takes its rows of each batch; only the first one writes.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from mmasc.errors import MmascError
from mmasc.forking import answer_after_fork


@dataclass(frozen=True)
class Session:
    """Where something is worked out and who hears about it: what functions that load recordings hand on together.

    Attributes:
        device: As for `load_network`.
        cache: Folder that keeps decoded waveforms; None keeps them in memory.
        remark: Called with lines about what is being done; None says nothing.
        progress: Called with how many are done, and of how many; None as well.
    """

    device: str = "cpu"
    cache: str | Path | None = None
    remark: Callable[[str], None] | None = None
    progress: Callable[[int, int], None] | None = None

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> "Session":
        """The session that options of `train_network` or `evaluate` make; others among them are passed over.

        Their `progress` counts steps within runs, so it stays with them.
        """
        return cls(**{name: options[name] for name in ("device", "cache", "remark") if name in options})

    def say(self, line: str) -> None:
        """Hand a line to `remark`, where there is one."""
        if self.remark is not None:
            self.remark(line)


@dataclass(frozen=True)
class ProcessGroup:
    """How many processes there are, and which one this is."""

    size: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def share(self, batch: int, what: str) -> int:
        """How many of the items of a batch are this process's.

        Raises:
            MmascError: If the batch cannot be shared evenly.
        """
        if batch % self.size:
            raise MmascError(
                f"{batch} {what} per step cannot be shared evenly by {self.size} processes; give a --batch that is a "
                f"multiple of {self.size}"
            )
        return batch // self.size

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def broadcast_flag(self, value: bool, device: torch.device) -> bool:
        """Whether the first process says so."""
        if self.size == 1:
            return value
        flag = torch.tensor(float(value), device=device)
        distributed.broadcast(flag, 0)
        return bool(flag)

    def broadcast(self, values: torch.Tensor) -> torch.Tensor:
        """What the first process has here."""
        if self.size > 1:
            values = values.clone()
            distributed.broadcast(values, 0)
        return values

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over all processes."""
        if self.size > 1:
            values = values.clone()
            distributed.all_reduce(values)
            values /= self.size
        return values

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module with gradients averaged over all processes; itself where there is one."""
        if self.size == 1:
            return module
        devices = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices, find_unused_parameters=False)


def join_processes(device: str) -> tuple[ProcessGroup, str]:
    """Join the processes that torchrun started, and the device of this one ("cuda" becomes "cuda:LOCAL_RANK").

    Raises:
        MmascError: If torchrun's variables are not whole.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ProcessGroup(), device
    try:
        rank, local_rank = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    except (KeyError, ValueError) as error:
        raise MmascError("WORLD_SIZE is set but RANK is not: start several processes by torchrun") from error
    if device in ("cuda", "auto") and torch.cuda.is_available():
        device = f"cuda:{local_rank}"
        torch.cuda.set_device(local_rank)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", rank=rank, world_size=size)
        # Kept for the life of the process: a second group would look for its store where the first one still answers,
        # and trainings that follow each other (stages, folds, sweeps) would wait without end
        atexit.register(_leave)
    return ProcessGroup(size, rank, local_rank), device


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; "auto" is the best one present.

    Raises:
        MmascError: If the device does not exist.
    """
    answer_after_fork()
    if device == "auto":
        mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        resolved = torch.device(device)
        torch.empty(1, device=resolved)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).splitlines()[0]
        raise MmascError(f"device {device!r} cannot be used here ({first_line}); try --device cpu") from error
    return resolved
