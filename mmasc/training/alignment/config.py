"""What decides the weights of a run of `mmasc train align`; saved with it as config.json."""

from dataclasses import dataclass, field

from mmasc.errors import MmascError
from mmasc.networks.mini_config import MiniConfig
from mmasc.training.alignment.augment import AugmentConfig
from mmasc.training.alignment.crop_rule import CropRule

SPEEDS = (1.0, 0.8, 0.9, 1.12, 1.25)
TEMPLATES = ("{}", "the sound of {}", "a recording of {}", "{} sound", "sound of {} in the distance")
# Shorter recordings are padded at the end to this, in training as at inference
MINIMUM_SECONDS = 1.3
# Trained by name: channels of the first convolution and the three blocks. The small one is what the package ships.
AUDIO_NETWORKS: dict[str, tuple[int, int, int, int]] = {
    "mini": (16, 32, 64, 128),
    "mini-wide": (32, 64, 128, 256),
    "mini-wider": (48, 80, 160, 320),
}
COURSES = ("cycle", "hold", "fall")


@dataclass(frozen=True)
class AlignmentConfig:
    """Everything that decides the weights of a run; saved as its config.json.

    Attributes:
        data: Digest of the sounds and texts it learns from.
        validation: Digest of those it is validated on; empty without validation.
        audio: The network to train, by name.
        text: The text side: "mini", another encoder of the registry with text, or the file of a text table.
        seed: Random seed.
        steps: Number of optimiser steps.
        batch: Crops per step.
        crop_seconds: Length of a crop.
        learning_rate: Learning rate at the top of one cycle (a cosine up over the first 3 tenths, a cosine down to
            zero).
        weight_decay: Weight decay of AdamW, on everything that is a matrix or a kernel.
        gradient_norm: Longer gradients are cut to it.
        balance: A file is drawn in proportion to (files of its text) ** -balance.
        templates: Phrases that a text goes through; one is drawn every step.
        bank: So many texts at most stand in the softmax: those of the batch and others at random.
        initial_scale: What cosines are multiplied by at first; learned from there, at most `largest_scale`.
        largest_scale: See there.
        similar_share: Share of the target that goes to similar texts.
        similar_temperature: Temperature of the softmax over cosines that says which texts are similar.
        cosine_weight: Weight of 1 - cosine between sound and text.
        class_weight: Weight of the class head's cross-entropy; 0 for texts that are captions rather than labels.
        network: Shape of the network.
        augment: Strengths of the augmentation.
        teachers: Spaces of the teachers, and how they hear; with teachers crops are prepared (`crops`).
        teacher_weight: Weight of 1 - cosine between what is learned of a teacher and its vector.
        unlabelled_share: Share of the draws that are sounds without a text, where there are any.
        crops: How crops are prepared where there are teachers; `augment` mixes nothing more then.
        course: Course of the learning rate: "cycle", or for a training in two parts "hold" (up in 200 steps, then
            constant) and, from its weights, "fall" (a cosine down to zero).
        start: Digest of the weights that the run starts from; empty for weights at random.
        half: Convolutions in bfloat16, in training and of teachers.
    """

    data: str
    validation: str = ""
    audio: str = "mini"
    text: str = "mini"
    seed: int = 0
    steps: int = 2400
    batch: int = 64
    crop_seconds: float = 3.2
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    gradient_norm: float = 5.0
    balance: float = 0.5
    templates: tuple[str, ...] = TEMPLATES
    bank: int = 4096
    initial_scale: float = 10.0
    largest_scale: float = 100.0
    similar_share: float = 0.2
    similar_temperature: float = 0.06
    cosine_weight: float = 1.0
    class_weight: float = 0.5
    network: MiniConfig = field(default_factory=MiniConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    teachers: tuple[str, ...] = ()
    teacher_weight: float = 3.0
    unlabelled_share: float = 0.4
    crops: CropRule = field(default_factory=CropRule)
    course: str = "cycle"
    start: str = ""
    half: bool = False

    def __post_init__(self) -> None:
        if self.audio not in AUDIO_NETWORKS:
            raise MmascError(f"unknown network {self.audio!r}; there are: {', '.join(sorted(AUDIO_NETWORKS))}")
        if self.course not in COURSES:
            raise ValueError(f"course must be one of {sorted(COURSES)}, got {self.course!r}")
        for name in ("steps", "batch", "crop_seconds", "learning_rate", "bank"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.templates or not all("{}" in template for template in self.templates):
            raise ValueError(f"every template must hold {{}}, got {self.templates}")
