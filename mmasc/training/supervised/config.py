"""What decides the weights of a run of `mmasc train NETWORK`; saved with it as config.json, as plain values."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from mmasc.training.supervised.options import check_options, option


@dataclass(frozen=True)
class Hearing:
    """How a clip is heard when it is tested: what `mmasc.training.supervised.scoring` needs of a configuration.

    Every field means what that of `SupervisedConfig` with its name means, and has its default.
    """

    features: str
    channels: tuple[str, ...] = ("mix",)
    minimum_seconds: float = 0.0
    trim_decibels: float = 0.0
    crop_from: str = "features"
    quiet_decibels: float = 0.0
    fragments: int = 0
    test_seconds: float = 0.0
    test_hop_seconds: float = 0.0
    test_speeds: tuple[float, ...] = (1.0,)
    test_passes: int = 0
    time_masks: int = 0
    time_mask_frames: int = 20
    band_masks: int = 0
    band_mask_bands: int = 6
    seed: int = 0
    loss: str = "cross-entropy"
    fusion: str = "posteriors"


@dataclass(frozen=True)
class SupervisedConfig:
    """Everything that decides the weights of one fold's run.

    The way of a clip: waveform → (crop, speed, gain, mixing) → front end up to its power → (mixing, filter, noise, low
    pass, shift, masks) → its logarithm → (mixing, masks) → network. Shares are probabilities by item.
    What stands below `pseudo_identity` are options of the command, each with its words for `--help`.

    Attributes:
        network: Name in the registry.
        features: Front end, by name.
        arguments: Arguments of the network's definition, where they differ from the registry's.
        classes: What the outputs mean, in order.
        dataset: Kind of the data, as `read_dataset` takes it.
        data: Where it was.
        dataset_options: Options of the reader.
        make_folds: Folds made for data without any, stratified, groups whole; 0 for the official ones.
        hold_out: "COLUMN=VALUE,VALUE": clips that are tested but never learned from (unseen cities ...).
        per_class: Balanced pruning to so many clips per class; 0 keeps all.
        data_digest: Digest of names, labels and sides of all clips: another table is another run.
        fold: The fold that is never learned from; empty where all clips are.
        validation: A fold or a share of the rest to validate on; empty for none.
        seed: Random seed of everything.
        recipe: Where the values came from; only a name.
        weights: File or run that the weights began from; empty for fresh ones.
        weights_digest: Digest of that file.
        new_head: Whether the last layer was made new on top of `weights`.
        tags: Where tags came from, for a network that reads them in addition to the sound; see
            `mmasc.training.supervised.tag_sources`.
        tags_identity: Identity of that source: it decides, not its name.
        pseudo_identity: Identities of the taggers of `pseudo`.
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
    pseudo_identity: str = ""
    # A network that reads two channels always gets both in one lane; this option does not change that
    channels: tuple[str, ...] = option(
        ("mix",), "Channels that are heard, as in left,right,mix: mix, left, right, each, mid-side."
    )
    minimum_seconds: float = option(0.0, "Minimum length; shorter clips are padded with zeros.", least=0)
    trim_decibels: float = option(
        0.0, "Decibels below the loudest 10 ms at which both ends are cut off; 0 keeps the ends.", least=0
    )
    epochs: int = option(60, "Number of epochs.", above=0)
    repeats: int = option(1, "Draws of every item per epoch.", above=0)
    # What is left over at the end of an epoch is dropped
    batch: int = option(32, "Items per step, over all processes.", above=0)
    learning_rate: float = option(1e-3, "Highest learning rate.", above=0)
    # After the warm-up: a cosine down to `final_rate`, or one cycle (`mmasc.training.schedules`)
    schedule: str = option("cosine", "Schedule of the learning rate.", choices=("cosine", "one-cycle", "constant"))
    warm_up: float = option(0.05, "Share of the steps in which the rate rises.", least=0, below=1)
    # From 0.95 to 0.85 (Smith and Topin 2018)
    cycle_momentum: bool = option(False, "Momentum that falls while the rate rises, and rises again.")
    final_rate: float = option(0.01, "Share of the highest rate at the end of a cosine.", share=True)
    # After the warm-up, each from the highest rate to the lowest (Loshchilov and Hutter 2017, warm restarts)
    cycles: int = option(1, "Number of cosine cycles of the learning rate.", above=0)
    # Of Adam the decay is a term of the gradient (L2), as it was before AdamW
    optimizer: str = option("adamw", "Optimiser.", choices=("adamw", "adam"))
    # Reddi et al. 2018
    amsgrad: bool = option(False, "Steps that use the largest second moment so far instead of the current one.")
    weight_decay: float = option(1e-2, "Weight decay of the optimiser.", least=0)
    # As torch does it by itself
    decay_all: bool = option(False, "Weight decay for biases and norms as well.")
    gradient_norm: float = option(5.0, "Largest norm of the gradient: longer ones are cut to it; 0 for none.", least=0)
    # It is this average that is tested, too
    ema: float = option(
        0.0, "Decay of the average of weights that is saved; 0 for the weights themselves.", least=0, below=1
    )
    bf16: bool = option(False, "Body in bfloat16; front end and loss stay float32.")
    # "features": whole clips go through the front end once, and crops are frames of what comes out
    crop_from: str = option(
        "features", "Crops of waveforms, or of features computed once.", choices=("waveform", "features")
    )
    # Whole clips are padded with zeros to the longest
    crop_seconds: float = option(0.0, "Length of a crop; 0 for whole clips.", least=0)
    fragments: int = option(0, "Equal parts of the features, all learned from and averaged; 0 for none.", least=0)
    # By the loudest 10 ms of both
    quiet_decibels: float = option(0.0, "Decibels below the clip at which crops are not drawn; 0 allows all.", least=0)
    # Drawn uniformly; pitch goes with them
    speeds: tuple[float, ...] = option(
        (1.0,), "Speeds of play, as in 0.8,1,1.25; kept in the cache.", least=0.25, most=4
    )
    speed_range: tuple[float, float] = option(
        (1.0, 1.0), "Lowest and highest speed, computed on the fly (waveform crops).", least=0.25, most=4
    )
    gain_decibels: float = option(0.0, "Largest gain and cut (waveform crops).", least=0)
    # Mixup: Zhang et al. 2018. Between-class: Tokozume et al. 2018, levels matched. Beneath: the other sound lies 0 to
    # `mix_decibels` beneath, with a share of 0.5, 0.35 or 0.2 of the label by thirds
    mix: str = option("none", "Method of mixing two sounds.", choices=("none", "mixup", "between-class", "beneath"))
    mix_on: str = option("features", "Form in which sounds are mixed.", choices=("waveform", "power", "features"))
    # Both parameters
    mix_alpha: float = option(1.0, "Parameter of the beta distribution of the coefficient.", above=0)
    mix_decibels: float = option(
        18.0, "Largest level difference to the other sound, which is the quieter one.", above=0
    )
    mix_share: float = option(1.0, "Share of the items that are mixed.", share=True)
    mix_once: bool = option(False, "One coefficient for the whole batch.")
    # "drawn": from other classes where it can be
    mix_partners: str = option(
        "batch", "Source of the other item: the batch, or a separate draw.", choices=("batch", "drawn")
    )
    mix_from: float = option(0.0, "Share of the steps before which nothing is mixed.", share=True)
    mix_until: float = option(1.0, "Share of the steps after which nothing is mixed.", share=True)
    # Linear in decibels between six points over the bands
    filter_share: float = option(0.0, "Share of the items with a random filter.", share=True)
    filter_decibels: float = option(5.0, "Largest boost and cut of the random filter.", least=0)
    noise_share: float = option(0.0, "Share of the items with a floor of coloured noise.", share=True)
    # Of the mean power
    noise_decibels: tuple[float, float] = option(
        (20.0, 50.0), "Level of the noise below the item: smallest and largest."
    )
    # Of the upper half
    lowpass_share: float = option(0.0, "Share of the items with nothing above a random band.", share=True)
    band_shift: int = option(0, "Maximum number of bands by which a spectrum is shifted.", least=0)
    # SpecAugment: masks are from nothing to this wide less one
    time_masks: int = option(0, "Number of masks over time.", least=0)
    time_mask_frames: int = option(20, "Number of frames; masks over time are shorter.", least=0)
    band_masks: int = option(0, "Number of masks over bands.", least=0)
    band_mask_bands: int = option(6, "Number of bands; masks over bands are narrower.", least=0)
    band_mask_least: int = option(0, "Least width of a mask over bands.", least=0)
    mask_share: float = option(1.0, "Share of the items with masks.", share=True)
    # On power: the piece is a share of the frames, uniform from this to 1
    slice_least: float = option(
        1.0, "Smallest share of a crop that stays, with silence around it; 1 keeps all.", above=0, most=1
    )
    slice_share: float = option(1.0, "Share of the items that are cut so.", share=True)
    # For a network that reads tags: on few clips it memorises the clips' tags otherwise
    tag_noise: float = option(0.0, "Standard deviation of noise on the log odds of tags; 0 for none.", least=0)
    mask_at: str = option(
        "features",
        "Place where masks act; body is after the network's first norm.",
        choices=("body", "features", "power"),
    )
    loss: str = option(
        "cross-entropy", "Loss; bce is for several labels per clip.", choices=("cross-entropy", "focal", "bce")
    )
    focal_gamma: float = option(2.0, "Gamma of the focal loss; 0 is cross-entropy.", least=0)
    focal_argmax: bool = option(False, "Focal loss on the strongest label alone.")
    smoothing: float = option(0.0, "Share of the label spread over all classes.", least=0, below=1)
    # Of mean 1
    class_weights: str = option("none", "Weights of classes; balanced: 1 / share.", choices=("none", "balanced"))
    # Centres are drawn once and never move, as in the released code of Jung et al. 2019; Wen et al. 2016 move them
    centre_weight: float = option(
        0.0, "Weight of the squared distance of codes to the fixed centre of their class; 0 for none.", least=0
    )
    teacher: str = option("", "Teacher: NETWORK:FILE to match posteriors, or an encoder to match vectors.")
    teacher_weight: float = option(0.5, "Share of the teacher in the loss.", share=True)
    teacher_temperature: float = option(2.0, "Temperature of both softmaxes over classes.", above=0)
    # These clips are neither validated nor tested on
    noisy: str = option("", "COLUMN=VALUE,...: clips with unchecked labels; they train a head of their own (tagging).")
    noisy_rule: str = option(
        "plain",
        "Loss of that head; authors: with a second sigmoid, as in the authors' code.",
        choices=("plain", "authors"),
    )
    # They teach the network's own head
    pseudo: tuple[str, ...] = option((), "Taggers (tagging:RUN,...): their sharpened mean is a target of noisy clips.")
    # A squared error of probabilities
    pseudo_weight: float = option(20.0, "Weight of the loss on pseudo labels.", least=0)
    # Before rows are divided by their sums
    pseudo_power: float = option(2.0, "Exponent that the mean is raised to.", above=0)
    # Of a group of two or more clips at least one is learned from
    seen_share: float = option(
        0.0,
        "Share of each training group's clips to hold back and to test separately as seen; 0 for none.",
        share=True,
    )
    seen_by: str = option("", "Column that decides what is seen (city ...); default: the groups of the data.")
    patience: int = option(0, "Epochs without a better validation after which training stops; 0: never.", least=0)
    # Whole, or in `fragments`
    test_seconds: float = option(0.0, "Length of the windows of a test clip; 0 for whole clips.", least=0)
    test_hop_seconds: float = option(0.0, "Seconds from one test window to the next; 0 for half a window.", least=0)
    test_speeds: tuple[float, ...] = option(
        (1.0,), "Speeds at which test clips are heard, as in 0.9,1,1.1.", least=0.25, most=4
    )
    # At the network's own place for masks
    test_passes: int = option(0, "Number of test passes with masks, averaged; 0: one pass without masks.", least=0)
    # Over windows first, then lanes, then speeds
    fusion: str = option(
        "posteriors", "Values that are averaged over windows, channels and speeds.", choices=("posteriors", "logits")
    )

    def __post_init__(self) -> None:
        from mmasc.audio import CHANNELS

        check_options(self)
        if not self.channels or not set(self.channels) <= set(CHANNELS):
            raise ValueError(f"channels must be some of {', '.join(CHANNELS)}, got {self.channels}")
        if not self.seed >= 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        self._check_together()

    @cached_property
    def hearing(self) -> Hearing:
        """How clips are heard; its fields lie flat in config.json."""
        return Hearing(**{item.name: getattr(self, item.name) for item in fields(Hearing)})

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
        if self.mask_at == "body" and (self.band_mask_least or self.mask_share < 1):
            raise ValueError("band_mask_least and mask_share act on features or power: mask_at must not be 'body'")
        if self.band_masks and self.band_mask_least >= self.band_mask_bands:
            raise ValueError(
                f"band_mask_least must be below band_mask_bands ({self.band_mask_bands}), got {self.band_mask_least}"
            )
        if self.mix_from > self.mix_until:
            raise ValueError(f"mix_from must not be above mix_until ({self.mix_until:g}), got {self.mix_from:g}")
        if self.cycles > 1 and self.schedule != "cosine":
            raise ValueError(f"cycles need schedule 'cosine', got {self.schedule!r}")
        if self.centre_weight and (self.noisy or self.teacher):
            raise ValueError("centre_weight excludes noisy labels and a teacher: leave out one of them")
        self._check_noisy()
        if self.speed_range[0] > self.speed_range[1]:
            raise ValueError(f"speed_range must be (lowest, highest), got {self.speed_range}")

    def _check_noisy(self) -> None:
        if self.pseudo and not self.noisy:
            raise ValueError("pseudo labels are for noisy clips: set noisy as well")
        if not self.noisy:
            return
        if self.loss != "bce":
            raise ValueError(f"noisy labels need loss 'bce', got {self.loss!r}")
        if self.teacher or self.class_weights != "none":
            raise ValueError("noisy labels exclude a teacher and class weights: leave out one of them")
        if self.mix != "none" and self.mix_partners != "batch":
            raise ValueError("noisy labels are mixed with noisy labels only: mix_partners must be 'batch', got 'drawn'")
