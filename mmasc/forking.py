"""Processes that fork after mmasc was used (web servers, multiprocessing on Linux, data loaders) go on with one thread.

The threads of OpenMP do not live on in a child, yet the libraries still wait for them: the first parallel loop of the
child would hang for ever. With one thread there is no such loop. Lance reads in such a child, but its cleaning has
been seen to crash there: changes of a collection are refused. A child that wants more is to be started with "spawn".
"""

import os
import sys
from functools import cache

from mmasc.errors import MmascError

_forked = False  # whether this process came by a fork from one that had Lance loaded


@cache
def answer_after_fork() -> None:
    """From now on children of this process that are made by a fork use one thread; called before threads are."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def check_may_change() -> None:
    """Refuse to change a collection in a process that was forked from one that used Lance.

    Raises:
        MmascError: If this is such a process.
    """
    if _forked:
        raise MmascError(
            "this process was forked from one that had used a collection and can only read: change the collection in "
            "the parent, or start the process with multiprocessing.get_context('spawn')"
        )


def _one_thread() -> None:
    global _forked
    _forked = _forked or "lance" in sys.modules
    # what is not loaded has no threads yet, and a child may load it as it likes
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    if (faiss := sys.modules.get("faiss")) is not None:
        faiss.omp_set_num_threads(1)
    if (threadpoolctl := sys.modules.get("threadpoolctl")) is not None:  # scikit-learn has an OpenMP of its own
        threadpoolctl.threadpool_limits(limits=1, user_api="openmp")
