"""Named recipes: values of `SupervisedConfig`, as plain numbers, with where they come from.

Values that a source does not give stay at the configuration's default; a comment says so.
"""

from typing import Any

from mmasc.errors import MmascError

# Widths and numbers of SpecAugment's stripes at full length of 10 s clips, as the authors of SP4SC set them
_SP4SC_MASKS = dict(time_masks=2, time_mask_frames=128, band_masks=2, band_mask_bands=16, mask_at="body")
_SP4SC_AUTHORS = dict(
    epochs=200,
    batch=32,
    learning_rate=1e-3,
    schedule="cosine",
    warm_up=0.0,
    final_rate=0.01,
    weight_decay=1e-5,
    decay_all=True,
    gradient_norm=0.0,
    **_SP4SC_MASKS,
)
_SP4SC_MIXUP = dict(mix="mixup", mix_on="features", mix_alpha=0.2, mix_once=True)

# Short recordings, trained from nothing: strong augmentation of power, a second sound beneath a third of the clips.
# Tests hear clips whole
_SHORT_CLIPS: dict[str, Any] = dict(
    epochs=160,
    batch=64,
    learning_rate=3e-3,
    schedule="one-cycle",
    warm_up=0.15,
    cycle_momentum=True,
    weight_decay=0.02,
    gradient_norm=0.0,
    crop_seconds=3.2,
    quiet_decibels=20.0,
    speeds=(0.8, 0.87, 0.93, 1.0, 1.07, 1.15, 1.25),
    mix="beneath",
    mix_on="power",
    mix_share=0.35,
    mix_partners="drawn",
    filter_share=0.7,
    noise_share=0.3,
    time_masks=2,
    time_mask_frames=21,
    band_masks=2,
    band_mask_bands=7,
    mask_at="power",
)

RECIPES: dict[str, dict[str, Any]] = {
    "default": _SHORT_CLIPS,
    # The same for SP4SC, which learns more from small batches; with features "levelled"
    "sp4sc-short": _SHORT_CLIPS | dict(epochs=100, batch=16, learning_rate=4e-3, crop_seconds=2.0),
    # No augmentation at all: whole clips, cross-entropy
    "plain": dict(),
    # Nothing that needs power: all features alike can be learned from by it, as a comparison of them must. Length and
    # rate were looked at with log-mel on one fold of ESC-10: a fold takes less than a minute of one core
    "any-features": dict(
        epochs=20,
        batch=16,
        learning_rate=3e-3,
        schedule="one-cycle",
        warm_up=0.15,
        weight_decay=0.02,
        crop_seconds=2.0,
        quiet_decibels=20.0,
        mix="mixup",
        mix_on="features",
        mix_alpha=0.4,
    ),
    # valeoai/SP4ASC: cross-entropy, with and without mixup of log-mel, and focal loss on the strongest label
    "sp4sc-ce": _SP4SC_AUTHORS,
    "sp4sc-ce-mixup": _SP4SC_AUTHORS | _SP4SC_MIXUP,
    "sp4sc-focal": _SP4SC_AUTHORS | dict(loss="focal", focal_gamma=1.0, focal_argmax=True),
    # Barberteguy 2023: half as long
    "barberteguy-2023": _SP4SC_AUTHORS | _SP4SC_MIXUP | dict(epochs=100),
    # Kong et al. 2020: mixup of log-mel (alpha 1), SpecAugment after the first norm; Adam 1e-3 without decay. They
    # count iterations, not epochs
    "panns": dict(
        learning_rate=1e-3,
        schedule="constant",
        warm_up=0.0,
        weight_decay=0.0,
        gradient_norm=0.0,
        mix="mixup",
        mix_on="features",
        mix_alpha=1.0,
        time_masks=2,
        time_mask_frames=64,
        band_masks=2,
        band_mask_bands=8,
        mask_at="body",
    ),
    # Zhou, Bai, Du: six fragments, left, right and their mean, posteriors averaged. The optimiser is not given
    "zhou-2018": dict(fragments=6, channels=("left", "right", "mix"), fusion="posteriors"),
    # Jung et al. 2019, released code: crops of 240,000 samples, Adam 1e-4 with amsgrad and an L2 term of 1e-3, mixup
    # 0.1 from the seventh epoch on with one coefficient per batch, centre loss of 5e-5 with centres that do not move
    # (the code makes them parameters and does not give them to the optimiser). The paper of 2020 mentions neither crops
    # nor centre loss
    "jung-2019": dict(
        epochs=90,
        batch=24,
        learning_rate=1e-4,
        schedule="constant",
        warm_up=0.0,
        optimizer="adam",
        amsgrad=True,
        weight_decay=1e-3,
        decay_all=True,
        gradient_norm=0.0,
        crop_from="waveform",
        crop_seconds=5.0,
        mix="mixup",
        mix_on="features",
        mix_alpha=0.1,
        mix_once=True,
        mix_from=6 / 90,
        centre_weight=5e-5,
    ),
    # The same network on few and short recordings, within minutes on a CPU: crops of 1.25 s, where the clip sounds, at
    # any speed and level, two of them mixed at equal loudness. Tests hear clips whole
    "jung-2019-short": dict(
        epochs=50,
        batch=16,
        learning_rate=1e-3,
        schedule="one-cycle",
        warm_up=0.15,
        weight_decay=1e-3,
        crop_from="waveform",
        crop_seconds=1.25,
        quiet_decibels=20.0,
        speed_range=(0.8, 1.25),
        gain_decibels=6.0,
        mix="between-class",
        mix_on="waveform",
        mix_share=0.5,
    ),
    # Akiyama and Sato 2019, released code: Adam, 512 epochs in eight cosines from 1e-3 to 1e-6, crops of 512 frames,
    # mixup of half of the items, in half of them a mask of 16 to 62 bands, half of them cut to a piece. Their gain of
    # 10 % is taken out again by their features. Their masks are even and are cut off at the edges of the bands
    "akiyama-2019": dict(
        loss="bce",
        epochs=512,
        batch=64,
        learning_rate=1e-3,
        schedule="cosine",
        cycles=8,
        warm_up=0.0,
        final_rate=1e-3,
        optimizer="adam",
        weight_decay=0.0,
        gradient_norm=0.0,
        crop_seconds=4.029,
        mix="mixup",
        mix_on="power",
        mix_alpha=1.0,
        mix_share=0.5,
        band_masks=1,
        band_mask_bands=63,
        band_mask_least=16,
        mask_share=0.5,
        mask_at="power",
        slice_least=0.25,
        slice_share=0.5,
    ),
    # Kumar, Vyas, Garg: several labels per clip, Adam; dropout was found by a grid search, of which they give no value:
    # `mmasc sweep NETWORK --grid dropout=0,0.2,0.5`. Rate, batch and epochs are not given
    "kumar": dict(loss="bce", optimizer="adam", schedule="constant", warm_up=0.0, weight_decay=0.0, gradient_norm=0.0),
}


def recipe(name: str) -> dict[str, Any]:
    """The values of a recipe.

    Raises:
        MmascError: If there is none of this name; the names are listed.
    """
    if name not in RECIPES:
        raise MmascError(f"unknown recipe {name!r}; there are: {', '.join(RECIPES)}")
    return dict(RECIPES[name])
