"""Waveforms → log-mel spectrograms: a batched front end in float32, with presets named after their users.

Always float32: neither autocast nor TF32 touches it, because features in half precision move vectors. The mel
matrices are our own; librosa is the oracle of the tests only.

Papers: Slaney 1998, "Auditory Toolbox", technical report 1998-010 (linear below 1 kHz, logarithmic above); Young et
al. 2006, "The HTK Book", section 5.4 (mel = 2595 log10(1 + f / 700)).
"""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.log_mel_config import LogMelConfig, MelScale

# Frames transformed at once on a CPU: 256 x 1024 samples are a megabyte, so a chunk stays in the cache.
_FRAMES_AT_ONCE = 256


class LogMel(nn.Module):
    """Waveforms to log-mel spectrograms.

    Args:
        config: What is computed.
    """

    window: Tensor
    matrix: Tensor
    paired: Tensor

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.config = config
        left = (config.n_fft - config.win_length) // 2
        hann = np.zeros(config.n_fft)
        hann[left : left + config.win_length] = 0.5 - 0.5 * np.cos(
            2 * np.pi * np.arange(config.win_length) / config.win_length
        )
        matrix = self.filters()
        # Bins above the highest band weigh nothing: up to half of the squares and products are saved.
        matrix = matrix[:, : np.max(np.flatnonzero(matrix.any(axis=0)), initial=0) + 1]
        # Constants of the configuration, no weights: they stay out of the state dict.
        self.register_buffer("window", torch.from_numpy(hann).float(), persistent=False)
        self.register_buffer("matrix", torch.from_numpy(matrix.T.copy()), persistent=False)
        self.register_buffer("paired", self.matrix.repeat_interleave(2, 0), persistent=False)

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch mel frame"]:
        """Log-mel spectrograms, in the unit that `config.log` says.

        Args:
            waveforms: Mono samples at `config.sample_rate`.
        Raises:
            ValueError: If the waveforms are too short for one frame (for the reflection, where there is one).
        """
        return self.compress(self.mel(waveforms))

    def filters(self) -> Float32[np.ndarray, "mel bin"]:
        """Weights of the transform's bins in each band."""
        config = self.config
        return mel_matrix(
            config.sample_rate, config.n_fft, config.n_mels, config.f_min, config.f_max, config.mel_scale, config.norm
        )

    def compress(self, mel: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """The logarithm that the configuration names, of mel power or magnitude."""
        config = self.config
        if config.log == "db":
            return mel.clamp_min(config.floor).log10() * (10 if config.power == 2 else 20)
        if config.log == "ln":
            return mel.clamp_min(config.floor).log()
        return mel if config.log is None else (mel + config.floor).log()

    def mel(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch mel frame"]:
        """Mel spectrograms before the logarithm: power or magnitude summed into bands.

        One vector does not depend on its neighbours: on a CPU every waveform goes through by itself, in chunks of
        frames that fit in its cache.
        """
        config = self.config
        with torch.autocast(waveforms.device.type, enabled=False):
            samples, n = waveforms.float(), waveforms.shape[1]
            half = 0 if config.centre is None else config.n_fft // 2
            if config.centre == "reflect" and n <= half:
                raise ValueError(f"waveforms must be longer than {half} samples, got {n}")
            if n + 2 * half < config.n_fft:
                raise ValueError(f"waveforms must hold at least {config.n_fft} samples, got {n}")
            n_frames = (n + 2 * half - config.n_fft) // config.hop_length + 1
            n_frames -= n_frames % config.frame_mean
            if n_frames == 0:
                raise ValueError(f"waveforms must hold at least {config.frame_mean} frames")
            if samples.device.type != "cpu":
                return self._bands(self._frames(samples, 0, n_frames)).transpose(1, 2)
            at_once = _FRAMES_AT_ONCE // config.frame_mean * config.frame_mean or config.frame_mean
            firsts = range(0, n_frames, at_once)
            parts = [
                self._bands(self._frames(one, first, min(first + at_once, n_frames)))
                for one in samples.split(1)
                for first in firsts
            ]
            return torch.cat(parts, 1).reshape(len(samples), -1, config.n_mels).transpose(1, 2)

    def _frames(
        self, samples: Float32[Tensor, "batch time"], first: int, end: int
    ) -> Float32[Tensor, "batch frame sample"]:
        """Frames `first` to `end`: a view, unless they reach beyond the waveform; only what does is copied."""
        config, n = self.config, samples.shape[1]
        half = 0 if config.centre is None else config.n_fft // 2
        start, stop = first * config.hop_length - half, (end - 1) * config.hop_length - half + config.n_fft
        left, right = max(0, -start), max(0, stop - n)
        inside = samples[:, start + left : stop - right]
        if left or right:
            if config.centre == "reflect":
                before, after = samples[:, 1 : left + 1].flip(1), samples[:, n - right - 1 : n - 1].flip(1)
                inside = torch.cat([before, inside, after], 1)
            else:
                inside = F.pad(inside, (left, right))
        return inside.unfold(1, config.n_fft, config.hop_length)

    def _bands(self, frames: Float32[Tensor, "*batch frame sample"]) -> Float32[Tensor, "*batch averaged mel"]:
        config = self.config
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window)[..., : len(self.matrix)])
        # Squares in one sweep; summing real and imaginary part is left to the product, whose rows come twice for it.
        # Together half of the time of abs() ** 2 and a product.
        squares, matrix = spectrum.square_().flatten(-2), self.paired
        if config.power == 1:
            squares, matrix = (squares[..., ::2] + squares[..., 1::2]).sqrt(), self.matrix
        # A product in float64 is out of TF32's reach, and small on an accelerator that has it.
        mel = (squares.double() @ matrix.double()).float() if squares.device.type == "cuda" else squares @ matrix
        if config.frame_mean == 1:
            return mel
        # A sum of slices is several times faster than mean(-2) over so short an axis.
        slices = [mel[..., first :: config.frame_mean, :] for first in range(config.frame_mean)]
        return sum(slices[1:], slices[0]) / config.frame_mean


