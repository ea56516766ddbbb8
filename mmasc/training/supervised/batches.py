"""What a step learns from: items drawn by (seed, step) alone, cropped, augmented on the device, with soft labels."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from mmasc.devices import ProcessGroup
from mmasc.errors import MmascError
from mmasc.networks.body import Body
from mmasc.networks.network import Network
from mmasc.training.supervised.augment import (
    add_noise,
    filter_bands,
    lay_beneath,
    level_of_power,
    level_of_waveforms,
    lowpass,
    mask_stripes,
    mix_between_classes,
    mixup,
    play_at,
    random_gain,
    share_above,
    shift_bands,
    slice_frames,
)
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.crops import Draw, Items
from mmasc.training.supervised.hearing import finish, raw_features

_DRAWS_FOR_ANOTHER_CLASS = 8


@dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Attributes:
        features: Features of the front end, augmented.
        targets: Soft labels.
        clips: Positions of the clips of the items, and of their partners.
        share: Share of the items in their labels.
        noisy: Which have labels that nobody checked; None where nothing is said of it.
    """

    features: Float[Tensor, "batch *feature"]
    targets: Float[Tensor, "batch class"]
    clips: tuple[Int64[np.ndarray, " batch"], Int64[np.ndarray, " batch"]]
    share: Float[Tensor, " batch"]
    noisy: Bool[Tensor, " batch"] | None = None


