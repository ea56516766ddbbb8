"""Processes that fork after mmasc was used (web servers, multiprocessing on Linux, data loaders).

The threads of OpenMP do not live on in a child, yet the libraries still wait for them: the first parallel loop of the
child would never end. With one thread there is no such loop, so encoders and heads answer in a child. Lance's
threads do not live on either, and reading or cleaning tables in a child has been seen to crash: collections are refused
in a child whose parent had opened one. A child that needs them is to be started with "spawn", or opens them alone.
"""

import os
import sys
from functools import cache

from mmasc.errors import MmascError

_opened = False  # whether this process has opened a collection, so that Lance's threads run
_forked = False  # whether this process was forked from one that had


def check_may_open() -> None:
    """Refuse collections in a process that was forked from one that had opened any; called before Lance is.

    Raises:
        MmascError: If this is such a process.
    """
    global _opened
    answer_after_fork()
    if _forked:
        raise MmascError(
            "this process was forked from one that had opened a collection, and Lance does not work after a fork: "
            "open collections only in the child, or start it with multiprocessing.get_context('spawn')"
        )
    _opened = True


@cache
def answer_after_fork() -> None:
    """From now on children of this process that are made by a fork use one thread; called before threads are."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    global _forked
    _forked = _forked or _opened
    # what is not loaded has no threads yet, and a child may load it as it likes
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    if (faiss := sys.modules.get("faiss")) is not None:
        faiss.omp_set_num_threads(1)
    if (threadpoolctl := sys.modules.get("threadpoolctl")) is not None:  # scikit-learn has an OpenMP of its own
        threadpoolctl.threadpool_limits(limits=1, user_api="openmp")
