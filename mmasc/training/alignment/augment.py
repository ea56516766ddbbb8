"""Augmentation of sounds on stored mel power: a few milliseconds per batch, no second pass through the front end.

Everything is relative to the crop's own level, as the network's level rule makes absolute level invisible. Power of
two sounds adds (their phases being unrelated), filters multiply, masks are silence.

Paper: Park et al. 2019, "SpecAugment" (masks); Zhang et al. 2018, "mixup" (two sounds, two targets).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

# A crop this much quieter than the loudest frames of its file is drawn again, so often.
QUIET_CROP_DECIBELS = 20.0
CROP_DRAWS = 4


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; shares are probabilities by sound, lengths are in frames or bands of the mel spectrogram.

    Attributes:
        loop_share: Share of the sounds shorter than the crop: repeated with gaps instead of padded at the end.
        mix_share: Share of the sounds: a second one is added.
        mix_decibels: The second is 0 to this much below the first; its weight in the target is 0.5, 0.35 or 0.2 in
            the three thirds of that range.
        filter_share: Share of the sounds: a random filter, linear in decibels between a few bands.
        filter_decibels: Largest boost and cut of that filter.
        noise_share: Share of the sounds: a floor of coloured noise.
        noise_decibels: How far below the sound's level the floor is: least and most.
        lowpass_share: Share of the sounds: nothing above a random band, as in a recording of a low rate.
        time_masks: Masks over time, each up to `time_mask_frames` long.
        time_mask_frames: See there.
        band_masks: Masks over bands, each up to `band_mask_bands` wide.
        band_mask_bands: See there.
    """

    loop_share: float = 0.5
    mix_share: float = 0.35
    mix_decibels: float = 18.0
    filter_share: float = 0.7
    filter_decibels: float = 5.0
    noise_share: float = 0.5
    noise_decibels: tuple[float, float] = (20.0, 50.0)
    lowpass_share: float = 0.15
    time_masks: int = 2
    time_mask_frames: int = 20
    band_masks: int = 2
    band_mask_bands: int = 4