class Batches:
    """Batches of a run by the number of the step.

    Args:
        items: What is drawn from.
        config: Configuration of the run.
        processes: Group of processes: each gets its rows of every batch.
        noisy: Which clips have labels that nobody checked: they are mixed with each other only.
    Raises:
        MmascError: If there is nothing to draw from.
    """

    def __init__(
        self,
        items: Items,
        config: SupervisedConfig,
        processes: ProcessGroup,
        noisy: Bool[np.ndarray, " clip"] | None = None,
    ) -> None:
        self.items, self.config, self.processes, self.noisy = items, config, processes, noisy
        self.n_units = len(items) * items.parts * config.repeats
        if self.n_units < processes.size:
            raise MmascError(f"{self.n_units} items are fewer than the {processes.size} processes; start fewer of them")
        self.batch = min(config.batch, self.n_units) // processes.size * processes.size
        self.steps_an_epoch = self.n_units // self.batch
        self._targets = items.targets
        self._order: tuple[int, Int64[np.ndarray, " unit"]] = (-1, np.zeros(0, np.int64))

    def draw(self, step: int) -> tuple[Draw, Draw, Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
        """Of a step, for all processes: items, partners drawn by themselves, shares of the items in the label, and how
        many decibels partners lie beneath them."""
        epoch, number = divmod(step, self.steps_an_epoch)
        if self._order[0] != epoch:
            order = np.random.default_rng([self.config.seed, 0, epoch]).permutation(self.n_units)
            self._order = (epoch, order.astype(np.int64))
        units = self._order[1][number * self.batch : (number + 1) * self.batch]
        generator = np.random.default_rng([self.config.seed, 1, step])
        first = self._place(units, generator)
        share, beneath = self._shares(generator)
        return first, self._place(self._partners(units, generator), generator), share, beneath

    def make(self, step: int, steps: int) -> Batch:
        """The rows of this process: cropped, augmented, with soft labels.

        Args:
            step: Number of the step, from 0.
            steps: Number of steps of the whole run: mixing may end before.
        """
        config, items = self.config, self.items
        first, second, share, beneath = self.draw(step)
        mine = slice(self.processes.rank, None, self.processes.size)
        first, second, share, beneath = first.rows(mine), second.rows(mine), share[mine], beneath[mine]
        generator = torch.Generator(items.device)
        generator.manual_seed(int(np.random.default_rng([config.seed, 2, step, self.processes.rank]).integers(2**62)))
        mixing = config.mix != "none" and round(config.mix_from * steps) <= step < config.mix_until * steps
        if not mixing:
            share = np.ones_like(share)
        partner: Int64[np.ndarray, " batch"] | None = None
        noisy = None if self.noisy is None else self.noisy[items.clips[first.items]]
        if config.mix_partners == "batch":
            n = len(share)
            by = 1 + int(np.random.default_rng([config.seed, 3, step]).integers(max(1, n - 1)))
            partner = np.roll(np.arange(n), by) if noisy is None else partners_alike(noisy, by)
            second = first.rows(partner)
        weight = torch.from_numpy(share).float().to(items.device)
        clips = items.clips[first.items], items.clips[second.items]
        targets = [torch.from_numpy(items.clip_targets[rows]).to(items.device) for rows in clips]
        mixing_by = (weight, torch.from_numpy(beneath).float().to(items.device))
        features = self._features(first, second if mixing else None, partner, mixing_by, generator)
        marks = None if noisy is None else torch.from_numpy(noisy).to(items.device)
        return Batch(features, mixup(targets[0], targets[1], weight), clips, weight, marks)

    def _place(self, units: Int64[np.ndarray, " batch"], generator: np.random.Generator) -> Draw:
        chosen = units % (len(self.items) * self.items.parts)
        speeds = generator.integers(len(self.config.speeds), size=len(units))
        return Draw(chosen // self.items.parts, chosen % self.items.parts, speeds, generator.random(len(units)))

    def _partners(
        self, units: Int64[np.ndarray, " batch"], generator: np.random.Generator
    ) -> Int64[np.ndarray, " batch"]:
        """Other units, of other classes where a few draws find one."""

        def labels(of: Int64[np.ndarray, " batch"]) -> Float32[np.ndarray, "batch class"]:
            return self._targets[of % (len(self.items) * self.items.parts) // self.items.parts]

        own = labels(units)
        drawn = generator.integers(self.n_units, size=len(units))
        for _ in range(_DRAWS_FOR_ANOTHER_CLASS):
            again = generator.integers(self.n_units, size=len(units))
            drawn = np.where((labels(drawn) == own).all(1), again, drawn)
        return drawn

    def _shares(
        self, generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
        config = self.config
        if config.mix == "beneath":
            drawn = generator.uniform(0, config.mix_decibels, self.batch)
        else:
            drawn = generator.beta(config.mix_alpha, config.mix_alpha, self.batch)
        if config.mix_once:
            drawn[:] = drawn[0]
        mixed = generator.random(self.batch) < config.mix_share
        if config.mix == "beneath":
            beneath = np.where(mixed, drawn, np.inf)
            return share_above(beneath, config.mix_decibels), beneath
        return np.where(mixed, drawn, 1.0), np.full(self.batch, np.inf)

    def _features(
        self,
        first: Draw,
        second: Draw | None,
        partner: Int64[np.ndarray, " batch"] | None,
        by: tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch *feature"]:
        """Features of the items, mixed with their partners at the stage that the configuration names."""
        config, front_end = self.config, self.items.network.front_end
        if config.crop_from == "waveform":
            items = self._waveforms(first, generator)
            others = items[partner] if partner is not None else None
            if second is not None and others is None:
                others = self._waveforms(second, generator)
            if second is not None and config.mix_on == "waveform":
                items = self._mix(items, others, by, power=False)
                second = others = None
            raw = raw_features(front_end, items)
            raw_others = None
            if second is not None and others is not None:
                raw_others = raw[partner] if partner is not None else raw_features(front_end, others)
        else:
            raw = self.items.feature_crops(first)
            raw_others = None
            if second is not None:
                raw_others = raw[partner] if partner is not None else self.items.feature_crops(second)
        if raw_others is not None and config.mix_on == "power":
            raw, raw_others = self._mix(raw, raw_others, by, power=True), None
        features = finish(front_end, self._colour(raw, generator))
        if raw_others is not None:
            features = self._mix(features, finish(front_end, raw_others), by, power=False)
        if config.mask_at == "features" and (config.time_masks or config.band_masks):
            features = self._masked(features, generator, silence=False)
        return features

    def _waveforms(self, draw: Draw, generator: torch.Generator) -> Float[Tensor, "batch channel time"]:
        config, items = self.config, self.items
        crops = items.waveform_crops(draw)
        least, most = config.speed_range
        if (least, most) != (1.0, 1.0):
            # Uniform in the logarithm: as often faster as slower
            drawn = torch.rand(len(crops), generator=generator, device=generator.device)
            crops = play_at(crops, least * (most / least) ** drawn, items.crop_samples)
        else:
            crops = crops[:, :, : items.crop_samples]
        return random_gain(crops, config.gain_decibels, generator) if config.gain_decibels else crops

    def _mix(
        self,
        items: Float[Tensor, "batch *axes"],
        others: Float[Tensor, "batch *axes"] | None,
        by: tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]],
        power: bool,
    ) -> Float[Tensor, "batch *axes"]:
        assert others is not None
        share, beneath = by
        if self.config.mix == "mixup":
            return mixup(items, others, share)
        if power:
            levels = level_of_power(items), level_of_power(others)
        else:
            rate = self.items.rate
            levels = level_of_waveforms(items, rate), level_of_waveforms(others, rate)
        if self.config.mix == "beneath":
            return lay_beneath(items, others, beneath, levels, power)
        return mix_between_classes(items, others, share, levels, power)

    def _colour(
        self, power: Float[Tensor, "batch *feature"], generator: torch.Generator
    ) -> Float[Tensor, "batch *feature"]:
        """Filter, noise, low pass, shift and masks of silence, on power."""
        config = self.config
        if config.filter_share:
            power = filter_bands(power, config.filter_share, config.filter_decibels, generator)
        if config.band_shift:
            power = shift_bands(power, config.band_shift, generator)
        if config.noise_share:
            power = add_noise(power, config.noise_share, config.noise_decibels, generator)
        if config.lowpass_share:
            power = lowpass(power, config.lowpass_share, generator)
        if config.mask_at == "power" and (config.time_masks or config.band_masks):
            power = self._masked(power, generator, silence=True)
        if config.slice_least < 1:
            power = slice_frames(power, config.slice_least, generator, config.slice_share)
        return power

    def _masked(
        self, features: Float[Tensor, "batch channel frame band"], generator: torch.Generator, silence: bool
    ) -> Float[Tensor, "batch channel frame band"]:
        config = self.config
        over_time = config.time_masks, config.time_mask_frames
        over_bands = config.band_masks, config.band_mask_bands
        return mask_stripes(
            features, over_time, over_bands, generator, silence, config.band_mask_least, config.mask_share
        )


def partners_alike(noisy: Bool[np.ndarray, " batch"], by: int) -> Int64[np.ndarray, " batch"]:
    """A partner of its own kind for every row, so many rows of that kind away; of a single one itself."""
    partners = np.arange(len(noisy), dtype=np.int64)
    for kind in (False, True):
        rows = np.flatnonzero(noisy == kind)
        if len(rows) > 1:
            partners[rows] = np.roll(rows, 1 + by % (len(rows) - 1))
    return partners


def check_stages(network: Network, config: SupervisedConfig) -> None:
    """Refuse augmentation that the front end or the body has no place for.

    Raises:
        MmascError: If there is such; the line says what to leave out.
    """
    if getattr(network.body, "merged", False):
        raise MmascError(f"{config.network} has its norms merged away, for use: train the plain network, then merge it")
    acts_on_power = {
        "mix_on": config.mix != "none" and config.mix_on == "power",
        "filter_share": config.filter_share > 0,
        "noise_share": config.noise_share > 0,
        "lowpass_share": config.lowpass_share > 0,
        "band_shift": config.band_shift > 0,
        "slice_least": config.slice_least < 1,
        "mask_at": config.mask_at == "power" and config.time_masks + config.band_masks > 0,
    }
    asked = [name for name, used in acts_on_power.items() if used]
    if asked and not network.front_end.has_power:
        raise MmascError(
            f"features {config.features!r} have no power to act on: leave out {', '.join(asked)} "
            "(--recipe plain has none of them), or take log-mel features"
        )
    masks = config.time_masks + config.band_masks > 0
    # Of a network with tags it is the trunk's
    normed = hasattr(network.body, "bn0") or hasattr(getattr(network.body, "trunk", None), "bn0")
    if masks and config.mask_at == "body" and not normed:
        raise MmascError(f"{config.network} has no place for masks after its first norm: say mask_at = 'features'")
    if config.centre_weight and type(network.body).forward is not Body.forward:
        raise MmascError(f"{config.network} makes its logits of several codes: leave out centre_weight")
    if config.test_passes and (config.loss == "bce" or not hasattr(network.body, "bn0")):
        raise MmascError("test_passes are for networks with a first norm (bn0) and one label per clip: leave them out")
