"""The trained parts in use: a window of sound in; codebook indices, imagined features and an imagined picture out."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.features import LogMel, LogMelConfig
from mmasc.ivf.transformation import TransformationConfig, make_transformation
from mmasc.ivf.vqvae import VqVae, VqVaeConfig
from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import load_tensors, save_tensors

# Table 1 of Liu et al. 2021: features without a codebook, quantised features, codebook indices
Variant = Literal["no-vq", "q", "index"]
VARIANTS = ("index", "q", "no-vq")

# 16 kHz is the paper's; it gives neither bands nor hop: those of the field, 10 ms and 64 bands
SOUND = LogMelConfig(16_000, 512, 400, 160, 64, 50.0, 8_000.0)


@dataclass(frozen=True)
class ImaginationConfig:
    """What turns sounds into imagined features.

    Attributes:
        variant: "index": K logits per cell, the likeliest code's vector is the feature; "q": D numbers per cell, the
            nearest code's vector is; "no-vq": the D numbers are the feature themselves.
        vqvae: Codebook, encoder and decoder of pictures.
        transformation: The network on sounds.
        window_seconds: Seconds of sound.
    """

    variant: Variant = "index"
    vqvae: VqVaeConfig = field(default_factory=VqVaeConfig)
    transformation: TransformationConfig = field(default_factory=TransformationConfig)
    window_seconds: float = 0.96

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {sorted(VARIANTS)}, got {self.variant!r}")

    @property
    def window_samples(self) -> int:
        """Length of a window in samples at 16 kHz."""
        return round(self.window_seconds * SOUND.sample_rate)

    @property
    def n_frames(self) -> int:
        """Frames of a window's spectrogram; they are centred; the last, on the window's very end, is left out."""
        return self.window_samples // SOUND.hop_length


class Imagination(nn.Module):
    """Front end, transformation network and VQ-VAE.

    Args:
        config: Their sizes.
    """

    log_mel_mean: Tensor
    log_mel_deviation: Tensor

    def __init__(self, config: ImaginationConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = LogMel(SOUND)
        self.vqvae = VqVae(config.vqvae)
        outputs = config.vqvae.codes if config.variant == "index" else config.vqvae.dim
        self.transformation = make_transformation(
            config.transformation, config.n_frames, SOUND.n_mels, config.vqvae.cells, outputs
        )
        # Of the training sounds, one number each
        self.register_buffer("log_mel_mean", torch.zeros(()))
        self.register_buffer("log_mel_deviation", torch.ones(()))

    def log_mel(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1 frame mel"]:
        """Standardised log-mel spectrograms of windows in [-1, 1] at 16 kHz."""
        log_mel = self.front_end(windows)[:, :, : self.config.n_frames]
        standard = (log_mel - self.log_mel_mean) / self.log_mel_deviation
        return rearrange(standard, "batch mel frame -> batch 1 frame mel")

    def forward(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch output height width"]:
        """What the transformation network writes: logits of codes, or numbers, for every cell."""
        return self.transformation(self.log_mel(windows))

    def features(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim height width"]:
        """Imagined visual features: Q^G(A) of the paper."""
        return self.features_of(self(windows))

    def features_of(
        self, written: Float[Tensor, "batch output height width"]
    ) -> Float[Tensor, "batch dim height width"]:
        """Features of what the transformation network wrote."""
        if self.config.variant == "no-vq":
            return written
        return self.vqvae.quantizer.lookup(self.indices_of(written))

    def indices_of(self, written: Float[Tensor, "batch output height width"]) -> Int[Tensor, "batch height width"]:
        """Codebook indices of what the transformation network wrote; of "no-vq", those of the nearest codes."""
        return written.argmax(1) if self.config.variant == "index" else self.vqvae.quantizer.nearest(written.float())

    def pictures(self, windows: Float[Tensor, "batch time"]) -> UInt8[Tensor, "batch size size 3"]:
        """What the sounds let one see."""
        return to_bytes(self.vqvae.decoder(self.features(windows)))


def to_bytes(pictures: Float[Tensor, "batch 3 height width"]) -> UInt8[Tensor, "batch height width 3"]:
    """Pictures around [-1, 1] as RGB bytes."""
    scaled = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return rearrange(scaled, "batch colour height width -> batch height width colour")


def from_bytes(pictures: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
    """RGB bytes as pictures in [-1, 1]."""
    return rearrange(pictures, "batch height width colour -> batch colour height width").float() / 127.5 - 1


def save_imagination(path: Path, network: Imagination, about: dict[str, Any]) -> None:
    """Write weights and configuration to one safetensors file."""
    save_tensors(path, network.state_dict(), {"kind": "mmasc-ivf", "imagination": asdict(network.config), **about})


def load_imagination(path: str | Path) -> Imagination:
    """The network of a run of `mmasc train ivf`, or of its weights, in evaluation mode.

    Raises:
        MmascError: If it is missing, damaged, of another kind or of another version.
    """
    path = Path(path)
    file = path
    if not path.exists():
        raise MmascError(f"{path} does not exist; name a run folder of mmasc train ivf")
    if path.is_dir():
        file = path / "ivf" / "last.safetensors"
        if not file.is_file():
            raise MmascError(f"{path} holds no imagined features yet: run mmasc train ivf --pairs PATH --out {path}")
    tensors, about = load_tensors(file)
    if about.get("kind") != "mmasc-ivf":
        raise MmascError(f"{file} was not written by mmasc train ivf; name its run folder")
    network = Imagination(imagination_config(about.get("imagination", {}), str(file)))
    load_weights(network, tensors, file)
    return network.eval().requires_grad_(False)


def load_weights(network: nn.Module, tensors: dict[str, Tensor], file: Path) -> None:
    """Put weights of a file into a network, all of them.

    Raises:
        MmascError: If names or shapes differ.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:150]
        raise MmascError(f"{file} does not hold the weights that it says ({first}); train or copy it again") from error


def imagination_config(values: dict[str, Any], where: str) -> ImaginationConfig:
    """The configuration that JSON kept.

    Raises:
        MmascError: If its keys or values are not those of this version.
    """
    return usable_config(ImaginationConfig, values, where)
