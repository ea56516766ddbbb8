"""Where windows to label come from: a collection, of which nothing is decoded, or files that are embedded now."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float

from mmasc.audio import AudioStatus, find_audio
from mmasc.audio.memory import MemorySound, Sound, is_one
from mmasc.collection import Collection
from mmasc.collection.clock import begins
from mmasc.collection.filters import passing_windows
from mmasc.collection.frames import window_order
from mmasc.collection.published import holds_collection
from mmasc.collection.space import SpaceReader
from mmasc.collection.vectors import check_finite_vectors, means_of, stored_windows
from mmasc.encoders.executing import wanted_now
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.errors import MmascError
from mmasc.labelling.timelines import Heard, Recording

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.embedding import FileVectors, WindowEncoder

_CALIBRATION_WINDOWS = 100_000  # to calibrate on at most; more change nothing but the memory that they take


def is_collection(path: Any) -> bool:
    """Whether this is a folder that holds a collection, or the address of a published one."""
    return isinstance(path, str | Path) and holds_collection(path)


def is_to_embed(source: Any) -> bool:
    """Whether these are recordings, which must be embedded first; not None, and no collection."""
    return source is not None and collection_or_sounds(source)[0] is None


def collection_or_sounds(paths: Any) -> tuple[Collection | None, list[Any]]:
    """A collection that is given in the place of recordings, opened; or else what is given, as a list.

    Raises:
        MmascError: If there are other things next to a collection.
    """
    given = [paths] if isinstance(paths, Collection) or is_one(paths) else list(paths)
    collections = [one for one in given if isinstance(one, Collection) or is_collection(one)]
    if not collections:
        return None, given
    if len(given) > 1:
        raise MmascError("give one collection alone, or recordings; not both, nor several collections")
    first = collections[0]
    return first if isinstance(first, Collection) else Collection(first), []


def heard_in_collection(collection: Collection, reader: SpaceReader, where: str | None = None) -> Iterator[Heard]:
    """Recordings of a collection, by path, some at a time.

    Args:
        collection: Opened.
        reader: The space.
        where: SQL on columns of recordings and windows: only windows that pass count.
    Raises:
        MmascError: If the condition cannot be read, or a vector holds NaN or infinity.
    """
    recordings = collection.recordings
    allowed = None if where is None else passing_windows(where, recordings, reader)
    paths = [collection.path_of(path) for path in recordings.column("path").to_pylist()]
    turn = np.empty(len(paths), np.int64)
    turn[np.array(sorted(range(len(paths)), key=paths.__getitem__), np.int64)] = np.arange(len(paths))
    columns = [recordings.column(name).to_pylist() for name in ("status", "reason", "duration", "sample_rate")]
    columns.append(begins(recordings))

    def rank(ids: np.ndarray) -> np.ndarray:
        return turn[[collection.row_of[int(one)] for one in ids]]

    def recording(one: int) -> Recording:
        row = collection.row_of[one]
        state, reason, duration, rate, begin = (column[row] for column in columns)
        return Recording(paths[row], AudioStatus(state, reason or "", None, duration), duration, rate, begin)

    for some in stored_windows(reader, allowed, rank):
        yield Heard(
            [recording(one) for one in some.ids.tolist()],
            means_of(reader, some),
            some.vectors,
            reader.start[some.positions],
            reader.end[some.positions],
            some.heard,
            some.bounds,
        )


def heard_in_files(
    files: Sequence[Sound | MemorySound],
    encoder: "WindowEncoder",
    hop_seconds: float | None,
    channels: str,
    strict: bool = False,
) -> Iterator[Heard]:
    """Recordings of files, one at a time while they are decoded.

    Args:
        files: As `find_sounds` gives them.
        encoder: Loaded.
        hop_seconds, channels: Hop in seconds and channels, as `embed_files` takes them.
        strict: Raise at the first file that cannot be read instead of giving it without windows.
    Raises:
        MmascError: If the hop is none, or (strict) a file cannot be read.
    """
    from mmasc.encoders.sound_progress import sound_phase

    with sound_phase("labelling", [file for file in files if isinstance(file, Path)]) as progress:
        for file in _embedded(files, encoder, hop_seconds, channels, progress.heard):
            progress.done(file)
            if strict and file.status.state == "failed":
                raise MmascError(file.status.reason)
            yield _heard_in_file(file, encoder.spec.dim)


def _embedded(
    files: Sequence[Sound | MemorySound],
    encoder: "WindowEncoder",
    hop_seconds: float | None,
    channels: str,
    heard: Callable[[Path, float], None],
) -> "Iterator[FileVectors]":
    """What became of the files, in order; on all cores, where that pays."""
    # Late: they load torch, which stored vectors do without
    from mmasc.collection.executors import Listener, choose_executor
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.embedding import embed_files

    paths = [file for file in files if isinstance(file, Path)]
    loaded = isinstance(encoder, Encoder) and encoder.origin is not None
    if not loaded or len(paths) < len(files):
        if wanted_now().elsewhere:
            what = "sounds in memory" if loaded else "networks, and encoders that were not loaded by name,"
            raise MmascError(f"{what} are heard in this process: leave out executor and workers")
        yield from embed_files(files, encoder, hop_seconds, channels, heard=heard)
        return
    assert isinstance(encoder, Encoder)
    hop = encoder.spec.hop if hop_seconds is None else float(hop_seconds)
    early: dict[Path, FileVectors] = {}
    left = Counter(paths)
    turn = iter(paths)
    next_path = next(turn, None)
    distinct = list(left)
    with choose_executor(encoder, hop, channels, distinct, digests=False) as chosen:
        for file in chosen.run(distinct, Listener(heard=heard)):
            early[file.path] = file
            while next_path is not None and next_path in early:
                left[next_path] -= 1
                yield early[next_path] if left[next_path] else early.pop(next_path)
                next_path = next(turn, None)


def _heard_in_file(file: "FileVectors", dim: int) -> Heard:
    there = file.status.state != "failed"
    return Heard(
        [Recording(str(file.path), file.status, file.duration, file.sample_rate)],
        file.vector[None] if there else np.zeros((1, dim)),
        file.vectors,
        file.starts,
        file.ends,
        file.heard,
        np.array([0, len(file.vectors)]),
    )


def unlabelled_vectors(
    source: str | Path | Collection | Sequence[str | Path],
    encoder: TextEncoder,
    hop_seconds: float | None = None,
    channels: str = "mix",
) -> Float[np.ndarray, "window dim"]:
    """Vectors of windows to calibrate on; what they are called is not asked.

    Windows count, not recordings: of one long recording there are as many as of many short ones. Windows of digital
    silence are left out, and of very many windows every n-th is taken.

    Args:
        source: A collection (folder or opened) with a space of this encoder, or recordings as `find_audio` takes them.
        encoder: Loaded; for a collection its text side is enough.
        hop_seconds, channels: Hop in seconds and channels for recordings that are embedded here.
    Raises:
        MmascError: If the collection has no space of this encoder, no recording is found, or one cannot be read.
    """
    collection, sounds = collection_or_sounds(source)
    if collection is None:
        heard = heard_in_files(find_audio(sounds), cast("Encoder", encoder), hop_seconds, channels, strict=True)
        parts = [one.vectors[one.heard] for one in heard]
        vectors = np.concatenate(parts) if parts else np.zeros((0, encoder.spec.dim))
        return _spread(vectors).astype(np.float64)
    spaces = collection.head.spaces
    same = [name for name, space in spaces.items() if space.identity == encoder.identity]
    if not same:
        has = ", ".join(f"{name} ({space.encoder})" for name, space in spaces.items()) or "none"
        raise MmascError(
            f"{collection.store.location} has no space of {encoder.spec.name} {encoder.identity}; it has: {has}; "
            f"name another encoder, or add one with: mmasc embed PATH --into ... --encoder {encoder.spec.name}"
        )
    reader = collection.space(same[0])
    vectors = reader.vectors(_spread(window_order(collection, reader, np.arange(len(reader)))))
    check_finite_vectors(reader, vectors)
    return vectors[~reader.is_silence(vectors)].astype(np.float64)


def _spread(items: np.ndarray) -> np.ndarray:
    """All items, or as many of them as fit, evenly spread."""
    return items[:: -(-len(items) // _CALIBRATION_WINDOWS) or 1]
