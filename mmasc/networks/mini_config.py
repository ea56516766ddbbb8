"""What shapes the network of `mini`: numbers alone, no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MiniConfig:
    """What shapes the network; saved as JSON with its weights.

    Attributes:
        n_mels: Bands of the front end.
        channels: Channels of the first convolution and of the three blocks.
        n_features: Numbers of the layer before the last.
        dim: Numbers of a vector in the text space.
        dropout: Share of features left out in training.
        level_share: The loudest share of the frames whose mean power is the level.
        level_floor: Level below which a recording counts as silence (mel power of a waveform in [-1, 1]).
        power_floor: Added to power over level: it hides the difference between digital silence and a quiet room.
        decibel_mean: Subtracted from decibels.
        decibel_deviation: What they are divided by then, so that the input is about of unit size.
    """

    n_mels: int = 64
    channels: tuple[int, int, int, int] = (16, 32, 64, 128)
    n_features: int = 512
    dim: int = 128
    dropout: float = 0.3
    level_share: float = 0.05
    level_floor: float = 1e-12
    power_floor: float = 1e-5
    decibel_mean: float = -20.0
    decibel_deviation: float = 15.0

    @property
    def vector_dim(self) -> int:
        """Numbers of a vector."""
        return self.dim
