"""Waveforms → power in bands of constant Q: as many to every octave, each with a window as long as its pitch needs.

Every band is one product of the waveform with a windowed complex tone, so nothing is approximated; the bands of an
octave share a window length, which halves from octave to octave.

Paper: Brown 1991, "Calculation of a constant Q spectral transform". Scaled as librosa does by default: noise of equal
power in every hertz gives equal values in every band.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.base import FrontEnd

# Frames at once on a CPU: 64 of the longest windows are a megabyte and a half
_FRAMES_AT_ONCE = 64
# Of a Hann window in bins, times its length (librosa's `window_bandwidth`): up to where a band reaches
_HANN_BANDWIDTH = 1.50018310546875


class ConstantQ(nn.Module):
    """Waveforms to power in bands of constant Q; frames are centred on multiples of the hop, zeros lie beyond the ends.

    Args:
        sample_rate: Sample rate in Hz.
        hop_length: Hop in samples.
        n_bands: Bands.
        bands_per_octave: Number of bands per octave; Q follows from it (a band is as wide as the distance to its
            neighbours).
        f_min: Centre of the lowest band, in Hz.
    Raises:
        ValueError: If the highest band reaches beyond half the rate.
    """

    def __init__(self, sample_rate: int, hop_length: int, n_bands: int, bands_per_octave: int, f_min: float) -> None:
        super().__init__()
        self.hop_length, self.n_bands = hop_length, n_bands
        centres = f_min * 2.0 ** (np.arange(n_bands) / bands_per_octave)
        step = 2.0 ** (2 / bands_per_octave)
        quality = (step + 1) / (step - 1)
        highest = float(centres[-1]) * (1 + 0.5 * _HANN_BANDWIDTH / quality)
        if highest > sample_rate / 2:
            raise ValueError(
                f"the highest band reaches {highest:.0f} Hz, beyond {sample_rate / 2:.0f} Hz: ask for fewer"
            )
        self.n_octaves = -(-n_bands // bands_per_octave)
        for octave in range(self.n_octaves):
            own = centres[octave * bands_per_octave : (octave + 1) * bands_per_octave]
            kernel = torch.from_numpy(tone_kernels(own, quality, sample_rate))
            self.register_buffer(f"kernel_{octave}", kernel, persistent=False)
        self.reach = self._kernel(0).shape[0] // 2

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch frame band"]:
        """Power; 1 + time // hop frames.

        Raises:
            ValueError: If there are no samples.
        """
        if waveforms.shape[1] == 0:
            raise ValueError("waveforms must hold at least one sample")
        n_frames = 1 + waveforms.shape[1] // self.hop_length
        with torch.autocast(waveforms.device.type, enabled=False):
            # one more at the end, where a frame can be centred on the first sample after the last
            padded = F.pad(waveforms.float(), (self.reach, self.reach + 1))
            if waveforms.device.type == "cpu":
                # one by one: an item does not feel its neighbours
                return torch.stack([self._bands(one[None], n_frames)[0] for one in padded])
            return self._bands(padded, n_frames)

    def _kernel(self, octave: int) -> Tensor:
        return self.get_buffer(f"kernel_{octave}")

    def _bands(self, padded: Float32[Tensor, "batch padded"], n_frames: int) -> Float32[Tensor, "batch frame band"]:
        octaves = []
        for octave in range(self.n_octaves):
            kernel = self._kernel(octave)
            frames = padded[:, self.reach - kernel.shape[0] // 2 :].unfold(1, kernel.shape[0], self.hop_length)
            frames = frames[:, :n_frames]
            if padded.device.type == "cuda":
                # out of TF32's reach
                tones = (frames.double() @ kernel.double()).float()
            else:
                tones = torch.cat([part @ kernel for part in frames.split(_FRAMES_AT_ONCE, 1)], 1)
            octaves.append(tones.square().unflatten(2, (-1, 2)).sum(3))
        return torch.cat(octaves, 2)


def tone_kernels(
    centres: Float[np.ndarray, " band"], quality: float, sample_rate: int
) -> Float32[np.ndarray, "sample tone"]:
    """Windowed tones, cosine and sine of each band side by side, in windows of one odd length with zeros around.

    The window of a band is quality * rate / centre samples long; the tone is divided by the sum of its window and
    multiplied by the root of that length.
    """
    lengths = quality * sample_rate / centres
    reach = int(np.ceil(lengths.max() / 2))
    samples = np.arange(-reach, reach + 1)[:, None]
    window = np.where(np.abs(samples) < lengths / 2, 0.5 + 0.5 * np.cos(2 * np.pi * samples / lengths), 0)
    window *= np.sqrt(lengths) / window.sum(0)
    angles = 2 * np.pi * centres * samples / sample_rate
    return np.stack([window * np.cos(angles), window * np.sin(angles)], 2).reshape(len(samples), -1).astype(np.float32)


class ConstantQFrontEnd(FrontEnd):
    """`ConstantQ` as a front end, in decibels.

    Args:
        sample_rate, hop_length, n_bands, bands_per_octave, f_min: Values of `ConstantQ`.
        floor: Power below it is raised to it.
    """

    def __init__(
        self,
        sample_rate: int,
        hop_length: int,
        n_bands: int,
        bands_per_octave: int,
        f_min: float,
        floor: float = 1e-10,
    ) -> None:
        super().__init__()
        self.constant_q = ConstantQ(sample_rate, hop_length, n_bands, bands_per_octave, f_min)
        self.sample_rate, self.n_bands, self.floor, self.has_power = sample_rate, n_bands, floor, True

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame band"]:
        """Decibels, one spectrogram for each channel."""
        return self.compress(self.power(waveforms))

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame band"]:
        """Power in bands, one for each channel."""
        return self.constant_q(waveforms.flatten(0, 1)).unflatten(0, (len(waveforms), -1))

    def compress(self, power: Float[Tensor, "batch channel frame band"]) -> Float32[Tensor, "batch channel frame band"]:
        """10 log10 of power."""
        return 10 * power.float().clamp_min(self.floor).log10()

    def n_frames(self, n_samples: int) -> int:
        """1 + samples // hop."""
        return 1 + n_samples // self.constant_q.hop_length
