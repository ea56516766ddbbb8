"""Sounds with pictures → pairs of a window of sound and a frame from inside that window.

A source is a film, or a recording next to a photograph. Each is decoded once, by workers that survive broken files,
into one file of a cache; pairs are then drawn from there, the same ones for the same seed.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from safetensors import SafetensorError, safe_open

from mmasc.audio import stream_audio
from mmasc.errors import MmascError, show_path
from mmasc.ivf.pictures import FILM_EXTENSIONS, read_film, read_photograph
from mmasc.storage.tables import read_table
from mmasc.storage.tensors import save_tensors
from mmasc.storage.texts import parse_json

# Changes when what is decoded changes
_VERSION = 2
# Of one sound
_MOST_HOURS = 24
# Decoded sources that stay in memory
_MOST_BYTES = 2 << 30
_LAYOUT = "a folder of films, or a CSV table with a column `video`, or columns `audio` and `image` (paths next to it)"


@dataclass(frozen=True)
class Source:
    """A film, or a recording with a photograph.

    Attributes:
        name: Name for people.
        sound: The file with the sound; of a film, the film.
        picture: The photograph; None for a film.
        label: What it is, where the table says so.
        group: Sources of one group are never split; by default each film is its own.
    """

    name: str
    sound: Path
    picture: Path | None = None
    label: str = ""
    group: str = ""


@dataclass(frozen=True)
class PairConfig:
    """How sources are decoded.

    Attributes:
        size: Height and width of pictures in pixels.
        sample_rate: Sample rate of sounds, in Hz.
        window_seconds: Seconds of sound that goes with a frame.
        frames_per_second: At most so many frames of a film are kept.
    """

    size: int = 64
    sample_rate: int = 16_000
    window_seconds: float = 0.96
    frames_per_second: float = 4.0

    def __post_init__(self) -> None:
        if self.size < 8 or not self.window_seconds > 0 or not self.frames_per_second > 0:
            raise ValueError(
                "size >= 8, window_seconds > 0 and frames_per_second > 0 must hold, got "
                f"{self.size}, {self.window_seconds}, {self.frames_per_second}"
            )

    @property
    def window_samples(self) -> int:
        """Length of a window in samples."""
        return round(self.window_seconds * self.sample_rate)


@dataclass(frozen=True)
class Pair:
    """A window of sound and a frame from inside it.

    Attributes:
        window: float32 samples at the configuration's rate; silence where the sound is shorter than a window.
        frame: uint8 RGB.
        source: Number of its source.
        start_seconds: Where the window begins.
        frame_seconds: When the frame was seen; a photograph is seen all the time: the middle of the window.
    """

    window: Float[np.ndarray, " time"]
    frame: UInt8[np.ndarray, "size size 3"]
    source: int
    start_seconds: float
    frame_seconds: float


def read_sources(path: str | Path, group_column: str | None = None) -> list[Source]:
    """The sources of a folder of films or of a table.

    Args:
        path: A folder (with films at any depth, or with a table meta.csv or pairs.csv of sources), or a CSV table.
        group_column: Column of a table: rows that share it are never split (uploader, place); default: `group` if
            there.
    Raises:
        MmascError: If there is nothing, or the table lacks the columns; the layout expected is shown.
    """
    path = Path(path)
    if path.is_file():
        return _read_table(path, group_column)
    if not path.is_dir():
        raise MmascError(f"{path} does not exist; pairs are {_LAYOUT}")
    for name in ("pairs.csv", "meta.csv"):
        if (path / name).is_file():
            return _read_table(path / name, group_column)
    films = sorted(file for file in path.rglob("*") if file.suffix.lower() in FILM_EXTENSIONS and file.is_file())
    if not films:
        raise MmascError(f"{path} holds no films ({' '.join(sorted(FILM_EXTENSIONS))}); pairs are {_LAYOUT}")
    names = [str(film.relative_to(path)) for film in films]
    return [Source(name, film, None, "", name) for name, film in zip(names, films, strict=True)]


def split_sources(sources: Sequence[Source], share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Sources to learn from and sources held back; groups stay together.

    Args:
        sources: Sources from `read_sources`.
        share: Share of the groups to hold back, at least one where it is above 0; a single group is learned from.
        seed: Random seed of the choice.
    Returns:
        Numbers of sources in ascending order.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be in [0, 1), got {share}")
    groups = sorted({source.group for source in sources})
    n_held = min(max(1, round(share * len(groups))), len(groups) - 1) if share else 0
    order = np.random.default_rng(seed).permutation(len(groups))
    held = {groups[number] for number in order[:n_held]}
    numbers = range(len(sources))
    return [n for n in numbers if sources[n].group not in held], [n for n in numbers if sources[n].group in held]


class Pairs:
    """Decoded sources that pairs are drawn from.

    Attributes:
        sources: Those that could be read.
        config: How they were decoded.
        faults: One line for each source that was left out or only partly read.
    """

    def __init__(self, sources: Sequence[Source], files: Sequence[Path], config: PairConfig, faults: list[str]) -> None:
        self.sources, self._files, self.config, self.faults = list(sources), list(files), config, faults
        self._held: dict[int, _Decoded] = {}
        self._lengths: dict[int, _Lengths] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self.sources)

    def draw(self, source: int, chance: np.random.Generator) -> Pair:
        """A frame of a source at random, and a window of sound at random among those that it lies inside of."""
        n_samples, n_frames, times = self._measure(source)
        number = int(chance.integers(n_frames))
        seconds, window = n_samples / self.config.sample_rate, self.config.window_seconds
        at = float(times[number]) if len(times) else float(chance.uniform(0, seconds))
        earliest, latest = max(0.0, at - window), max(0.0, min(at, seconds - window))
        return self._cut(source, number, float(chance.uniform(min(earliest, latest), latest)), at)

    def middle(self, source: int) -> Pair:
        """The frame nearest to the middle of a source, with the window around it: no chance."""
        n_samples, n_frames, times = self._measure(source)
        seconds, window = n_samples / self.config.sample_rate, self.config.window_seconds
        number = int(np.argmin(np.abs(times - seconds / 2))) if len(times) else n_frames // 2
        at = float(times[number]) if len(times) else seconds / 2
        return self._cut(source, number, min(max(0.0, at - window / 2), max(0.0, seconds - window)), at)

    def frames(self, source: int) -> UInt8[np.ndarray, "frame size size 3"]:
        """All frames kept of a source."""
        return self._read(source, "frames", 0, self._measure(source).n_frames)

    def _cut(self, source: int, frame: int, start: float, at: float) -> Pair:
        length, first = self.config.window_samples, round(start * self.config.sample_rate)
        window = self._read(source, "waveform", first, first + length)
        (picture,) = self._read(source, "frames", frame, frame + 1)
        return Pair(np.pad(window, (0, length - len(window))), picture, source, start, at)

    def _measure(self, source: int) -> "_Lengths":
        """Lengths and times of a source; as many whole sources as fit in memory stay there from now on."""
        if source not in self._lengths:
            with safe_open(str(self._files[source]), "pt") as stored:
                n_samples, n_frames = (stored.get_slice(name).get_shape()[0] for name in ("waveform", "frames"))
                # Copies: what is read lies in the file's memory map, which ends with the file
                times = stored.get_tensor("times").clone().numpy()
                self._lengths[source] = _Lengths(n_samples, n_frames, times)
                size = 4 * n_samples + 3 * n_frames * self.config.size**2
                if self._held_bytes + size <= _MOST_BYTES:
                    self._held_bytes += size
                    self._held[source] = _Decoded(
                        *(stored.get_tensor(name).clone().numpy() for name in ("waveform", "frames"))
                    )
        return self._lengths[source]

    def _read(self, source: int, name: str, first: int, last: int) -> np.ndarray:
        """Samples or frames from `first` up to `last`: out of memory, or these alone from the cache."""
        if source in self._held:
            return getattr(self._held[source], name)[first:last]
        with safe_open(str(self._files[source]), "pt") as stored:
            part = stored.get_slice(name)
            return part[first : min(last, part.get_shape()[0])].clone().numpy()


class _Lengths(NamedTuple):
    n_samples: int
    n_frames: int
    times: np.ndarray


class _Decoded(NamedTuple):
    waveform: np.ndarray
    frames: np.ndarray


def prepare_pairs(
    sources: Sequence[Source],
    config: PairConfig,
    cache: str | Path,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Decode every source that the cache does not hold yet.

    Args:
        sources: Sources from `read_sources`.
        config: How they are decoded; another configuration has files of its own in the same cache.
        cache: Folder, made where it is missing; safe to share between runs and processes.
        workers: Processes; 0 decodes in this one. A file that kills its worker is named and left out.
        progress: Called with the number done and the total.
    Returns:
        The sources that can be used, and what was wrong with others.
    Raises:
        MmascError: If none can be used; the first fault is named.
    """
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    results: dict[int, tuple[Path | None, list[str]]] = {}
    for number, result in _decoded(sources, config, cache, workers):
        results[number] = result
        if progress is not None:
            progress(len(results), len(sources))
    faults = [fault for number in sorted(results) for fault in results[number][1]]
    kept = [(sources[number], file) for number, (file, _) in sorted(results.items()) if file is not None]
    if not kept:
        raise MmascError(f"none of the {len(sources)} pairs can be used; the first fault: {faults[0]}")
    return Pairs([source for source, _ in kept], [file for _, file in kept], config, faults)


