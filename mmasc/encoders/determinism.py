"""`mmasc models check`: proof, on the user's own machine, that an encoder gives a sound one vector and no other.

Run as a module it is the second process of that proof: it writes the identity and the vectors of the test windows to a
file.
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
from mmasc.errors import MmascError
from mmasc.printing import counted

WINDOWS = 16
BATCH_SIZES = (1, 3, 16)
# Largest difference between two vectors of one sound, as a share of the vector's length
TOLERANCE = 1e-6
# Below this difference between vectors of different sounds an encoder says nothing
CONSTANT = 1e-4
# Of the length of vectors that are said to have length 1
_UNIT = 1e-4
_TEXTS = ("rain", "a dog barking", "sea waves on a beach")


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
        The same identity and vectors when loaded again and in a second process; same vectors for batches of 1, 3 and
        16, in shuffled order, from files one by one and together; vectors as wide and as long as the specification
        says; no NaN; no vector that is the same for all sounds; silence, clicks, full scale, short and long sounds are
        finite; the same of texts, where there are any.
    """
    encoder = load_encoder(name, device)
    if encoder.supports("audio"):
        yield from _sounds(encoder, name, device)
    else:
        yield _same_identity("loaded again", load_encoder(name, device).identity, encoder.identity)
    if encoder.supports("text"):
        yield from _texts(encoder)


def _sounds(encoder: Encoder, name: str, device: str) -> Iterator[CheckResult]:
    windows = probe_windows(encoder)
    whole = encoder.embed(windows)
    yield _finite("no NaN", whole)
    yield _shape("width", whole, len(windows), encoder)
    for size in BATCH_SIZES:
        parts = [encoder.embed(windows[first : first + size]) for first in range(0, len(windows), size)]
        yield _same(f"batches of {size}", np.concatenate(parts), whole)
    order = np.random.default_rng(1).permutation(len(windows))
    shuffled = np.empty_like(whole)
    shuffled[order] = encoder.embed(windows[order])
    yield _same("shuffled order", shuffled, whole)
    again = load_encoder(name, device)
    yield _same_identity("identity when loaded again", again.identity, encoder.identity)
    yield _same("loaded again", again.embed(windows), whole)
    with tempfile.TemporaryDirectory() as folder:
        identity, vectors = _second_process(name, device, Path(folder))
        yield _same_identity("identity in a second process", identity, encoder.identity)
        yield _same("second process", vectors, whole)
        yield _same_files(encoder, windows, Path(folder))
        yield _lengths(encoder, windows, Path(folder))
    yield _not_constant("no constant vector", whole, "sounds")
    if getattr(encoder, "unit_length", False):
        yield _unit_length(whole)
    yield _finite("silence, one click, full scale", encoder.embed(extreme_windows(encoder)))


def _texts(encoder: Encoder) -> Iterator[CheckResult]:
    together = encoder.embed_text(list(_TEXTS))
    yield _same("texts one by one", np.concatenate([encoder.embed_text([text]) for text in _TEXTS]), together)
    yield _shape("width of texts", together, len(_TEXTS), encoder)
    yield _finite("no NaN in texts", together)
    yield _not_constant("no constant vector of texts", together, "texts")


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


def _lengths(encoder: Encoder, windows: np.ndarray, folder: Path) -> CheckResult:
    """A sound of a hundredth of a window, and one of three windows and a half."""
    whole = windows[:4].reshape(-1)
    found = []
    for share in (0.01, 3.5):
        path = folder / f"{share}.wav"
        soundfile.write(path, whole[: round(len(windows[0]) * share)], encoder.spec.sample_rate, subtype="FLOAT")
        found.append(embed_file(path, encoder).vectors)
    return _finite("short and long sounds", np.concatenate(found))


def _second_process(name: str, device: str, folder: Path) -> tuple[str, np.ndarray]:
    target = folder / "vectors.npz"
    command = [sys.executable, "-m", "mmasc.encoders.determinism", name, device, str(target)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        reason = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MmascError(f"{name} cannot be loaded in a second process: {reason[:300]}")
    with np.load(target, allow_pickle=False) as stored:
        return str(stored["identity"]), stored["vectors"]


def _same_identity(name: str, one: str, other: str) -> CheckResult:
    if one == other:
        return CheckResult(name, True, one)
    return CheckResult(
        name,
        False,
        f"{one} against {other}: what was embedded before can never be asked again; fix its weights",
    )


def _same(name: str, one: np.ndarray, other: np.ndarray) -> CheckResult:
    if one.shape != other.shape:
        return CheckResult(name, False, f"{list(one.shape)} against {list(other.shape)} vectors")
    if np.array_equal(one, other):
        return CheckResult(name, True, "the same bit for bit")
    length = np.maximum(np.linalg.norm(other, axis=1), 1e-12)
    difference = float((np.abs(one - other).max(axis=1) / length).max())
    return CheckResult(name, difference <= TOLERANCE, f"largest difference {difference:.1e} of the vector's length")


def _shape(name: str, vectors: np.ndarray, count: int, encoder: Encoder) -> CheckResult:
    wanted = (count, encoder.spec.dim)
    return CheckResult(name, vectors.shape == wanted, f"{list(vectors.shape)}, the specification says {list(wanted)}")


def _finite(name: str, vectors: np.ndarray) -> CheckResult:
    bad = int((~np.isfinite(vectors)).any(axis=1).sum())
    zero = int((vectors == 0).all(axis=1).sum())
    found = (
        f"{bad} of {counted(len(vectors), 'vector')} {'holds' if bad == 1 else 'hold'} NaN or infinity, {zero} are zero"
    )
    return CheckResult(name, not bad and not zero, found)


def _unit_length(vectors: np.ndarray) -> CheckResult:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    found = f"lengths from {lengths.min():.6g} to {lengths.max():.6g}"
    return CheckResult("vectors of length 1", bool((np.abs(lengths - 1) <= _UNIT).all()), found)


def _not_constant(name: str, vectors: np.ndarray, what: str) -> CheckResult:
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    apart = np.linalg.norm(directions[:, None] - directions[None], axis=-1)
    nearest = float(apart[~np.eye(len(vectors), dtype=bool)].min())
    return CheckResult(name, nearest > CONSTANT, f"nearest two of {len(vectors)} {what}: {nearest:.2g} apart")


if __name__ == "__main__":
    _name, _device, _target = sys.argv[1:]
    try:
        _encoder = load_encoder(_name, _device)
        np.savez(_target, identity=_encoder.identity, vectors=_encoder.embed(probe_windows(_encoder)))
    except MmascError as error:
        sys.exit(str(error))
