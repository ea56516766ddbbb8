"""The choice of who embeds recordings: `local | processes | ray`. Loads nothing heavy, because it is read first.

`mmasc.embed` is told in its arguments; for what embeds recordings on its way to something else (`classify`, heads on
files) it is said around the call.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

EXECUTORS = ("local", "processes", "ray")


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

    @property
    def elsewhere(self) -> bool:
        """Whether workers are asked for, and not only allowed."""
        return self.executor in ("processes", "ray") or self.workers is not None


_WANTED: ContextVar[Wanted | None] = ContextVar("mmasc_executor", default=None)


@contextlib.contextmanager
def executing(executor: str | None = None, workers: int | None = None, address: str | None = None) -> Iterator[None]:
    """Embed recordings by this executor as long as the block runs, wherever none is named.

    Args:
        executor, workers, address: As `mmasc.embed` takes them.
    Raises:
        ValueError: If there is no such executor, or an argument belongs to another one.
    """
    check_executor(executor, workers, address)
    before = _WANTED.set(Wanted(executor, workers, address))
    try:
        yield
    finally:
        _WANTED.reset(before)


def wanted_now() -> Wanted:
    """What `executing` says around here."""
    return _WANTED.get() or Wanted()


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