def mel_matrix(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    scale: MelScale = "slaney",
    norm: Literal["slaney"] | None = "slaney",
) -> Float32[np.ndarray, "mel bin"]:
    """Triangles, equally spaced on the mel scale, as weights of the bins of a Fourier transform.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Length of the transform; there are n_fft / 2 + 1 bins.
        n_mels: Triangles.
        f_min: Lower edge of the lowest, in Hz.
        f_max: Upper edge of the highest, in Hz.
        scale: "slaney" or "htk".
        norm: "slaney" divides by half the width in Hz, so that every area is 1; None leaves peaks at 1.
    Source: Slaney 1998; The HTK Book 2006, section 5.4.
    """
    lowest, highest = hz_to_mel(np.array([f_min, f_max]), scale).tolist()
    edges = mel_to_hz(np.linspace(lowest, highest, n_mels + 2), scale)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    matrix = np.maximum(0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    if norm == "slaney":
        matrix *= 2 / (upper - lower)
    return matrix.astype(np.float32)


# Slaney's scale: 15 mels a kilohertz up to 1 kHz, from there a factor of 6.4 every 27 mels
_SLANEY_HZ_PER_MEL = 200 / 3
_SLANEY_KNEE_HZ = 1000.0
_SLANEY_KNEE_MEL = _SLANEY_KNEE_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = math.log(6.4) / 27


def hz_to_mel(hz: Float[np.ndarray, " n"], scale: MelScale = "slaney") -> Float[np.ndarray, " n"]:
    """Frequencies in Hz on the mel scale."""
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    above = _SLANEY_KNEE_MEL + np.log(np.maximum(hz, _SLANEY_KNEE_HZ) / _SLANEY_KNEE_HZ) / _SLANEY_LOG_STEP
    return np.where(hz < _SLANEY_KNEE_HZ, hz / _SLANEY_HZ_PER_MEL, above)


def mel_to_hz(mel: Float[np.ndarray, " n"], scale: MelScale = "slaney") -> Float[np.ndarray, " n"]:
    """Frequencies on the mel scale in Hz."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = _SLANEY_KNEE_HZ * np.exp((np.maximum(mel, _SLANEY_KNEE_MEL) - _SLANEY_KNEE_MEL) * _SLANEY_LOG_STEP)
    return np.where(mel < _SLANEY_KNEE_MEL, mel * _SLANEY_HZ_PER_MEL, above)
