"""How a clip is heard: decoded, cut to what a network takes, and refused with a message if it is too short."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.audio import apply_channels
from mmasc.errors import MmascError
from mmasc.features import FrontEnd
from mmasc.features.base import LogMelFrontEnd
from mmasc.networks.network import Network
from mmasc.networks.spec_augment import SpecAugment
from mmasc.training.supervised.config import Hearing
from mmasc.training.supervised.fragments import trim_ends


def load_clips(
    paths: Sequence[Path],
    network: Network,
    hearing: Hearing,
    cache: str | Path | None = None,
    speed: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Sequence[Float32[np.ndarray, "_channel _time"]]:
    """Waveforms at the network's rate with the channels that its lanes are made of, decoded once into a cache.

    Args:
        paths: Recordings.
        network: Says the rate and how many channels it reads.
        hearing: Says which lanes are heard.
        cache: Folder that keeps them from run to run; None keeps them in memory.
        speed: Speed of play: read at rate / speed, heard at the rate.
        progress: Called with the number done and the total.
    """
    from mmasc.datasets import WaveformCache

    every = network.spec.channels > 1 or hearing.channels != ("mix",)
    rate = round(network.sample_rate / speed)
    kept = WaveformCache(Path(cache) if cache is not None else None, rate, "each" if every else "mix")
    return kept.load(paths, progress)


def hear(
    waveform: Float[np.ndarray, "channel time"], network: Network, hearing: Hearing, least: int = 0
) -> list[Float32[np.ndarray, "lane_channel heard"]]:
    """The lanes of a clip, trimmed and padded: what training draws from and tests hear.

    Args:
        waveform: Waveform at the network's rate.
        network: One that reads several channels hears them all in one lane (a single one is doubled).
        hearing: Says lanes, trimming and the least length.
        least: Shorter lanes are padded with zeros to so many samples.
    """
    n_channels = network.spec.channels
    samples = trim_ends(np.asarray(waveform, np.float32), network.sample_rate, hearing.trim_decibels)
    if n_channels == 1:
        lanes = [row[None] for policy in hearing.channels for row in apply_channels(samples, policy)]
    elif len(samples) == n_channels:
        lanes = [samples]
    else:
        lanes = [np.repeat(samples.mean(axis=0, keepdims=True), n_channels, axis=0)]
    least = max(least, math.ceil(hearing.minimum_seconds * network.sample_rate))
    missing = max(0, least - samples.shape[1])
    return [np.pad(lane, ((0, 0), (0, missing))) if missing else lane for lane in lanes]


def masks_of(hearing: Hearing) -> SpecAugment:
    """SpecAugment with the masks of a configuration."""
    return SpecAugment(
        max(1, hearing.time_mask_frames), hearing.time_masks, max(1, hearing.band_mask_bands), hearing.band_masks
    )


def channel_remark(waveforms: Sequence[Float[np.ndarray, "_channel _time"]], network: Network) -> str:
    """A line about clips that have other channels than a network reads; empty where there are none, or it reads one."""
    n_channels = network.spec.channels
    other = sum(len(waveform) != n_channels for waveform in waveforms) if n_channels > 1 else 0
    if not other:
        return ""
    return f"{network.spec.name} reads {n_channels} channels: clips of another number are heard as one sound on all"


def frames_a_second(front_end: FrontEnd) -> float:
    """Frames (samples, for waveforms) of features in a second."""
    rate = front_end.sample_rate
    return (front_end.n_frames(30 * rate) - front_end.n_frames(10 * rate)) / 20


def raw_frames(front_end: FrontEnd, n_samples: int) -> int:
    """Frames of `raw_features`: of a front end with deltas more than come out in the end."""
    if front_end.has_power and isinstance(front_end, LogMelFrontEnd):
        return LogMelFrontEnd.n_frames(front_end, n_samples)
    return front_end.n_frames(n_samples)


def least_frames(network: Network) -> int:
    """Fewest frames of `raw_features` that the network can take."""
    front_end, length = network.front_end, 10 * network.sample_rate
    return network.body.minimum_frames + raw_frames(front_end, length) - front_end.n_frames(length)


def raw_features(
    front_end: FrontEnd, waveforms: Float[Tensor, "batch channel time"]
) -> Float[Tensor, "batch *feature"]:
    """Power where the front end parts into power and logarithm, else its features; frames are axis 2."""
    return front_end.power(waveforms) if front_end.has_power else front_end(waveforms)


def finish(front_end: FrontEnd, raw: Float[Tensor, "batch *raw"]) -> Float[Tensor, "batch *feature"]:
    """Features of what `raw_features` gave."""
    return front_end.compress(raw) if front_end.has_power else raw


def check_length(network: Network, n_samples: int, hearing: Hearing, name: str) -> None:
    """Refuse a clip that is too short to be heard whole, or in fragments; the line says the least length.

    Raises:
        MmascError: If it is.
    """
    least = least_samples(network, hearing)
    if n_samples < least:
        parts = f" in {hearing.fragments} fragments" if hearing.fragments else ""
        raise MmascError(
            f"{name} lasts {n_samples / network.sample_rate:.3f} s, {network.spec.name} with features "
            f"{hearing.features!r} takes at least {least / network.sample_rate:.3f} s{parts}; pad short clips with "
            f"--minimum-seconds {math.ceil(1000 * least / network.sample_rate) / 1000:g}, or leave it out"
        )


def least_samples(network: Network, hearing: Hearing) -> int:
    """Length of the shortest clip that can be heard: every fragment must hold the body's fewest frames."""
    if not hearing.fragments:
        return network.minimum_samples
    # So many frames part into equal fragments; a fragment of more frames is never shorter than these.
    frames = hearing.fragments * least_frames(network)
    low = high = network.minimum_samples
    while raw_frames(network.front_end, high) < frames:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if raw_frames(network.front_end, middle) >= frames else (middle, high)
    return high
