"""The executor that was asked for, or the best one here."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from mmasc.collection.executors.automatic import Automatic
from mmasc.collection.executors.job import Executor, Recipe
from mmasc.collection.executors.local import Local
from mmasc.collection.executors.processes import Processes
from mmasc.collection.executors.units import expected_seconds
from mmasc.collection.executors.workers import Workers
from mmasc.cores import own_memory, usable_cores, worker_count
from mmasc.encoders.base import Encoder
from mmasc.encoders.executing import Wanted, check_executor, wanted_now
from mmasc.errors import MmascError


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
        wanted: What the user says; None takes what `executing` says.
        digests: Whether digests of the files' contents are wanted.
    Raises:
        ValueError: As `check_executor` does.
        MmascError: If workers are asked for an encoder that was not loaded by name, or Ray is not installed.
    """
    executor, workers, address = wanted_now() if wanted is None else wanted
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
