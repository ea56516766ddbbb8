"""What is known of an encoder without loading it: a frozen record, no torch."""

from dataclasses import dataclass
from typing import Literal

# How a recording shorter than a window is filled, as the encoder was trained.
#   zeros:   zeros at the end, up to the window
#   repeat:  whole repetitions, then zeros, up to the window
#   minimum: zeros at the end up to `minimum_seconds` only; the network takes windows of any longer length
Padding = Literal["zeros", "repeat", "minimum"]


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
        modalities: Subset of ("audio", "text", "image"): what the space understands.
        licence: Licence of the weights; non-commercial licences say so here.
        weights: Where the weights come from: "bundled", or the name of a file that `mmasc models fetch` knows.
        padding: How a recording shorter than a window is filled.
        minimum_seconds: Shortest input of the network, for padding "minimum".
        amplitude: What the network was trained on; the public call always takes [-1, 1] and the encoder scales.
        description: One line for `mmasc models list`.
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

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.dim <= 0:
            raise ValueError(f"sample_rate and dim must be positive, got {self.sample_rate} and {self.dim}")
        if not self.window_seconds > 0:
            raise ValueError(f"window_seconds must be positive, got {self.window_seconds}")
