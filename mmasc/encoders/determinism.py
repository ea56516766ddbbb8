"""`mmasc models check`: proof, on the user's own machine, that an encoder gives a sound one vector and no other.

Run as a module it is the second process of that proof: it writes the vectors of the test windows to a file.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file, embed_files
from mmasc.encoders.registry import load_encoder

WINDOWS = 16
BATCH_SIZES = (1, 3, 16)
# Largest difference between two vectors of one sound, as a share of the vector's length
TOLERANCE = 1e-6
# Below this difference between vectors of different sounds an encoder says nothing
CONSTANT = 1e-4


@dataclass(frozen=True)
class CheckResult:
    """One thing that must hold: its name, whether it holds, and what was found."""

    name: str
    holds: bool
    found: str


def check_encoder(name: str, device: str = "cpu") -> Iterator[CheckResult]:
    """Prove that an encoder is deterministic here, one result at a time.

    Args:
        name: As for `load_encoder`.
        device: Device on which the network runs.
    Yields:
        Same vectors for batches of 1, 3 and 16, in shuffled order, from files one by one and together, and in a
        second process; no NaN; no vector that is the same for all sounds; silence, clicks and full scale are finite.
    """
    encoder = load_encoder(name, device)
    windows = probe_windows(encoder)
    whole = encoder.embed(windows)
    yield _finite("no NaN", whole)
    for size in BATCH_SIZES:
        parts = [encoder.embed(windows[first : first + size]) for first in range(0, len(windows), size)]
        yield _same(f"batches of {size}", np.concatenate(parts), whole)
    order = np.random.default_rng(1).permutation(len(windows))
    shuffled = np.empty_like(whole)
    shuffled[order] = encoder.embed(windows[order])
    yield _same("shuffled order", shuffled, whole)
    with tempfile.TemporaryDirectory() as folder:
        yield _same("second process", _second_process(name, device, Path(folder)), whole)
        yield _same_files(encoder, windows, Path(folder))
    yield _not_constant(whole)
    yield _finite("silence, one click, full scale", encoder.embed(extreme_windows(encoder)))
    if encoder.supports("text"):
        texts = ["rain", "a dog barking", "sea waves on a beach"]
        together = encoder.embed_text(texts)
        yield _same("texts one by one", np.concatenate([encoder.embed_text([text]) for text in texts]), together)


def probe_windows(encoder: Encoder) -> np.ndarray:
    """Noises, tones, sweeps and clicks by rule: float32 `[16 window]`, the same on every machine."""
    count, rate = encoder.window_samples, encoder.spec.sample_rate
    seconds = np.arange(count) / rate
    windows = np.empty((WINDOWS, count), np.float32)
    for item in range(WINDOWS):
        noise = np.random.default_rng(item).uniform(-1, 1, count)
        tone = np.sin(2 * np.pi * (100 * 1.35**item) * seconds)
        sweep = np.sin(2 * np.pi * (50 * item + 200 * seconds) * seconds)
        clicks = (np.arange(count) % (rate // (item + 1)) < 20).astype(float)
        windows[item] = 0.2 * [noise, tone, sweep, clicks][item % 4] + 0.01 * (item + 1) / WINDOWS * noise
    return windows


def extreme_windows(encoder: Encoder) -> np.ndarray:
    """Digital silence, one click, full-scale square: float32 `[3 window]`."""
    windows = np.zeros((3, encoder.window_samples), np.float32)
    windows[1, encoder.window_samples // 2] = 1.0
    windows[2] = np.where(np.arange(encoder.window_samples) % 100 < 50, 1.0, -1.0)
    return windows


def _same_files(encoder: Encoder, windows: np.ndarray, folder: Path) -> CheckResult:
    """Files of different lengths, embedded one by one and together with decoding ahead."""
    paths = []
    for item, window in enumerate(windows[:6]):
        paths.append(folder / f"{item}.wav")
        samples = np.tile(window, 2)[: round(len(window) * (0.4 + 0.31 * item))]
        soundfile.write(paths[-1], samples, encoder.spec.sample_rate, subtype="FLOAT")
    one_by_one = np.concatenate([embed_file(path, encoder).vectors for path in paths])
    together = np.concatenate([result.vectors for result in embed_files(paths, encoder, threads=2)])
    return _same("files one by one", one_by_one, together)


def _second_process(name: str, device: str, folder: Path) -> np.ndarray:
    target = folder / "vectors.npy"
    command = [sys.executable, "-m", "mmasc.encoders.determinism", name, device, str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return np.load(target, allow_pickle=False)


def _same(name: str, one: np.ndarray, other: np.ndarray) -> CheckResult:
    if one.shape != other.shape:
        return CheckResult(name, False, f"{list(one.shape)} against {list(other.shape)} vectors")
    if np.array_equal(one, other):
        return CheckResult(name, True, "the same bit for bit")
    length = np.maximum(np.linalg.norm(other, axis=1), 1e-12)
    difference = float((np.abs(one - other).max(axis=1) / length).max())
    return CheckResult(name, difference <= TOLERANCE, f"largest difference {difference:.1e} of the vector's length")


def _finite(name: str, vectors: np.ndarray) -> CheckResult:
    bad = int((~np.isfinite(vectors)).any(axis=1).sum())
    zero = int((vectors == 0).all(axis=1).sum())
    found = f"{bad} of {len(vectors)} vectors hold NaN or infinity, {zero} are zero"
    return CheckResult(name, not bad and not zero, found)


def _not_constant(vectors: np.ndarray) -> CheckResult:
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    apart = np.linalg.norm(directions[:, None] - directions[None], axis=-1)
    nearest = float(apart[~np.eye(len(vectors), dtype=bool)].min())
    return CheckResult(
        "no constant vector", nearest > CONSTANT, f"nearest two of {len(vectors)} sounds: {nearest:.2g} apart"
    )


if __name__ == "__main__":
    _name, _device, _target = sys.argv[1:]
    _encoder = load_encoder(_name, _device)
    np.save(_target, _encoder.embed(probe_windows(_encoder)), allow_pickle=False)
