"""What is known about an encoder without loading it: a frozen record, no torch."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

# The encoder where none is named
DEFAULT_ENCODER = "base"

# How a recording shorter than a window is filled, as the encoder was trained.
#   zeros:   zeros at the end, up to the window
#   repeat:  whole repetitions, then zeros, up to the window
#   minimum: zeros at the end up to `minimum_seconds` only; the network takes windows of any longer length
#   edges:   the first sample before and the last one behind, up to the window, half on each side
Padding = Literal["zeros", "repeat", "minimum", "edges"]


@dataclass(frozen=True)
class TrainingSet:
    """A data set that an encoder was trained on.

    Attributes:
        name: As it is published.
        licence: Its licence, or whose the sounds are.
        part: Which part of it, or how many recordings; empty for all of it, or where it is not known.
        family: Its family in `mmasc.datasets.known`, where its clips can be told by their names; else empty.
    """

    name: str
    licence: str = ""
    part: str = ""
    family: str = ""

    @property
    def line(self) -> str:
        """Name, part and licence in one line."""
        return f"{self.name}" + (f", {self.part}" if self.part else "") + (f" ({self.licence})" if self.licence else "")


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder as the registry knows it.

    Attributes:
        name: What `load_encoder` takes.
        target: "module:Class", imported when the encoder is loaded.
        text_target: The same of the text side alone, where it can be loaded without torch.
        sample_rate: Sample rate in Hz; every waveform is resampled to it.
        window_seconds: Length of a window.
        dim: Numbers in a vector.
        modalities: Subset of ("audio", "text", "image", "film"): what the space understands.
        licence: Licence of the weights; non-commercial licences say so here.
        weights: Where the weights come from: "bundled" (with a comma and which, for those of an earlier version), or
            the name of a file that `mmasc models fetch` knows.
        padding: How a recording shorter than a window is filled.
        minimum_seconds: Shortest input of the network, for padding "minimum".
        amplitude: What the network was trained on; the public call always takes [-1, 1] and the encoder scales.
        description: One line for `mmasc models list`.
        trained_on: Data sets that the weights learned from; empty without a network, None where it is not known.
        words: Name of the bundled prompt file with the words that the weights of this name were trained with, see
            `mmasc.encoders.default_prompts`; "" where there is none.
        features: Front end of a network whose file does not say it, where it is another than the network's own.
        hop_seconds: From one window's start to the next where users say nothing; 0 for the window, no overlap.
    """

    name: str
    target: str
    sample_rate: int
    window_seconds: float
    dim: int
    modalities: tuple[str, ...] = ("audio",)
    licence: str = "Apache-2.0"
    weights: str = "bundled"
    padding: Padding = "zeros"
    minimum_seconds: float = 0.0
    amplitude: str = "[-1, 1]"
    description: str = ""
    text_target: str = ""
    trained_on: tuple[TrainingSet, ...] | None = None
    words: str = ""
    features: str = ""
    hop_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.dim <= 0:
            raise ValueError(f"sample_rate and dim must be positive, got {self.sample_rate} and {self.dim}")
        if not self.window_seconds > 0:
            raise ValueError(f"window_seconds must be positive, got {self.window_seconds}")
        if self.hop_seconds < 0:
            raise ValueError(f"hop_seconds must be 0 or more, got {self.hop_seconds}")

    @property
    def hop(self) -> float:
        """Seconds from one window's start to the next where users say nothing; at most the window."""
        return min(self.hop_seconds or self.window_seconds, self.window_seconds)

    @property
    def non_commercial(self) -> bool:
        """Whether the licence of the weights forbids commercial use, as far as it says so."""
        return forbids_commerce(self.licence)


class Origin(NamedTuple):
    """What an encoder was built from, for `build_encoder` of another process.

    Attributes:
        name: Name that `load_encoder` took, with full paths.
        device: Where it runs.
        window_seconds: Window asked for.
        spec: Specification with this window, by the rules that gave its identity; None for adapters and plug-ins.
        path: Weights of the user's own; None for those that the encoder has.
    """

    name: str
    device: str
    window_seconds: float | None = None
    spec: EncoderSpec | None = None
    path: str | None = None


def forbids_commerce(licence: str) -> bool:
    """Whether a licence forbids commercial use, by its name: CC BY-NC, "non-commercial", research only.

    Args:
        licence: Its name or identifier.
    """
    plain = licence.lower().replace("_", "-").replace(" ", "-")
    return "noncommercial" in plain.replace("-", "") or "-nc" in plain or "research-only" in plain


def licence_remark(name: str, licence: str) -> str:
    """The remark on an encoder whose licence forbids commercial use."""
    return f"{name}: its licence ({licence}) forbids commercial use"
