"""What decides the weights of a run of `mmasc train NETWORK`; saved with it as config.json, as plain values."""

from dataclasses import dataclass, field
from typing import Any

SCHEDULES = ("cosine", "one-cycle", "constant")
LOSSES = ("cross-entropy", "focal", "bce")
MIXES = ("none", "mixup", "between-class", "beneath")
STAGES = ("waveform", "power", "features")
PLACES = ("waveform", "features")
MASK_PLACES = ("body", "features", "power")
PARTNERS = ("batch", "drawn")
CLASS_WEIGHTS = ("none", "balanced")
FUSIONS = ("posteriors", "logits")
NOISY_RULES = ("plain", "authors")


@dataclass(frozen=True)
class SupervisedConfig:
    """Everything that decides the weights of one fold's run.

    The way of a clip: waveform → (crop, speed, gain, mixing) → front end up to its power → (mixing, filter, noise, low
    pass, shift, masks) → its logarithm → (mixing, masks) → network. Shares are probabilities by item.

    Attributes:
        network: Name in the registry.
        features: Front end, by name.
        arguments: Of the network's definition, where they differ from the registry's.
        classes: What the outputs mean, in order.
        dataset: Kind of the data, as `read_dataset` takes it.
        data: Where it was.
        dataset_options: Of the reader.
        make_folds: Folds made for data without any, stratified, groups whole; 0 for the official ones.
        hold_out: "COLUMN=VALUE,VALUE": clips that are tested but never learned from (unseen cities ...).
        per_class: Balanced pruning to so many clips a class; 0 keeps all.
        data_digest: Of names, labels and sides of all clips: another table is another run.
        fold: The fold that is never learned from; empty where all clips are.
        validation: A fold or a share of the rest to validate on; empty for none.
        seed: Of everything.
        seen_share: Of the clips of every group on the learning side, which are not learned from but tested apart as
            seen; of a group of two or more clips one at least is learned from. 0 for none.
        seen_by: Column whose values are seen or not (city ...), in the place of groups.
        recipe: Where the values came from; only a name.
        weights: File or run that the weights began from; empty for fresh ones.
        weights_digest: Of that file.
        new_head: Whether the last layer was made anew on top of `weights`.
        tags: Where tags came from, for a network that reads them beside the sound; see
            `mmasc.training.supervised.tag_sources`.
        tags_identity: Of that source: it decides, not its name.
        channels: Lanes that are heard: "mix", "left", "right", "each", "mid-side"; an item for each. A network that
            reads two channels hears both in one lane, whatever this says.
        minimum_seconds: Shorter clips are padded with zeros to it; 0 leaves them.
        trim_decibels: Both ends of a clip that are so much quieter than its loudest 10 ms are cut off; 0 leaves them.
        epochs: Times that every item is drawn.
        repeats: Draws of every item an epoch.
        batch: Items a step, over all processes; what is left over at the end of an epoch is dropped.
        learning_rate: Highest.
        schedule: "cosine" (down to `final_rate`), "one-cycle" or "constant", after the warm-up.
        warm_up: Share of the steps in which the rate rises.
        cycle_momentum: Momentum goes down from 0.95 to 0.85 while the rate rises, and back (Smith and Topin 2018).
        final_rate: Share of the highest rate at the end of "cosine".
        weight_decay: Of AdamW.
        decay_all: Also on biases and norms, as torch does it by itself.
        gradient_norm: Longer gradients are cut to it; 0 for none.
        ema: Decay of the average of weights that is saved and tested; 0 for the weights themselves.
        bf16: Body in bfloat16; front end and loss stay float32.
        crop_from: "waveform", or "features": whole clips go through the front end once, crops are frames of that.
        crop_seconds: Length of a crop; 0 for whole clips (padded with zeros to the longest).
        fragments: Or so many equal parts of the features, all of which are learned from; 0 for none.
        quiet_decibels: Crops whose loudest 10 ms are so much below the clip's are not drawn; 0 allows all.
        speeds: Of play, cached; pitch goes with it. Drawn uniformly.
        speed_range: Least and most of a speed computed on the fly (waveform crops only).
        gain_decibels: Largest gain and cut, on the waveform.
        mix: "none", "mixup" (Zhang et al. 2018), "between-class" (Tokozume et al. 2018: levels matched), or "beneath":
            the other sound lies 0 to `mix_decibels` beneath, with a share of 0.5, 0.35 or 0.2 of the label by thirds.
        mix_on: "waveform", "power" or "features".
        mix_alpha: Both parameters of the coefficient's beta distribution.
        mix_decibels: See `mix`.
        mix_share: Of the items that are mixed.
        mix_once: One coefficient for the batch.
        mix_partners: The other item is one of the "batch", or "drawn" by itself, from other classes where it can.
        mix_until: Share of the steps after which nothing is mixed.
        filter_share: Of items with a random filter, linear in decibels between six points over the bands.
        filter_decibels: Its largest boost and cut.
        noise_share: Of items with a floor of coloured noise.
        noise_decibels: How far the floor is below the item's mean power: least and most.
        lowpass_share: Of items with nothing above a random band of the upper half.
        band_shift: Most bands that a spectrum is moved up or down by.
        time_masks, time_mask_frames: SpecAugment: how many, each of 0 to that many frames less one.
        band_masks, band_mask_bands: The same over bands.
        slice_least: Silence around a piece of every crop, on power: the piece is a share of the frames, uniform from
            this to 1; 1 for none.
        tag_noise: Deviation of noise on the log odds of tags, for a network that reads them: on few clips it learns
            the clips' tags by heart otherwise. 0 for none.
        mask_at: "body" (where the network has its place for it, after its first norm), "features" or "power".
        loss: "cross-entropy", "focal" or "bce" (several labels a clip).
        focal_gamma: 0 is cross-entropy.
        focal_argmax: Focal loss on the strongest label alone.
        smoothing: Share of the label spread over all classes.
        class_weights: "none", or "balanced": by the inverse of the class's share, mean 1.
        teacher: "network:FILE" to match posteriors, or an encoder to match vectors; empty for none.
        teacher_weight: Share of the loss.
        teacher_temperature: Of both softmaxes over classes.
        noisy: "COLUMN=VALUE,VALUE": clips whose labels nobody checked. They teach a head of their own beside the
            network's, and are neither validated nor tested on; empty for none.
        noisy_rule: "plain", or "authors" for a sigmoid too many in the loss of that head, as in their code.
        pseudo: Taggers ("tagging:RUN") whose mean opinion, sharpened, the noisy clips teach the network's own head.
        pseudo_identity: Of these taggers.
        pseudo_weight: Of that loss, a squared error of probabilities.
        pseudo_power: What the mean opinion is raised to, before rows are divided by their sums.
        patience: Epochs without a better validation after which the run ends; 0 trains to the end.
        test_seconds: Windows of a test clip; 0 hears it whole (or in `fragments`).
        test_hop_seconds: From one window to the next; 0 for half a window.
        test_speeds: Every clip is heard at each.
        test_passes: So many passes with masks on (the network's place for them), averaged; 0 for one without.
        fusion: What is averaged over windows, then lanes, then speeds: "posteriors" or "logits".
    """

    network: str
    features: str
    classes: tuple[str, ...]
    dataset: str
    data: str
    data_digest: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dataset_options: dict[str, Any] = field(default_factory=dict)
    make_folds: int = 0
    hold_out: str = ""
    per_class: int = 0
    fold: str = ""
    validation: str = ""
    seed: int = 0
    recipe: str = "default"
    weights: str = ""
    weights_digest: str = ""
    new_head: bool = False
    tags: str = ""
    tags_identity: str = ""
    channels: tuple[str, ...] = ("mix",)
    minimum_seconds: float = 0.0
    trim_decibels: float = 0.0
    epochs: int = 60
    repeats: int = 1
    batch: int = 32
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.05
    cycle_momentum: bool = False
    final_rate: float = 0.01
    weight_decay: float = 1e-2
    decay_all: bool = False
    gradient_norm: float = 5.0
    ema: float = 0.0
    bf16: bool = False
    crop_from: str = "features"
    crop_seconds: float = 0.0
    fragments: int = 0
    quiet_decibels: float = 0.0
    speeds: tuple[float, ...] = (1.0,)
    speed_range: tuple[float, float] = (1.0, 1.0)
    gain_decibels: float = 0.0
    mix: str = "none"
    mix_on: str = "features"
    mix_alpha: float = 1.0
    mix_decibels: float = 18.0
    mix_share: float = 1.0
    mix_once: bool = False
    mix_partners: str = "batch"
    mix_until: float = 1.0
    filter_share: float = 0.0
    filter_decibels: float = 5.0
    noise_share: float = 0.0
    noise_decibels: tuple[float, float] = (20.0, 50.0)
    lowpass_share: float = 0.0
    band_shift: int = 0
    time_masks: int = 0
    time_mask_frames: int = 20
    band_masks: int = 0
    band_mask_bands: int = 6
    slice_least: float = 1.0
    tag_noise: float = 0.0
    mask_at: str = "features"
    loss: str = "cross-entropy"
    focal_gamma: float = 2.0
    focal_argmax: bool = False
    smoothing: float = 0.0
    class_weights: str = "none"
    teacher: str = ""
    teacher_weight: float = 0.5
    teacher_temperature: float = 2.0
    noisy: str = ""
    noisy_rule: str = "plain"
    pseudo: tuple[str, ...] = ()
    pseudo_identity: str = ""
    pseudo_weight: float = 20.0
    pseudo_power: float = 2.0
    patience: int = 0
    test_seconds: float = 0.0
    test_hop_seconds: float = 0.0
    test_speeds: tuple[float, ...] = (1.0,)
    test_passes: int = 0
    fusion: str = "posteriors"
    seen_share: float = 0.0
    seen_by: str = ""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_ranges()
        self._check_together()

    def _check_choices(self) -> None:
        from mmasc.audio import CHANNELS

        choices = {
            "schedule": SCHEDULES,
            "loss": LOSSES,
            "mix": MIXES,
            "mix_on": STAGES,
            "crop_from": PLACES,
            "mask_at": MASK_PLACES,
            "mix_partners": PARTNERS,
            "class_weights": CLASS_WEIGHTS,
            "fusion": FUSIONS,
            "noisy_rule": NOISY_RULES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not self.channels or not set(self.channels) <= set(CHANNELS):
            raise ValueError(f"channels must be some of {', '.join(CHANNELS)}, got {self.channels}")

    def _check_ranges(self) -> None:
        for name in ("epochs", "repeats", "batch", "learning_rate", "mix_alpha", "mix_decibels", "teacher_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in (
            *("minimum_seconds", "trim_decibels", "weight_decay", "gradient_norm", "crop_seconds", "fragments"),
            *("quiet_decibels", "gain_decibels", "filter_decibels", "band_shift", "time_masks", "time_mask_frames"),
            *("band_masks", "band_mask_bands", "focal_gamma", "patience", "test_seconds", "test_hop_seconds"),
            *("test_passes", "seed", "tag_noise"),
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in (
            *("mix_share", "mix_until", "filter_share", "noise_share", "lowpass_share", "final_rate"),
            *("teacher_weight", "seen_share"),
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 < self.slice_least <= 1:
            raise ValueError(f"slice_least must be in (0, 1], got {self.slice_least}")
        if not self.pseudo_power > 0 or not self.pseudo_weight >= 0:
            raise ValueError(
                f"pseudo_power must be positive and pseudo_weight not negative, got {self.pseudo_power} and "
                f"{self.pseudo_weight}"
            )
        for name in ("ema", "smoothing", "warm_up"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("speeds", "test_speeds", "speed_range"):
            if not getattr(self, name) or not all(0.25 <= speed <= 4 for speed in getattr(self, name)):
                raise ValueError(f"{name} must lie in [0.25, 4], got {getattr(self, name)}")
        if len(self.noise_decibels) != 2 or len(self.speed_range) != 2:
            raise ValueError("noise_decibels and speed_range take a least and a most")

    def _check_together(self) -> None:
        if self.fragments and (self.crop_seconds or self.test_seconds):
            raise ValueError(
                "fragments and crops exclude each other: leave out fragments, or crop_seconds and test_seconds"
            )
        if self.fragments and self.crop_from == "waveform":
            raise ValueError("fragments are parts of the features: crop_from must be 'features'")
        if self.crop_from == "features":
            for name in ("gain_decibels", "mix_on", "speed_range"):
                asked = {
                    "gain_decibels": self.gain_decibels > 0,
                    "mix_on": self.mix != "none" and self.mix_on == "waveform",
                    "speed_range": self.speed_range != (1.0, 1.0),
                }[name]
                if asked:
                    raise ValueError(f"{name} acts on waveforms: crop_from must be 'waveform', got 'features'")
        if self.mix in ("between-class", "beneath") and self.mix_on == "features":
            raise ValueError(f"mix {self.mix!r} matches levels: mix_on must be 'waveform' or 'power', got 'features'")
        if self.patience and not self.validation:
            raise ValueError("patience needs validation: a fold or a share that is not learned from")
        self._check_noisy()
        if self.speed_range[0] > self.speed_range[1]:
            raise ValueError(f"speed_range must rise, got {self.speed_range}")

    def _check_noisy(self) -> None:
        if self.pseudo and not self.noisy:
            raise ValueError("pseudo labels are for noisy clips: noisy must say which they are")
        if not self.noisy:
            return
        if self.loss != "bce":
            raise ValueError(f"noisy labels need loss 'bce', got {self.loss!r}")
        if self.teacher or self.class_weights != "none":
            raise ValueError("noisy labels go with neither a teacher nor class weights: leave out one of them")
        if self.mix != "none" and self.mix_partners != "batch":
            raise ValueError("noisy labels are mixed with their like: mix_partners must be 'batch', got 'drawn'")
