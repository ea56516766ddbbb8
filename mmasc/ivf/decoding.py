"""Sources decoded once, each into a file of a cache, by workers that survive broken files."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open

from mmasc.audio import stream_audio
from mmasc.cores import end_with_parent
from mmasc.errors import MmascError, show_path
from mmasc.ivf.pictures import read_film, read_photograph
from mmasc.ivf.sources import Source
from mmasc.storage.tensors import save_tensors
from mmasc.storage.texts import parse_json

# Changes when what is decoded changes
_VERSION = 2
# Of one sound
_MOST_HOURS = 24


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


def decoded(
    sources: Sequence[Source], config: PairConfig, cache: Path, workers: int
) -> Iterator[tuple[int, tuple[Path | None, list[str]]]]:
    """Results by number of the source, in any order."""
    if workers < 1:
        for number, source in enumerate(sources):
            yield number, decode_source(source, config, cache)
        return
    left = dict(enumerate(sources))
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
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
        with ProcessPoolExecutor(1, get_context("spawn"), end_with_parent) as pool:
            return pool.submit(decode_source, source, config, cache).result()
    except BrokenProcessPool:
        return None, [f"{show_path(source.sound)}: decoding it ends the process; left out"]


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
    """The remark from when the file was made; None if the file is damaged, so that it is made again."""
    try:
        with safe_open(str(file), "pt") as stored:
            faults = parse_json((stored.metadata() or {})["config"])["faults"]
            return faults if isinstance(faults, list) and all(isinstance(one, str) for one in faults) else None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