def decode_source(source: Source, config: PairConfig, cache: Path) -> tuple[Path | None, list[str]]:
    """Decode a source into its file of the cache, unless it is there.

    Returns:
        The file, or None where the source cannot be used, and one line for each thing that was wrong.
    """
    try:
        file = cache / f"{_key(source, config)}.safetensors"
        if file.is_file() and (known := _faults_of(file)) is not None:
            return file, known
        waveform, fault = _read_sound(source.sound, config.sample_rate)
        faults = [fault] if fault else []
        seconds = len(waveform) / config.sample_rate
        if source.picture is not None:
            frames, times = read_photograph(source.picture, config.size)[None], np.zeros(0)
        else:
            frames, times, fault = read_film(source.sound, config.size, config.frames_per_second)
            faults += [fault] if fault else []
            inside = times < seconds
            if not inside.any():
                return None, [f"{show_path(source.sound)}: no frame lies inside its {seconds:.2f} s of sound; left out"]
            frames, times = frames[inside], times[inside]
            if len(frames) == 1:
                faults.append(f"{show_path(source.sound)}: has one frame only; taken as a photograph")
                times = np.zeros(0)
        if len(waveform) < config.window_samples:
            faults.append(
                f"{show_path(source.sound)}: {seconds:.2f} s of sound are less than a window of "
                f"{config.window_seconds:g} s; filled with silence"
            )
        tensors = {
            "waveform": torch.from_numpy(waveform),
            "frames": torch.from_numpy(np.array(frames)),
            "times": torch.from_numpy(times),
        }
        save_tensors(file, tensors, {"kind": "mmasc-pair", "faults": faults})
        return file, faults
    except MmascError as error:
        return None, [f"{error}"]


