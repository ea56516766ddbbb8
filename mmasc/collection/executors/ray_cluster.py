"""Workers of a Ray cluster (the extra `scale`); Ray is imported when one is asked for by name, and nowhere else.

Ray restarts nothing: a restarted actor answers calls with errors for seconds and draws one unit after the other into
its fall. `Pool` takes a lost worker out and begins another. Everyone who reaches the ports of a Ray cluster can run
programs on it: one that is started here listens to this machine alone, others belong in a private network.
"""

import contextlib
import os
import secrets
import socket
import sys
import warnings
from typing import Any

from mmasc.collection.executors.job import Recipe, Unit
from mmasc.collection.executors.ray_actor import Actor
from mmasc.collection.executors.workers import Workers
from mmasc.cores import usable_cores
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError

_CONNECT_SECONDS = 10.0
_FETCH_SECONDS = 120.0  # for events that are there already to come over the network
_OBJECT_STORE_BYTES = 256 << 20  # events are small, and taken as they come


def ray_workers(recipe: Recipe, encoder: Encoder, workers: int | None, address: str | None, expected: int) -> Workers:
    """The executor of a Ray cluster.

    Args:
        recipe, encoder: How files are embedded, and the driver's own encoder.
        workers: How many actors; None for as many as the cluster has cores (on GPUs: GPUs).
        address: "HOST:PORT" of a cluster, "auto" for the one that this machine belongs to, None for one on this
            machine that lives as long as the run.
        expected: About how many files.
    Raises:
        MmascError: If Ray is not installed, or nothing answers at the address.
    """
    cluster = RayCluster(recipe, workers, address)
    try:
        count = workers or cluster.slots()
    except BaseException:
        cluster.close()
        raise
    return Workers("ray", lambda: cluster, count, encoder, expected)


class RayCluster:
    """The `Transport` of actors of Ray.

    Args:
        recipe, workers, address: As `ray_workers` takes them.
    """

    def __init__(self, recipe: Recipe, workers: int | None, address: str | None) -> None:
        self.recipe = recipe
        self.on_gpu = recipe.origin.device != "cpu"
        if address not in (None, "auto"):
            _knock(address)
        # Ray writes messages of its own to stdout, where results belong; it looks stdout up when it is imported
        self._apart = contextlib.ExitStack()
        self._apart.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            self.ray = _import_ray(own=address is None)
            self._own = not self.ray.is_initialized()
            if self._own:
                self._connect(workers, address)
        except BaseException:
            self._apart.close()
            raise
        self._actors: dict[int, Any] = {}
        self._waiting: dict[Any, int] = {}  # what is waited for → worker; what comes of `ready`, and streams of events
        self._count = 0

    def slots(self) -> int:
        """How many workers the cluster has room for.

        Raises:
            MmascError: If a GPU is asked for and none is there.
        """
        kind = "GPU" if self.on_gpu else "CPU"
        count = int(self.ray.cluster_resources().get(kind, 0))
        if count < 1:
            raise MmascError(f"the Ray cluster has no {kind} for workers; leave out --device, or add a machine to it")
        return count

    def begin(self) -> int:
        """See `Transport`."""
        needs = {"num_cpus": 0, "num_gpus": 1} if self.on_gpu else {"num_cpus": 1}
        kind = self.ray.remote(max_restarts=0, max_task_retries=0, **needs)(Actor)
        self._count += 1
        actor = kind.remote(self.recipe.on("cuda") if self.on_gpu else self.recipe, None if self.on_gpu else 1)
        self._actors[self._count] = actor
        self._waiting[actor.ready.remote()] = self._count
        return self._count

    def send(self, worker: int, unit: Unit) -> None:
        """See `Transport`."""
        stream = self._actors[worker].run.options(num_returns="streaming").remote(unit)
        self._waiting[stream] = worker

    def receive(self, seconds: float) -> list[tuple[int, tuple]]:
        """See `Transport`."""
        waiting = list(self._waiting)
        if not waiting:
            return []
        first, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds)
        ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0) if first else ([], [])
        found: list[tuple[int, tuple]] = []
        for one in dict.fromkeys([*first, *ready]):
            worker = self._waiting.get(one)
            if worker is not None:  # it may have been lost by what came just before
                found += [(worker, event) for event in self._events(one, worker)]
        return found

    def end(self, worker: int) -> None:
        """See `Transport`."""
        self._forget(worker)
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.kill(self._actors.pop(worker))

    def close(self) -> None:
        """See `Transport`."""
        try:
            for worker in list(self._actors):
                self.end(worker)
            if self._own:
                self.ray.shutdown()
        finally:
            self._apart.close()

    def _events(self, one: Any, worker: int) -> list[tuple]:
        """What has come of something that is ready."""
        try:
            if isinstance(one, self.ray.ObjectRef):
                del self._waiting[one]
                return [self.ray.get(one, timeout=_FETCH_SECONDS)]
            return self.ray.get(next(one), timeout=_FETCH_SECONDS)
        except StopIteration:
            del self._waiting[one]
            return []
        except self.ray.exceptions.RayError as error:
            self._forget(worker)
            return [("lost", " ".join(str(error).split())[:200])]

    def _forget(self, worker: int) -> None:
        self._waiting = {one: whose for one, whose in self._waiting.items() if whose != worker}

    def _connect(self, workers: int | None, address: str | None) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is None:
            quiet |= {
                "num_cpus": workers or usable_cores(),
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
            }
        try:
            with warnings.catch_warnings():
                # Ray's own processes are forked, and open no tables; what it says of its own future is not for users
                warnings.filterwarnings("ignore", "lance is not fork-safe", UserWarning)
                warnings.simplefilter("ignore", (FutureWarning, DeprecationWarning, ResourceWarning))
                self.ray.init(address=address or "local", **quiet)
        except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            where = "on this machine" if address in (None, "auto") else f"at {address}"
            raise MmascError(f"no Ray cluster {where} ({reason}); start one with: ray start --head") from error


def _import_ray(own: bool) -> Any:
    """Ray, and for a cluster of our own a token; both are looked up when it is imported first."""
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if own and not os.environ.get("RAY_AUTH_MODE"):
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise MmascError("executor ray needs Ray: pip install 'mmasc[scale]'") from error
    return ray


def _knock(address: str) -> None:
    """Look whether anything listens there: Ray itself waits for long, and then ends the process."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in address:
        raise MmascError(f"address of a Ray cluster must be HOST:PORT or auto, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise MmascError(f"no Ray cluster at {address} ({error}); start one there with: ray start --head") from error
