"""The index of a space brought up to its windows: built where it lacks too much, and saved for the next reader."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from filelock import FileLock, Timeout

from mmasc.collection.head import SpaceHead
from mmasc.collection.index import IndexPolicy, Scan, VectorIndex, import_faiss
from mmasc.collection.index_files import HEADER, forget
from mmasc.collection.segment_files import (
    damaged_segments,
    drop_segments,
    load_segment,
    save_segment,
    segment_names,
    sweep_segments,
)
from mmasc.collection.segments import GONE_SHARE, Piece, Placed, Places, missing, outside, usable
from mmasc.collection.sharing import shared
from mmasc.collection.space_index import SpaceIndex
from mmasc.collection.store import Store
from mmasc.cores import end_with_parent
from mmasc.progress import current

# A small index is built again when it lacks more than a quarter of its own size
_FRESH_SHARE = 0.25
# Another process that builds segments takes long: this one looks through what they do not hold yet
_LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Building:
    """How segments are built.

    Attributes:
        workers: Processes that build one each; with 1 they are built here.
        join: Whether segments that are not full become full ones, where there are enough of them.
    """

    workers: int = 1
    join: bool = False


@runtime_checkable
class Windows(Protocol):
    """What is asked of the windows of a space."""

    store: Store
    space: SpaceHead
    row_ids: np.ndarray
    policy: IndexPolicy

    def __len__(self) -> int: ...

    def probes(self) -> np.ndarray | None:
        """Text vectors `[item dim]`, to measure recall with."""
        ...

    def outdated(self) -> bool:
        """Whether the windows have changed since."""
        ...


def index_of(windows: Windows, building: Building | None = None) -> SpaceIndex:
    """The index of a space; what is missing is built and saved, or kept in memory where nothing can be written."""
    exact = windows.policy.kind(len(windows), windows.space.dim) == "flat"
    places = Places(windows.row_ids)
    held = [_flat(windows, places)] if exact else _segments(windows, places, building or Building())
    rest = outside(held, len(windows))
    numbers = windows.policy.flat_numbers
    return SpaceIndex(held, rest, len(windows), windows.space.dim, max(numbers, 1 << 20))


def forget_index(folder: Path) -> None:
    """Make the saved index of a space count no more; the next reader builds it again."""
    forget(folder)
    drop_segments(folder, segment_names(folder))


def forget_worn(windows: Windows) -> None:
    """Make what is not as good as newly built count no more: small indexes, segments with gaps or damage."""
    folder = _folder(windows)
    forget(folder)
    places, damaged = Places(windows.row_ids), set(damaged_segments(folder))
    for name in segment_names(folder):
        index = load_segment(folder, name)
        if index is None or name in damaged or places.place(name, index).places is not None:
            drop_segments(folder, [name])


def _flat(windows: Windows, places: Places) -> Placed:
    """The exact index of a small space."""
    index = VectorIndex.load(_folder(windows))
    if index is not None and index.kind == "flat" and index.index.d == windows.space.dim:
        placed = places.place("", index)
        fresh = len(windows) - (len(index) - placed.gone)
        if fresh <= _FRESH_SHARE * len(index) and placed.gone <= GONE_SHARE * len(index):
            return placed
    index = VectorIndex.build(
        lambda: windows.store.vectors(windows.space), len(windows), windows.space.dim, windows.policy, windows.probes()
    )
    try:
        index.save(_folder(windows), windows.space.version or 0, windows.outdated())
    except OSError as error:
        _remark(windows, error)
    return places.place("", index)


def _segments(windows: Windows, places: Places, building: Building) -> list[Placed]:
    """The segments of a large space, those that are missing built."""
    folder = _folder(windows)
    held = _held(windows, places)
    if not missing(held, len(windows), windows.space.dim, windows.policy, building.join)[0]:
        if _unneeded(windows, held) and not windows.outdated():
            with contextlib.suppress(Timeout, OSError), _planning(folder, 0):
                held = _held(windows, places)
                _drop_unneeded(windows, held)
        return held
    try:
        with _planning(folder, _LOCK_SECONDS):
            sweep_segments(folder)
            held = _held(windows, places)
            pieces, replaced = missing(held, len(windows), windows.space.dim, windows.policy, building.join)
            for _ in _built(windows, pieces, building.workers):
                current().advance()
            drop_segments(folder, [one.name for one in replaced if one.name])
            if any(not one.name for one in replaced) or not held:
                forget(folder)  # an index of an earlier version of mmasc
            held = _held(windows, places)
            _drop_unneeded(windows, held)
            return held
    except Timeout:
        windows.store.remark(
            f"another process builds the index of {windows.space.encoder}: "
            "windows that it does not hold yet are compared one by one"
        )
        return held
    except OSError as error:
        _remark(windows, error)
        pieces, replaced = missing(held, len(windows), windows.space.dim, windows.policy)
        made = [
            places.place("", _build(windows.store, windows.space, one, windows.policy, windows.probes()))
            for one in pieces
        ]
        return usable([*(one for one in held if one not in replaced), *made])


@contextlib.contextmanager
def _planning(folder: Path, seconds: float) -> Iterator[None]:
    """Hold the lock for planning and building the segments of a space, once it is free within some seconds."""
    with shared(folder), FileLock(folder / ".segments.lock", timeout=seconds):
        yield


def _unneeded(windows: Windows, held: list[Placed]) -> set[str]:
    """Names of segments that are no longer searched: a builder was killed before it deleted what it had replaced.

    "" is the one index of a space that was small, or of an earlier version of mmasc.
    """
    names = {*segment_names(_folder(windows))} - {one.name for one in held}
    # Where only the memory is too small for an exact index, others that share the folder may use theirs
    large = len(windows) * windows.space.dim > windows.policy.flat_numbers
    if large and all(one.name for one in held) and (_folder(windows) / HEADER).exists():
        names.add("")
    return names


def _drop_unneeded(windows: Windows, held: list[Placed]) -> None:
    """Delete what is not searched, unless newer windows may need it; call it under the lock."""
    names = _unneeded(windows, held)
    if windows.outdated():
        return
    drop_segments(_folder(windows), [one for one in names if one])
    if "" in names:
        forget(_folder(windows))


def _held(windows: Windows, places: Places) -> list[Placed]:
    """The segments that are there, and the index that an earlier version of mmasc left."""
    folder = _folder(windows)
    found = {name: load_segment(folder, name) for name in segment_names(folder)}
    found[""] = VectorIndex.load(folder)
    return usable(
        [
            places.place(name, index)
            for name, index in found.items()
            if index is not None and index.index.d == windows.space.dim and (name or index.kind != "flat")
        ]
    )


def _built(windows: Windows, pieces: list[Piece], workers: int) -> Iterator[str]:
    """Names of new segments, as they are built."""
    jobs = [(str(windows.store.folder), windows.space, piece, windows.policy, windows.probes()) for piece in pieces]
    if workers < 2 or len(jobs) < 2:
        yield from (build_segment(*job) for job in jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=_worker) as pool:
        try:
            for done in as_completed([pool.submit(build_segment, *job) for job in jobs]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def build_segment(folder: str, space: SpaceHead, piece: Piece, policy: IndexPolicy, probes: np.ndarray | None) -> str:
    """Build and save one segment; all that it is given can be sent to another process.

    Args:
        folder: The collection.
        space: The space at the version whose windows are meant, which somebody keeps from being cleaned.
        piece: Which windows, and what becomes of them.
        policy: Recall that is wanted, and others.
        probes: Text vectors `[item dim]`.
    Returns:
        Name of the segment.
    """
    store = Store(folder)
    return save_segment(store.space_folder(space.identity), _build(store, space, piece, policy, probes))


def _build(store: Store, space: SpaceHead, piece: Piece, policy: IndexPolicy, probes: np.ndarray | None) -> VectorIndex:
    scan: Scan = lambda: store.vectors(space, first=piece.first, last=piece.last)  # noqa: E731
    return VectorIndex.build(scan, piece.last - piece.first, space.dim, policy, probes, piece.kind)


def _worker() -> None:
    end_with_parent()
    import_faiss().omp_set_num_threads(1)


def _folder(windows: Windows) -> Path:
    return windows.store.space_folder(windows.space.identity)


def _remark(windows: Windows, error: OSError) -> None:
    windows.store.remark(
        f"the index of {windows.space.encoder} is in memory alone and is built again by every reader: "
        f"{_folder(windows)} cannot be written to ({error.strerror or error})"
    )
