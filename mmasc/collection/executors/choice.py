"""The executor that was asked for, or the best one here."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmasc.collection.executors.automatic import Automatic
from mmasc.collection.executors.job import Executor, Recipe
from mmasc.collection.executors.local import Local
from mmasc.collection.executors.processes import Processes
from mmasc.collection.executors.units import expected_seconds
from mmasc.collection.executors.workers import Workers
from mmasc.cores import own_memory, usable_cores, worker_count
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError

EXECUTORS = ("local", "processes", "ray")


def check_executor(executor: str | None, workers: int | None, address: str | None) -> None:
    """Refuse what does not fit together, before anything is loaded.

    Raises:
        ValueError: If there is no such executor, or an argument belongs to another one.
    """
    if executor is not None and executor not in EXECUTORS:
        raise ValueError(f"executor must be one of {list(EXECUTORS)}, got {executor!r}")
    if address is not None and executor != "ray":
        raise ValueError("address is of executor ray: name that executor, or leave the address out")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if workers is not None and executor == "local":
        raise ValueError("executor local has no workers: name processes or ray, or leave workers out")


class Wanted(NamedTuple):
    """What the user says of who embeds.

    Attributes:
        executor: "local", "processes" or "ray"; None begins here and goes on in processes where these pay.
        workers: How many; None for one a core (Ray: one a core of the cluster).
        address: Address of a Ray cluster; "auto" for that of this machine, None for one of its own here.
    """

    executor: str | None = None
    workers: int | None = None
    address: str | None = None


@contextlib.contextmanager
def choose_executor(
    encoder: Encoder,
    hop_seconds: float,
    channels: str,
    files: Sequence[Path],
    threads: int = 1,
    wanted: Wanted | None = None,
    digests: bool = True,
) -> Iterator[Executor]:
    """An executor for as long as the block runs; its workers end with the block.

    Args:
        encoder: Loaded.
        hop_seconds, channels: As `embed_files` takes them.
        files: What there is to embed, about.
        threads: Threads that decode ahead of the network where it runs in this process.
        wanted: What the user says; None says nothing.
        digests: Whether digests of the files' contents are wanted.
    Raises:
        ValueError: As `check_executor` does.
        MmascError: If workers are asked for an encoder that was not loaded by name, or Ray is not installed.
    """
    executor, workers, address = wanted or Wanted()
    check_executor(executor, workers, address)
    recipe = Recipe.of(encoder, hop_seconds, channels, digests)
    local = Local(encoder, hop_seconds, channels, threads, digests)
    chosen: Executor
    if executor == "local" or (recipe is None and executor is workers is None):
        chosen = local
    elif recipe is None:
        raise MmascError("workers load encoders by name: give the name of the encoder, or executor local")
    elif executor == "ray":
        from mmasc.collection.executors.ray_cluster import ray_workers

        chosen = ray_workers(recipe, encoder, workers, address, len(files))
    else:
        # A worker is as large as this process, which has the same libraries and encoder
        count = workers or (worker_count(own_memory()) if encoder.device.type == "cpu" else 1)
        chosen = Workers("processes", partial(Processes, recipe), count, encoder, len(files))
        if executor is None and workers is None:
            count = count if usable_cores() > 1 else 1
            chosen = Automatic(local, chosen, count, sum(map(expected_seconds, files)), len(files))
    try:
        yield chosen
    finally:
        chosen.close()