def draw_crop(
    decibels: Float[np.ndarray, "mel frame"],
    loudness: Float[np.ndarray, " frame"],
    n_frames: int,
    generator: np.random.Generator,
    config: AugmentConfig,
) -> Float32[np.ndarray, "mel crop"]:
    """Mel power of a piece of a recording; one shorter than the piece is padded at the end, or looped with gaps.

    Args:
        decibels: Mel power of the recording, in decibels.
        loudness: Its power over all bands, in decibels.
        n_frames: Length of the piece.
        generator: The only source of chance.
        config: Strengths.
    """
    n_mels, length = decibels.shape
    if length >= n_frames:
        loudest = loudness.max()
        for _ in range(CROP_DRAWS):
            start = int(generator.integers(length - n_frames + 1))
            if loudness[start : start + n_frames].max() >= loudest - QUIET_CROP_DECIBELS:
                break
        return power_of(decibels[:, start : start + n_frames])
    power = power_of(decibels)
    crop = np.zeros((n_mels, n_frames), np.float32)
    start, looped = 0, generator.random() < config.loop_share
    while start < n_frames:
        crop[:, start : start + length] = power[:, : n_frames - start]
        if not looped:
            break
        start += length + int(generator.integers(0, 1 + max(length, n_frames // 4)))
    return crop


def power_of(decibels: Float[np.ndarray, "*axes"]) -> Float32[np.ndarray, "*axes"]:
    """Decibels as power."""
    return np.exp(decibels.astype(np.float32) * np.float32(np.log(10) / 10))


def augment(
    power: Float32[np.ndarray, "batch mel frame"], generator: np.random.Generator, config: AugmentConfig
) -> tuple[Float32[np.ndarray, "batch mel frame"], Int[np.ndarray, " batch"], Float32[np.ndarray, " batch"]]:
    """Mix, filter, add noise and mask.

    Args:
        power: Mel power of crops; any level.
        generator: The only source of chance.
        config: Strengths.
    Returns:
        Mel power at level 1 (the loudest twentieth of its frames), for every sound the number in the batch of the
        one that was added to it, and the weight of that one in the target (0 where none was).
    """
    power = power / level_of(power)[:, None, None]
    power, partner, weight = _mix(power, generator, config)
    power *= _filters(power.shape, generator, config)
    _add_noise(power, generator, config)
    power[_masks(power.shape, generator, config)] = 0
    return power, partner, weight


def level_of(power: Float[np.ndarray, "batch mel frame"]) -> Float[np.ndarray, " batch"]:
    """Mean power of the loudest twentieth of the frames; 1 for silence, so that dividing by it leaves silence."""
    frames = np.sort(power.sum(1), axis=1)
    level = frames[:, -max(1, round(0.05 * frames.shape[1])) :].mean(1)
    return np.where(level > 0, level, np.ones_like(level))


def _mix(
    power: Float32[np.ndarray, "batch mel frame"], generator: np.random.Generator, config: AugmentConfig
) -> tuple[Float32[np.ndarray, "batch mel frame"], Int[np.ndarray, " batch"], Float32[np.ndarray, " batch"]]:
    n = len(power)
    # Everyone's partner is someone else, as long as there is someone else.
    partner = (np.arange(n) + generator.integers(1, max(2, n), n)) % n
    below = generator.uniform(0, config.mix_decibels, n)
    third = np.minimum(2, (3 * below / max(config.mix_decibels, 1e-9)).astype(int))
    weight = np.array([0.5, 0.35, 0.2])[third] * (generator.random(n) < config.mix_share)
    mixed, chosen = power.copy(), weight > 0
    mixed[chosen] += power[partner[chosen]] * (10 ** (-below[chosen] / 10))[:, None, None].astype(np.float32)
    return mixed, partner, weight.astype(np.float32)


def _filters(
    shape: tuple[int, ...], generator: np.random.Generator, config: AugmentConfig
) -> Float32[np.ndarray, "batch mel 1"]:
    n, n_mels = shape[:2]
    knots = generator.uniform(-config.filter_decibels, config.filter_decibels, (n, 5))
    knots *= (generator.random(n) < config.filter_share)[:, None]
    at = np.linspace(0, n_mels - 1, knots.shape[1])
    decibels = np.stack([np.interp(np.arange(n_mels), at, row) for row in knots])
    cut = np.where(generator.random(n) < config.lowpass_share, generator.integers(n_mels // 3, n_mels, n), n_mels)
    # 6 dB a band beyond the cut, down to nothing that the network could see
    decibels -= 6.0 * np.maximum(0, np.arange(n_mels) - cut[:, None])
    return (10 ** (decibels / 10)).astype(np.float32)[:, :, None]


def _add_noise(
    power: Float32[np.ndarray, "batch mel frame"], generator: np.random.Generator, config: AugmentConfig
) -> None:
    n, n_mels, n_frames = power.shape
    chosen = np.flatnonzero(generator.random(n) < config.noise_share)
    below = generator.uniform(*config.noise_decibels, len(chosen))
    slope = generator.uniform(-0.5, 0.1, len(chosen))  # decibels a band: from red to slightly blue
    colour = 10 ** (slope[:, None] * np.arange(n_mels) / 10)
    colour *= (10 ** (-below / 10) / colour.sum(1))[:, None]
    cells = generator.standard_exponential((len(chosen), n_mels, n_frames), np.float32)
    power[chosen] += cells * colour[:, :, None].astype(np.float32)


def _masks(
    shape: tuple[int, ...], generator: np.random.Generator, config: AugmentConfig
) -> Bool[np.ndarray, "batch mel frame"]:
    n, n_mels, n_frames = shape
    over_time = _spans(n, n_frames, config.time_masks, config.time_mask_frames, generator)
    over_bands = _spans(n, n_mels, config.band_masks, config.band_mask_bands, generator)
    return over_time[:, None, :] | over_bands[:, :, None]


def _spans(
    n: int, length: int, n_spans: int, longest: int, generator: np.random.Generator
) -> Bool[np.ndarray, "batch length"]:
    masked = np.zeros((n, length), bool)
    for _ in range(n_spans):
        width = generator.integers(0, min(longest, length) + 1, n)
        start = (generator.random(n) * (length - width + 1)).astype(int)
        place = np.arange(length)
        masked |= (place >= start[:, None]) & (place < (start + width)[:, None])
    return masked