def _read_sound(path: Path, sample_rate: int) -> tuple[Float32[np.ndarray, " time"], str]:
    """Mono samples, and "" or, in words, that the file was cut."""
    with stream_audio(path, sample_rate) as stream:
        blocks, n_samples = [np.zeros(0, np.float32)], 0
        for block in stream:
            blocks.append(block[0])
            n_samples += len(block[0])
            if n_samples > _MOST_HOURS * 3600 * sample_rate:
                raise MmascError(f"{show_path(path)}: is longer than {_MOST_HOURS} hours; cut it into shorter files")
        status = stream.status
        return np.concatenate(blocks), "" if status.state == "ok" else status.reason


def _decoded(
    sources: Sequence[Source], config: PairConfig, cache: Path, workers: int
) -> Iterator[tuple[int, tuple[Path | None, list[str]]]]:
    """Results by number of the source, in any order."""
    if workers < 1:
        for number, source in enumerate(sources):
            yield number, decode_source(source, config, cache)
        return
    left = dict(enumerate(sources))
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
            futures = {pool.submit(decode_source, source, config, cache): number for number, source in left.items()}
            for future in as_completed(futures):
                result = future.result()
                del left[futures[future]]
                yield futures[future], result
    except BrokenProcessPool:
        # A worker died, nobody knows of which file: the rest one by one, each in a process of its own
        for number, source in list(left.items()):
            yield number, _decoded_alone(source, config, cache)


def _decoded_alone(source: Source, config: PairConfig, cache: Path) -> tuple[Path | None, list[str]]:
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), _end_with_parent) as pool:
            return pool.submit(decode_source, source, config, cache).result()
    except BrokenProcessPool:
        return None, [f"{show_path(source.sound)}: decoding it ends the process; left out"]


def _end_with_parent() -> None:
    """End this worker when the process that started it is killed; a pool's worker would wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _key(source: Source, config: PairConfig) -> str:
    """Digest of the contents of a source and of how it is decoded."""
    digest = hashlib.sha256(f"{_VERSION} {asdict(config)}".encode())
    for path in (source.sound, source.picture):
        if path is not None:
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise MmascError(
                    f"{show_path(path)}: {error.strerror or error}; fix its path or leave it out"
                ) from error
    return digest.hexdigest()[:40]


def _faults_of(file: Path) -> list[str] | None:
    """What was said when the file was made; None where it is damaged, so that it is made again."""
    try:
        with safe_open(str(file), "pt") as stored:
            return list(parse_json((stored.metadata() or {})["config"])["faults"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _read_table(path: Path, group_column: str | None) -> list[Source]:
    table = read_table(path)
    columns = table.columns
    if "video" not in columns and not {"audio", "image"} <= set(columns):
        raise MmascError(f"{path} has columns {', '.join(columns) or 'of no name'}; pairs are {_LAYOUT}")
    if group_column is not None and group_column not in columns:
        raise MmascError(f"{path} has no column {group_column!r}; it has {', '.join(columns)}")
    sources = []
    for row in table.rows:
        named = {key: row.get(key, "") for key in ("video", "audio", "image", "label", "id", "group")}
        if not named["video"] and not (named["audio"] and named["image"]):
            raise MmascError(f"{path} line {row.line}: names neither a video nor a sound with a picture")
        sound = _place(path.parent, named["video"] or named["audio"])
        picture = None if named["video"] else _place(path.parent, named["image"])
        name = named["id"] or os.path.relpath(sound, path.parent)
        group = row[group_column] if group_column is not None else named["group"]
        sources.append(Source(name, sound, picture, named["label"], group or name))
    return sources


def _place(folder: Path, name: str) -> Path:
    """Where a name of a table lies; names written on Windows too."""
    as_written = folder / name
    return as_written if os.path.isfile(as_written) else folder / name.replace("\\", "/")
