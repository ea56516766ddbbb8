"""The front end: waveforms in, features out."""

from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import LogMelConfig


@dataclass(frozen=True)
class FrontEndSpec:
    """A front end as the registry knows it.

    Attributes:
        name: What `load_front_end` takes.
        sample_rate: Sample rate in Hz.
        target: "module:Class" of a `FrontEnd`, imported when it is loaded.
        arguments: What the class is made with, by name.
        description: One line.
        kind: What identities of spaces call the class. It never changes, wherever the class moves: it is the target
            of version 0.1.0, or any other name for a class that came later.
    """

    name: str
    sample_rate: int
    target: str
    arguments: dict[str, Any]
    description: str = ""
    kind: str = field(kw_only=True)


class FrontEnd(nn.Module):
    """Waveforms to what a network reads, in float32 outside autocast; constants stay out of the state dict.

    Attributes:
        sample_rate: Sample rate in Hz.
        n_bands: Length of the last axis; 1 for waveforms.
        n_features: Feature channels for each audio channel.
        minimum_samples: Shortest waveform that gives a frame.
        has_power: Whether its features are `compress(power(waveforms))`: augmentation acts in between.
    """

    sample_rate: int
    n_bands: int
    n_features: int = 1
    minimum_samples: int = 1
    has_power: bool = False

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch *feature"]:
        """Features, `[batch (channel feature) frame band]`; `[batch channel time]` where the network reads waveforms.

        Raises:
            ValueError: If the waveforms are shorter than `minimum_samples`.
        """
        raise NotImplementedError

    def edged(
        self, waveforms: Float[Tensor, "batch channel time"], n_frames: int
    ) -> Float32[Tensor, "batch channel frame band"]:
        """Features with the first and the last frame repeated so many times.

        Raises:
            ValueError: If frames are to be added and what comes out are samples.
        """
        features = self(waveforms)
        if not n_frames:
            return features
        if features.ndim != 4:
            raise ValueError("these features are samples: there are no frames whose edges could be repeated")
        return F.pad(features, (0, 0, n_frames, n_frames), mode="replicate")

    def n_frames(self, n_samples: int) -> int:
        """Frames (samples for waveforms) that come out of a waveform of this length."""
        raise NotImplementedError

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame band"]:
        """Power in bands; sounds that do not know each other add in it."""
        raise NotImplementedError

    def compress(self, power: Float[Tensor, "batch channel frame band"]) -> Float32[Tensor, "batch *feature"]:
        """Features from power."""
        raise NotImplementedError


class LogMelFrontEnd(FrontEnd):
    """`LogMel` as a front end.

    Args:
        config: What is computed.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.log_mel = LogMel(config)
        self.sample_rate, self.n_bands = config.sample_rate, config.n_mels
        shortest = config.n_fft if config.centre is None else config.n_fft // 2 + 1
        self.minimum_samples = max(shortest, (config.frame_mean - 1) * config.hop_length + 1)
        self.has_power = True

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms, one for each channel."""
        batch = waveforms.shape[0]  # `len` would be a constant of an exported graph
        return self.log_mel(waveforms.flatten(0, 1)).unflatten(0, (batch, -1)).transpose(2, 3)

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Mel power, one for each channel; of a front end of magnitudes their squares."""
        mel = self.log_mel.mel(waveforms.flatten(0, 1)).unflatten(0, (waveforms.shape[0], -1)).transpose(2, 3)
        return mel if self.log_mel.config.power == 2 else mel.square()

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms of mel power."""
        return self.log_mel.compress(power if self.log_mel.config.power == 2 else power.sqrt())

    def n_frames(self, n_samples: int) -> int:
        """1 + samples // hop where frames are centred."""
        config = self.log_mel.config
        inside = n_samples if config.centre is not None else n_samples - config.n_fft
        return (1 + inside // config.hop_length) // config.frame_mean
