"""Crops that a teacher can hear: pieces of recordings, mixed, pitched, filtered and cut by rule.

Everything is drawn from a seed, the content of the recording and the number of the variation, so a crop is the same
in any table (only its partner in a mixture depends on the table).

Paper: Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent": teacher and student hear
the very same crop.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int16, UInt8

from mmasc.audio import load_audio, resample
from mmasc.features import MINI, LogMel
from mmasc.storage.sealed import SEAL_BYTES, sealed_fault, write_sealed
from mmasc.training.alignment.crop_rule import CropRule

# A piece this much quieter than the recording's loudest is drawn again, so often
_QUIET = 10 ** (-20 / 20)
_DRAWS = 4
# Beyond this, the middle of a recording is taken
_MOST_SECONDS = 120.0
# All crops are handed to a teacher at this peak: a teacher may hear level, the network that learns does not
_PEAK = 0.7
# Decibels a step of what is kept; 0 is 89 dB below the loudest cell
STEP_DECIBELS = 0.35


@dataclass(frozen=True)
class Crops:
    """All crops of one row.

    Attributes:
        samples: At the front end's rate `[crop time]`.
        partner: Row of the second sound, -1 without one.
        weight: Its weight in the target; 0 without one.
    """

    samples: Float32[np.ndarray, "crop time"]
    partner: list[int]
    weight: list[float]

    @property
    def digest(self) -> str:
        """32 hex digits over all samples."""
        return hashlib.sha256(self.samples.tobytes()).hexdigest()[:32]


class Recordings:
    """Recordings as 16-bit samples at the front end's rate, decoded once and kept by content with a checksum.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "samples"
        self._digests: dict[Path, str] = {}
        self._whole: set[str] = set()

    def digest(self, path: Path) -> str:
        """SHA-256 of a file."""
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]

    def samples(self, path: Path) -> Int16[np.ndarray, " time"]:
        """Samples of a file, mapped from the disk.

        Raises:
            MmascError: If it cannot be read.
        """
        digest = self.digest(path)
        place = self.folder / digest[:2] / digest[:32]
        # Of earlier versions, without a checksum
        earlier, file = place.with_name(f"{place.name}.i16"), place.with_name(f"{place.name}.pcm")
        if not file.exists() and earlier.exists() and earlier.stat().st_size % 2 == 0:
            return _mapped(earlier, earlier.stat().st_size // 2)
        if digest not in self._whole:
            if sealed_fault(file) != "":
                write_sealed(file, _decoded(path).tobytes())
            self._whole.add(digest)
        return _mapped(file, (file.stat().st_size - SEAL_BYTES) // 2)


def draw_crops(row: int, paths: Sequence[Path], recordings: Recordings, rule: CropRule, seed: int) -> Crops:
    """The crops of one row of a table.

    Args:
        row: Number of the row.
        paths: Files of all rows, partners among them.
        recordings: Samples of the files.
        rule: Lengths and shares.
        seed: With the content of the recording and the number of the crop the only source of chance.
    """
    length = round(rule.seconds * MINI.sample_rate)
    digest = recordings.digest(paths[row])
    samples, weights = [], []
    partners = draw_partners(row, len(paths), digest, rule, seed)
    for number, partner in enumerate(partners):
        chance = np.random.default_rng([seed, int(digest[:15], 16), number])
        crop, weight = _piece(recordings.samples(paths[row]), length, chance, rule), 0.0
        if partner >= 0:
            below = chance.uniform(0, rule.mix_decibels)
            weight = (0.5, 0.35, 0.2)[min(2, int(3 * below / max(rule.mix_decibels, 1e-9)))]
            other = _piece(recordings.samples(paths[partner]), length, chance, rule)
            crop = crop + other * np.float32(10 ** (-below / 20) * _level(crop) / max(_level(other), 1e-9))
        crop = _filtered(crop, chance, rule)
        samples.append(crop * np.float32(_PEAK / max(float(np.abs(crop).max()), 1e-6)))
        weights.append(weight)
    return Crops(np.stack(samples), partners, weights)


def draw_partners(row: int, n_rows: int, digest: str, rule: CropRule, seed: int) -> list[int]:
    """Row of the second sound of every crop of a row; -1 where there is none."""
    chance = np.random.default_rng([seed, int(digest[:15], 16), rule.each, 1])
    mixed = chance.random(rule.each) < rule.mix_share
    others = (row + chance.integers(1, max(2, n_rows), rule.each)) % n_rows
    return [int(other) if mix and n_rows > 1 else -1 for mix, other in zip(mixed, others, strict=True)]


def decibels_of(crops: Float32[np.ndarray, "crop time"]) -> UInt8[np.ndarray, "crop mel frame"]:
    """Mel power of crops in steps of 0.35 dB, 255 being the loudest cell of a crop."""
    n_frames = round(crops.shape[1] / MINI.sample_rate / MINI.frame_seconds)
    with torch.inference_mode():
        power = _front_end().mel(torch.from_numpy(crops))[:, :, :n_frames].numpy()
    loudest = np.maximum(power.max((1, 2), keepdims=True), 1e-20)
    steps = 255 + 10 * np.log10(np.maximum(power / loudest, 1e-12)) / STEP_DECIBELS
    return np.clip(np.round(steps), 0, 255).astype(np.uint8)


def power_of_steps(steps: UInt8[np.ndarray, "crop mel frame"]) -> Float32[np.ndarray, "crop mel frame"]:
    """Mel power, up to a factor for each crop, of what `decibels_of` gave; below its range there is none."""
    return _POWERS[steps]


_POWERS = (10 ** ((np.arange(256) - 255) * STEP_DECIBELS / 10)).astype(np.float32)
_POWERS[0] = 0.0


@lru_cache(1)
def _front_end() -> LogMel:
    return LogMel(MINI).eval()


def _mapped(path: Path, count: int) -> Int16[np.ndarray, " time"]:
    return np.memmap(path, np.int16, "r", shape=(count,)) if count else np.zeros(0, np.int16)


def _decoded(path: Path) -> Int16[np.ndarray, " time"]:
    waveform, rate = load_audio(path)
    samples = waveform.numpy()
    beyond = samples.shape[1] - round(_MOST_SECONDS * rate)
    if beyond > 0:
        samples = samples[:, beyond // 2 : beyond // 2 + round(_MOST_SECONDS * rate)]
    played = resample(samples, rate, MINI.sample_rate)[0]
    # Relative to the peak, so that 16 bits have the same room for every recording
    loudest = max(float(np.abs(played).max(initial=0.0)), 1e-6)
    return np.round(played * (32_000 / loudest)).astype(np.int16)


def _piece(
    samples: Int16[np.ndarray, " recorded"], length: int, chance: np.random.Generator, rule: CropRule
) -> Float32[np.ndarray, " time"]:
    """So many samples of a recording, maybe at another speed, maybe looped, from a place that is not silent."""
    speed = float(chance.choice((0.8, 0.9, 1.12, 1.25))) if chance.random() < rule.speed_share else 1.0
    wanted = round(length * speed) + 1
    start = 0
    if len(samples) > wanted:
        loudest = float(np.abs(samples[::7]).max())
        for _ in range(_DRAWS):
            start = int(chance.integers(len(samples) - wanted + 1))
            if np.abs(samples[start : start + wanted : 7]).max() >= _QUIET * loudest:
                break
    piece = samples[start : start + wanted].astype(np.float32) / 32_768
    if speed != 1.0 and len(piece):
        piece = resample(piece[None], round(MINI.sample_rate * speed), MINI.sample_rate)[0]
    crop = np.zeros(length, np.float32)
    looped, at = chance.random() < rule.loop_share, 0
    while at < length and len(piece):
        part = piece[: length - at]
        crop[at : at + len(part)] = part
        if not looped or len(piece) >= length:
            break
        at += len(piece) + int(chance.integers(0, 1 + max(len(piece), length // 4)))
    return crop


def _level(crop: Float32[np.ndarray, " time"]) -> float:
    """Root mean square of the loudest quarter of a crop, in pieces of 0.1 s."""
    squares = np.square(crop[: len(crop) // 3200 * 3200]).reshape(-1, 3200).mean(1)
    return float(np.sqrt(np.sort(squares)[-max(1, len(squares) // 4) :].mean()))


def _filtered(
    crop: Float32[np.ndarray, " time"], chance: np.random.Generator, rule: CropRule
) -> Float32[np.ndarray, " time"]:
    tilted, cut = chance.random() < rule.filter_share, chance.random() < rule.lowpass_share
    if not tilted and not cut:
        return crop
    spectrum = np.fft.rfft(crop)
    hertz = np.linspace(0, MINI.sample_rate / 2, len(spectrum))
    if tilted:
        decibels = chance.uniform(-rule.filter_decibels, rule.filter_decibels, 6)
        at = np.log2((60.0, 250.0, 800.0, 2_500.0, 6_000.0, 14_000.0))
        spectrum *= 10 ** (np.interp(np.log2(np.maximum(hertz, 20.0)), at, decibels) / 20)
    if cut:
        edge = 2 ** chance.uniform(np.log2(3_000.0), np.log2(12_000.0))
        spectrum *= 1 / np.sqrt(1 + (hertz / edge) ** 24)
    return np.fft.irfft(spectrum, len(crop)).astype(np.float32)
