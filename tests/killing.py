"""Processes that are killed in the middle of their work, forked from a server that has imported what they need.

The seconds that imports take are paid once, and every kill meets work. What works says how far it is by `tick(number)`
and stops for ever at `last`: whenever the kill comes, something is still to be done.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

_PRELOADED = ["tests.conftest", "mmasc.collection.ingest", "mmasc.training.alignment", "mmasc.training.supervised"]
_PATIENCE_SECONDS = 120.0


def kill_in_mid_work(work: Callable[..., None], *arguments: object, after: int, last: int, delay: float) -> None:
    """Start `work(tick, *arguments)` and kill it a moment after it has said a number.

    Args:
        work: A function of a module, which the process imports by name.
        arguments: What else it gets.
        after: The number (or a higher one) that it must have said.
        last: The number at which it stops, so that it never comes to its end.
        delay: Seconds from that word to the kill.
    """
    import torch

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    hear, say = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(say, last, torch.get_num_threads(), work, arguments))
    with pytest.MonkeyPatch.context() as patch:
        # The server imports from where the tests are
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        process.start()
    say.close()
    with hear:
        told = -1
        while told < after:
            assert hear.poll(_PATIENCE_SECONDS), f"{work.__name__} said {told}, and then nothing for long"
            told = hear.recv()  # EOFError: it has ended by itself; why stands in what it printed
        time.sleep(delay)
        assert process.is_alive()
        process.kill()
        process.join(_PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL


def _work(say: Connection, last: int, n_threads: int, work: Callable[..., None], arguments: tuple) -> None:
    import torch

    torch.set_num_threads(n_threads)
    work(partial(_tick, say, last), *arguments)


def _tick(say: Connection, last: int, number: int) -> None:
    say.send(number)
    if number >= last:
        time.sleep(10 * _PATIENCE_SECONDS)
