"""How many processor cores there are for this process, and how many threads and processes use them best.

The one place where numbers of threads are chosen. What users set themselves (OMP_NUM_THREADS, torch.set_num_threads in
a script) stays.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import parent_process
from pathlib import Path

_CGROUPS = ("/sys/fs/cgroup/cpu.max",)  # "quota period" in microseconds, or "max period"
_MEMORY = "/proc/meminfo"
_MEMORY_SHARE = 0.8  # of the free memory that workers may take
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than a container's quota pays for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            quota, period = Path(name).read_text("ascii").split()
            if quota != "max":
                cores = min(cores, max(int(quota) // int(period), 1))
    return cores


def worker_count(bytes_each: int) -> int:
    """How many processes that compute fit: one a core, and no more than there is memory for.

    Args:
        bytes_each: Memory that one of them takes.
    """
    free = free_memory()
    fitting = usable_cores() if free is None else int(_MEMORY_SHARE * free / max(bytes_each, 1))
    return max(min(usable_cores(), fitting), 1)


def free_memory() -> int | None:
    """Bytes that the system can still give without swapping; None where it does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(_MEMORY).read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def own_memory() -> int:
    """Bytes of memory that this process has had at most; 1 GiB where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 1 << 30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def threads_are_set() -> bool:
    """Whether the user has set numbers of threads in the environment."""
    return any(os.environ.get(name) for name in _VARIABLES)


@contextlib.contextmanager
def network_threads(many: bool) -> Iterator[None]:
    """Run a network by as many threads as are best for it, one window at a time; afterwards as before.

    A small network is slower by several threads than by one (they wait for each other after every layer), and threads
    change the last bits of many networks: one thread gives the same vectors on every machine and in every worker. What
    the environment says of threads is kept.

    Args:
        many: Whether the network's vectors are the same to the last bit by any number of threads, and it is large.
    """
    import torch

    before = torch.get_num_threads()
    if threads_are_set() or many or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread_environment() -> dict[str, str]:
    """The environment for a worker process: it computes with one thread."""
    return {**os.environ, **dict.fromkeys(_VARIABLES, "1")}


def end_with_parent() -> None:
    """In a worker of a pool: end without a word at Ctrl-C, and when the process that started it is killed.

    A pool's worker would wait for work without end, and write a traceback for each Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
