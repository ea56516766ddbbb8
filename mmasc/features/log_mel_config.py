"""Configurations of log-mel spectrograms, and the presets named after their users: numbers alone, no torch."""

from dataclasses import dataclass, replace
from typing import Literal

MelScale = Literal["slaney", "htk"]


@dataclass(frozen=True)
class LogMelConfig:
    """A log-mel front end.

    Attributes:
        sample_rate: Sample rate in Hz.
        n_fft: Length of the Fourier transform in samples.
        win_length: Length of the periodic Hann window in samples, centred in the transform.
        hop_length: Hop from one frame to the next, in samples.
        n_mels: Bands.
        f_min: Lower edge of the lowest band, in Hz.
        f_max: Upper edge of the highest band, in Hz.
        mel_scale: "slaney" or "htk".
        norm: "slaney" makes every triangle's area equal; None leaves its peak at 1.
        power: 2 for power, 1 for magnitude.
        centre: How the ends are padded by n_fft / 2, so that frame k is centred on sample k * hop_length: "reflect",
            "zeros", or None for frames that lie inside the waveform only.
        frame_mean: So many neighbouring frames are averaged (before the logarithm) into one; what is left over at
            the end is dropped.
        log: "db" is 10 log10 of power (20 log10 of magnitude) with values below `floor` raised to it; "ln" the same
            with the natural logarithm; "ln-offset" is ln(value + floor); None leaves the values as they are.
        floor: See `log`.
    """

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float
    mel_scale: MelScale = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    power: Literal[1, 2] = 2
    centre: Literal["reflect", "zeros"] | None = "reflect"
    frame_mean: int = 1
    log: Literal["db", "ln", "ln-offset"] | None = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        if self.mel_scale not in ("slaney", "htk"):
            raise ValueError(f"mel_scale must be one of ['htk', 'slaney'], got {self.mel_scale!r}")
        if not 0 < self.win_length <= self.n_fft:
            raise ValueError(f"win_length must be in (0, {self.n_fft}], got {self.win_length}")
        if self.hop_length < 1 or self.n_mels < 1 or self.frame_mean < 1:
            raise ValueError(
                f"hop_length, n_mels and frame_mean must be at least 1, got "
                f"{self.hop_length}, {self.n_mels}, {self.frame_mean}"
            )
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(
                f"0 <= f_min < f_max <= {self.sample_rate / 2} must hold, got {self.f_min} and {self.f_max}"
            )
        if self.log is not None and not self.floor > 0:
            raise ValueError(f"floor must be positive where there is a logarithm, got {self.floor}")

    @property
    def frame_seconds(self) -> float:
        """From one frame of the result to the next."""
        return self.hop_length * self.frame_mean / self.sample_rate


# `mini`: 20 ms frames of power, the logarithm is taken after its level rule
MINI = LogMelConfig(32_000, 1024, 1024, 320, 64, 50.0, 16_000.0, frame_mean=2, log=None)
# PANNs CNN14 (Kong et al. 2020)
PANNS = LogMelConfig(32_000, 1024, 1024, 320, 64, 50.0, 14_000.0)
# LAION-CLAP without fusion (Wu et al. 2023)
CLAP = LogMelConfig(48_000, 1024, 1024, 480, 64, 50.0, 14_000.0)
# LAION-CLAP with fusion: another mel scale, triangles of equal height
CLAP_FUSED = replace(CLAP, mel_scale="htk", norm=None)
# VGGish (Hershey et al. 2017)
VGGISH = LogMelConfig(
    16_000, 512, 400, 160, 64, 125.0, 7_500.0, "htk", None, power=1, centre=None, log="ln-offset", floor=0.01
)
