"""Where a recording is cut: equal fragments of its features, windows, and crops that overlap its sound.

Paper: Zhou, Bai, Du, "An Investigation of Transfer Learning Mechanism for Acoustic Scene Classification" (fragments).
"""

import itertools

import numpy as np
from jaxtyping import Float, Float32, Int64

# Loudness is looked at in pieces of this length
LOUDNESS_SECONDS = 0.01
_QUIETEST_POWER = 1e-12


def fragment_edges(n_frames: int, n_fragments: int) -> list[tuple[int, int]]:
    """First frame and end of equal fragments: split points round(i x n_frames / n_fragments), halves to even.

    Raises:
        ValueError: If there are fewer frames than fragments.
    """
    if not 1 <= n_fragments <= n_frames:
        raise ValueError(f"fragments must be in [1, {n_frames}], the number of frames, got {n_fragments}")
    points = [round(number * n_frames / n_fragments) for number in range(n_fragments + 1)]
    return list(itertools.pairwise(points))


def longest_fragment(n_frames: int, n_fragments: int) -> int:
    """Frames of the longest fragment: in training all are as long, the others beginning or ending in a neighbour."""
    return max(end - start for start, end in fragment_edges(n_frames, n_fragments))


def window_edges(n_frames: int, length: int, hop: int) -> list[tuple[int, int]]:
    """Windows from the first frame on; the last is moved back to end with the recording, a short recording is one."""
    if n_frames <= length:
        return [(0, n_frames)]
    starts = [*range(0, n_frames - length, hop), n_frames - length]
    return [(start, start + length) for start in starts]


def loudness_of(waveform: Float[np.ndarray, "channel time"], sample_rate: int) -> Float32[np.ndarray, " piece"]:
    """Mean power of pieces of 10 ms over all channels, in decibels; what is left over is a piece of its own."""
    length = max(1, round(LOUDNESS_SECONDS * sample_rate))
    power = np.square(waveform, dtype=np.float64).mean(0)
    edges = np.arange(0, len(power), length)
    counts = np.diff(np.append(edges, len(power)))
    means = np.add.reduceat(power, edges) / counts
    return (10 * np.log10(np.maximum(means, _QUIETEST_POWER))).astype(np.float32)


def sounding_starts(
    loudness: Float[np.ndarray, " piece"], length: int, quiet_decibels: float
) -> Int64[np.ndarray, " start"]:
    """First pieces of crops that overlap sound.

    Args:
        loudness: Loudness of a recording, in decibels.
        length: Length of the crop in pieces; one longer than the recording begins at 0.
        quiet_decibels: The loudest piece of a crop is at most so much below the recording's; 0 allows every crop.
    """
    n_starts = max(1, len(loudness) - length + 1)
    if quiet_decibels == 0 or n_starts == 1:
        return np.arange(n_starts, dtype=np.int64)
    loud = loudness >= loudness.max() - quiet_decibels
    before = np.concatenate([[0], np.cumsum(loud)])
    return np.flatnonzero(before[length:][:n_starts] > before[:n_starts]).astype(np.int64)


def trim_ends(
    waveform: Float32[np.ndarray, "channel time"], sample_rate: int, decibels: float
) -> Float32[np.ndarray, "channel trimmed"]:
    """A recording without ends that are so much quieter than its loudest 10 ms; 0 leaves it."""
    if decibels == 0:
        return waveform
    loudness = loudness_of(waveform, sample_rate)
    loud = np.flatnonzero(loudness >= loudness.max() - decibels)
    length = max(1, round(LOUDNESS_SECONDS * sample_rate))
    return waveform[:, loud[0] * length : (loud[-1] + 1) * length]
