"""Figures: the picture of a sound, and the map of sounds and words. Numbers in; drawn on the `ax` of the caller.

matplotlib is imported inside the functions, so that importing this module costs nothing.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from mmasc.features import LogMel, LogMelConfig, hz_to_mel

# 96 bands are enough to see harmonics at the height of a thumb; 16 ms frames keep 10 s at 625 columns.
PICTURE = LogMelConfig(32_000, 1024, 1024, 512, 96, 50.0, 16_000.0)
_RANGE_DB = 70.0  # below the loudest point everything is the darkest colour
_COLOURS = "magma"
_TICKS_HZ = (100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


def spectrogram(waveform: Float[np.ndarray, " time"], sample_rate: int) -> Float[np.ndarray, "mel frame"]:
    """The log-mel spectrogram that pictures show, in dB, float32.

    Args:
        waveform: Mono samples at `PICTURE.sample_rate`; less than one transform is filled with zeros.
        sample_rate: Sample rate in Hz; a guard against a rate slip.
    Raises:
        ValueError: If the rate is another one.
    """
    if sample_rate != PICTURE.sample_rate:
        raise ValueError(f"sample_rate must be {PICTURE.sample_rate} Hz, got {sample_rate}: resample first")
    samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
    samples = torch.nn.functional.pad(samples, (0, max(0, PICTURE.n_fft - len(samples))))
    with torch.inference_mode():
        return LogMel(PICTURE)(samples[None])[0].numpy()


def spectrogram_image(decibels: Float[np.ndarray, "mel frame"], columns: int = 480) -> bytes:
    """A spectrogram as a JPEG of `columns` by two pixels a band, low notes at the bottom.

    Frames are averaged into columns, or repeated where there are fewer. Silence comes out evenly dark.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    edges = np.linspace(0, decibels.shape[1], columns + 1)
    totals = np.pad(np.cumsum(decibels, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    # The mean over a column of any width: the integral, read between frames by linear interpolation
    at = np.stack([np.interp(edges, np.arange(totals.shape[1]), row) for row in totals])
    means = np.diff(at, axis=1) / np.diff(edges)
    image = BytesIO()
    colours = colormaps[_COLOURS](np.repeat(_to_unit(means), 2, axis=0)[::-1])[..., :3]
    imsave(image, np.ascontiguousarray(colours), format="jpg", pil_kwargs={"quality": 80})
    return image.getvalue()


def draw_spectrogram(ax: Any, decibels: Float[np.ndarray, "mel frame"]) -> None:
    """Draw a spectrogram of `spectrogram` with its axes in seconds and hertz.

    Args:
        ax: Axes of matplotlib.
        decibels: As `spectrogram` gives them.
    """
    seconds = decibels.shape[1] * PICTURE.frame_seconds
    low, high = hz_to_mel(np.array([PICTURE.f_min, PICTURE.f_max]), PICTURE.mel_scale)
    ax.imshow(
        _to_unit(decibels),
        origin="lower",
        aspect="auto",
        cmap=_COLOURS,
        vmin=0,
        vmax=1,
        extent=(0, seconds, low, high),
        interpolation="nearest",
    )
    ax.set_yticks(hz_to_mel(np.array(_TICKS_HZ, np.float64), PICTURE.mel_scale), [f"{hz:,}" for hz in _TICKS_HZ])
    ax.set_xlabel("seconds")
    ax.set_ylabel("Hz")


def map_positions(
    sounds: Float[np.ndarray, "sound dim"], words: Float[np.ndarray, "word dim"]
) -> tuple[Float[np.ndarray, "sound 2"], Float[np.ndarray, "word 2"], float]:
    """Two axes on which sounds and words of one space are seen together.

    Vectors are brought to unit length; the mean of the sounds is taken from the sounds and the mean of the words from
    the words, because in a space trained by contrast each modality forms a cone of its own (Liang et al. 2022, "Mind
    the gap"); then the principal components of both together.

    Returns:
        Positions of the sounds and of the words, and the share of the variance that the two axes hold (0 to 1).
        The sign of an axis is such that its largest coordinate is positive.
    Raises:
        ValueError: If there are fewer than two sounds or fewer than two words: centred, one vector is nothing.
    """
    if len(sounds) < 2 or len(words) < 2:
        raise ValueError(f"a map needs at least two sounds and two words, got {len(sounds)} and {len(words)}")
    centred = []
    for vectors in (sounds, words):
        unit = vectors.astype(np.float64) / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        centred.append(unit - unit.mean(axis=0))
    both = np.concatenate(centred)
    left, sizes, _ = np.linalg.svd(both, full_matrices=False)
    positions = np.zeros((len(both), 2))
    positions[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    positions *= np.where(positions[np.abs(positions).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    total = float((sizes**2).sum())
    explained = float((sizes[:2] ** 2).sum()) / total if total > 0 else 0.0
    return positions[: len(sounds)], positions[len(sounds) :], explained


def draw_map(
    ax: Any,
    sounds: Float[np.ndarray, "sound 2"],
    words: Float[np.ndarray, "word 2"],
    sound_names: Sequence[str],
    word_names: Sequence[str],
) -> None:
    """Draw a map of `map_positions`: sounds as dots, words as open diamonds, names next to them.

    Args:
        ax: Axes of matplotlib.
        sounds, words: Positions.
        sound_names, word_names: Written as they are: a dollar sign in a name is not a formula.
    """
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.scatter(sounds[:, 0], sounds[:, 1], s=36, color="#14696b", label="sounds")
    ax.scatter(words[:, 0], words[:, 1], s=40, marker="D", facecolors="none", edgecolors="#9a5a12", label="words")
    for positions, names, style in ((sounds, sound_names, "normal"), (words, word_names, "italic")):
        for (x, y), name in zip(positions, names, strict=True):
            ax.annotate(name, (x, y), (5, 3), textcoords="offset points", size=8, style=style, parse_math=False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.legend(frameon=False, loc="best")


def _to_unit(decibels: Float[np.ndarray, "mel column"]) -> Float[np.ndarray, "mel column"]:
    """0 to 1 over the range that is shown, 1 the loudest point; silence is 0 everywhere."""
    top = decibels.max()
    if top <= 10 * np.log10(PICTURE.floor) + 1:
        return np.zeros_like(decibels)
    return np.clip((decibels - top) / _RANGE_DB + 1, 0, 1)
