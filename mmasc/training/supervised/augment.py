"""Augmentation of a batch on its device: waveforms, mel power, features. All chance comes from one generator there.

Power of two sounds adds (their phases being unrelated), filters multiply, masks are silence.

Papers: Zhang et al. 2018, "mixup"; Tokozume et al. 2018, "Learning from between-class examples" (equation 2); Park et
al. 2019, "SpecAugment".
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mmasc.features.levelled import loudest_power

# Points between which a random filter is linear, in decibels over bands
_FILTER_KNOTS = 6
# Colour of the noise floor: so much up and down between four points
_COLOUR_KNOTS, _COLOUR_DECIBELS = 4, 6.0
_LOUDNESS_PIECES_A_SECOND = 10
_LEAST_ODDS = 1e-4


def play_at(
    waveforms: Float[Tensor, "batch channel time"], speeds: Float[Tensor, " batch"], n_samples: int
) -> Float[Tensor, "batch channel played"]:
    """Play every waveform at its own speed by linear interpolation; pitch goes with it.

    Args:
        waveforms: At least 1 + (n_samples - 1) x the highest speed samples long, or the last sample is held.
        speeds: 1 leaves a waveform as it is.
        n_samples: Length of the result.
    Source: Tokozume et al. 2018, scale augmentation.
    """
    at = torch.arange(n_samples, device=waveforms.device, dtype=torch.float64) * speeds.double()[:, None]
    before = at.long().clamp_max(waveforms.shape[2] - 1)
    after = (before + 1).clamp_max(waveforms.shape[2] - 1)
    share = (at - before).clamp(0, 1).to(waveforms.dtype)[:, None]
    n_channels = waveforms.shape[1]
    first = waveforms.gather(2, before[:, None].expand(-1, n_channels, -1))
    second = waveforms.gather(2, after[:, None].expand(-1, n_channels, -1))
    return first + share * (second - first)


def random_gain(
    waveforms: Float[Tensor, "batch channel time"], decibels: float, generator: torch.Generator
) -> Float[Tensor, "batch channel time"]:
    """Every waveform louder or quieter by up to so many decibels."""
    drawn = decibels * _uniform(generator, len(waveforms), low=-1)
    return waveforms * _column(10 ** (drawn / 20), waveforms)


def mixup(
    items: Float[Tensor, "batch *axes"], others: Float[Tensor, "batch *axes"], share: Float[Tensor, " batch"]
) -> Float[Tensor, "batch *axes"]:
    """share x item + (1 - share) x other; with share 1 or 0 it is one of them, to the bit."""
    weight = _column(share.to(items.dtype), items)
    return weight * items + (1 - weight) * others


def mix_between_classes(
    items: Float[Tensor, "batch *axes"],
    others: Float[Tensor, "batch *axes"],
    share: Float[Tensor, " batch"],
    levels: tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]],
    power: bool,
) -> Float[Tensor, "batch *axes"]:
    """Mix so that the item sounds as strong as its share of the label says, at unchanged total power.

    Args:
        items, others: Waveforms, or power.
        share: Share of the first in the label.
        levels: Levels of both, in decibels.
        power: Whether they are power: squares of amplitudes then weigh them.
    Source: Tokozume et al. 2018, equation 2, with the level of the loudest tenth of a second and no A-weighting.
    """
    first, second = levels
    # p = 1 / (1 + 10 ** ((G1 - G2) / 20) (1 - r) / r), written so that r = 0 and r = 1 stay finite
    other_part = 10 ** ((first - second) / 20) * (1 - share)
    p = share / (share + other_part).clamp_min(1e-12)
    scale = (p.square() + (1 - p).square()).sqrt()
    item, two = p / scale, (1 - p) / scale
    if power:
        item, two = item.square(), two.square()
    return _column(item.to(items.dtype), items) * items + _column(two.to(items.dtype), items) * others


def level_of_waveforms(waveforms: Float[Tensor, "batch channel time"], sample_rate: int) -> Float[Tensor, " batch"]:
    """Power of the loudest tenth of a second, in decibels."""
    length = max(1, sample_rate // _LOUDNESS_PIECES_A_SECOND)
    means = F.avg_pool1d(waveforms.square().mean(1, keepdim=True), length, ceil_mode=True)
    return 10 * means.amax((1, 2)).clamp_min(1e-12).log10()


def level_of_power(power: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, " batch"]:
    """Mean power of the loudest twentieth of the frames, in decibels."""
    return 10 * loudest_power(power).clamp_min(1e-20).log10()


def lay_beneath(
    items: Float[Tensor, "batch *axes"],
    others: Float[Tensor, "batch *axes"],
    decibels: Float[Tensor, " batch"],
    levels: tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]],
    power: bool,
) -> Float[Tensor, "batch *axes"]:
    """Add another sound so many decibels below an item's level; infinitely many add nothing.

    Args:
        items, others: Waveforms, or power.
        decibels: How far below.
        levels: Levels of both, in decibels.
        power: Whether they are power.
    """
    gain = 10 ** ((levels[0] - levels[1] - decibels) / (10 if power else 20))
    return items + _column(gain.to(items.dtype), items) * others


def share_above(decibels: Float[np.ndarray, " batch"], most: float) -> Float[np.ndarray, " batch"]:
    """Share of an item in the label when another lies beneath it: 0.5, 0.65, 0.8 by thirds of 0 .. most."""
    third = np.minimum(2, (3 * np.minimum(decibels, most) / max(most, 1e-9)).astype(int))
    return np.where(np.isinf(decibels), 1.0, np.array([0.5, 0.65, 0.8])[third])


def filter_bands(
    power: Float[Tensor, "batch channel frame band"], share: float, decibels: float, generator: torch.Generator
) -> Float[Tensor, "batch channel frame band"]:
    """A random filter on a share of the items: linear in decibels between six points over the bands."""
    n_items = len(power)
    knots = decibels * _uniform(generator, n_items, 1, _FILTER_KNOTS, low=-1)
    knots = knots * (_uniform(generator, n_items, 1, 1) < share)
    curve = F.interpolate(knots, power.shape[3], mode="linear", align_corners=True)
    return power * (10 ** (curve / 10))[:, :, None]


def add_noise(
    power: Float[Tensor, "batch channel frame band"],
    share: float,
    decibels: tuple[float, float],
    generator: torch.Generator,
) -> Float[Tensor, "batch channel frame band"]:
    """A floor of coloured noise on a share of the items, so many decibels below an item's level.

    Its power is exponentially distributed in every cell, as that of Gaussian noise is in a bin.
    """
    n_items, _, _, n_bands = power.shape
    least, most = decibels
    below = least + (most - least) * _uniform(generator, n_items, 1, 1)
    knots = _COLOUR_DECIBELS * _uniform(generator, n_items, 1, _COLOUR_KNOTS, low=-1) - below
    chosen = _uniform(generator, n_items) < share
    curve = 10 ** (F.interpolate(knots, n_bands, mode="linear", align_corners=True) / 10)
    cells = -torch.log1p(-torch.rand(power.shape, generator=generator, device=generator.device))
    loudest = 10 ** (level_of_power(power) / 10) / n_bands
    floor = _column(loudest * chosen, power) * curve[:, :, None]
    return power + cells * floor


def lowpass(
    power: Float[Tensor, "batch channel frame band"], share: float, generator: torch.Generator
) -> Float[Tensor, "batch channel frame band"]:
    """Silence above a random band of the upper half, on a share of the items: a recording of a low rate."""
    n_items, n_bands = len(power), power.shape[3]
    edge = n_bands // 2 + (_uniform(generator, n_items) * (n_bands - n_bands // 2)).long()
    edge = torch.where(_uniform(generator, n_items) < share, edge, n_bands)
    kept = torch.arange(n_bands, device=power.device) < edge[:, None]
    return power * kept[:, None, None]


def shift_bands(
    power: Float[Tensor, "batch channel frame band"], most: int, generator: torch.Generator
) -> Float[Tensor, "batch channel frame band"]:
    """Every spectrum moved up or down by 0 to `most` bands; the edge band is repeated."""
    n_bands = power.shape[3]
    by = torch.randint(-most, most + 1, (len(power),), generator=generator, device=generator.device)
    source = (torch.arange(n_bands, device=power.device) - by[:, None]).clamp(0, n_bands - 1)
    return power.gather(3, source[:, None, None].expand_as(power))


def stripes(
    n_items: int, length: int, n_stripes: int, width: int, generator: torch.Generator, least: int = 0
) -> Bool[Tensor, "batch length"]:
    """Where masks lie along one axis: widths uniform in least .. width - 1 (never the whole axis), starts uniform."""
    if n_stripes == 0 or width == 0:
        return torch.zeros(n_items, length, dtype=torch.bool, device=generator.device)
    above = max(1, min(width, length))
    shape = (n_items, n_stripes, 1)
    widths = torch.randint(min(least, above - 1), above, shape, generator=generator, device=generator.device)
    starts = (_uniform(generator, n_items, n_stripes, 1) * (length - widths + 1)).long()
    at = torch.arange(length, device=generator.device)
    return ((at >= starts) & (at < starts + widths)).any(1)


def mask_stripes(
    features: Float[Tensor, "batch channel frame band"],
    over_time: tuple[int, int],
    over_bands: tuple[int, int],
    generator: torch.Generator,
    silence: bool,
    least_bands: int = 0,
    share: float = 1.0,
) -> Float[Tensor, "batch channel frame band"]:
    """SpecAugment on what did not yet pass a norm.

    Args:
        features: Power or features.
        over_time, over_bands: How many stripes, and of which width (see `stripes`).
        generator: Random generator.
        silence: Stripes are 0, for power; else they are the item's mean, which hides and does not shout.
        least_bands: Least width of a stripe over bands.
        share: Share of the items with stripes.
    """
    n_items, _, n_frames, n_bands = features.shape
    hidden = stripes(n_items, n_frames, *over_time, generator)[:, None, :, None]
    hidden = hidden | stripes(n_items, n_bands, *over_bands, generator, least_bands)[:, None, None, :]
    if share < 1:
        hidden = hidden & (_uniform(generator, n_items) < share)[:, None, None, None]
    fill = features.new_zeros(()) if silence else features.mean((1, 2, 3), keepdim=True)
    return torch.where(hidden, fill, features)


def slice_frames(
    power: Float[Tensor, "batch channel frame band"], least: float, generator: torch.Generator, share: float = 1.0
) -> Float[Tensor, "batch channel frame band"]:
    """Silence around a piece of an item: a share of its frames, uniform in [least, 1], from a uniform start.

    Args:
        power: Power of the items.
        least: Least share of the frames.
        generator: Random generator.
        share: Share of the items that are cut.

    Source: Akiyama and Sato 2019, whose code silences bands instead where a clip is longer than the crop.
    """
    n_frames = power.shape[2]
    drawn = least + (1 - least) * _uniform(generator, len(power), 1)
    kept = (drawn * n_frames).round().clamp_min(1)
    start = (_uniform(generator, len(power), 1) * (n_frames - kept + 1)).floor()
    at = torch.arange(n_frames, device=power.device)
    inside = (at >= start) & (at < start + kept)
    if share < 1:
        inside = inside | (_uniform(generator, len(power), 1) >= share)
    return power * inside[:, None, :, None]


def jitter_tags(
    tags: Float[Tensor, "batch tag"], deviation: float, generator: torch.Generator
) -> Float[Tensor, "batch tag"]:
    """Probabilities with normal noise on their log odds; 0 leaves them to the bit.

    Probabilities nearer to 0 or 1 than 0.0001 are moved there first.
    """
    if not deviation:
        return tags
    noise = torch.randn(tags.shape, generator=generator, device=generator.device).to(tags.device)
    return (tags.logit(_LEAST_ODDS) + deviation * noise).sigmoid()


def _uniform(generator: torch.Generator, *shape: int, low: float = 0.0) -> Tensor:
    """Numbers in [low, 1) on the generator's device."""
    return low + (1 - low) * torch.rand(shape, generator=generator, device=generator.device)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
