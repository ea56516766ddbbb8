"""Waveforms → power in gammatone bands: the filters of the ear, laid over the bins of a Fourier transform.

A band weighs every bin by the squared response of a gammatone filter of fourth order, (1 + ((f - centre) / b)^2)^-4
with b = 1.019 ERB(centre), whose peak is 1; its slopes are those of the filter, not of a triangle. Centres are equally
spaced on the ERB-rate scale. Frames blur what is finer than they are: with windows of 40 ms, bands below 300 Hz overlap
more than the filters themselves would.

Papers: Patterson et al. 1987, "An efficient auditory filterbank based on the gammatone function"; Glasberg and Moore
1990, "Derivation of auditory filter shapes from notched-noise data" (ERB = 24.7 (4.37 f / 1000 + 1)).
"""

import numpy as np
from jaxtyping import Float, Float32

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import LogMelConfig

_ORDER = 4
_WIDTH = 1.019  # bandwidths of a fourth-order filter to ERB (Patterson et al. 1987)


class Gammatone(LogMel):
    """Waveforms to the logarithm of power in gammatone bands.

    Args:
        config: As of `LogMel`, with the bands in the place of mel bands: `f_min` and `f_max` are the lowest and the
            highest centre; `mel_scale` and `norm` say nothing here.
    """

    def filters(self) -> Float32[np.ndarray, "band bin"]:
        """Weights of the bins."""
        config = self.config
        return gammatone_matrix(config.sample_rate, config.n_fft, config.n_mels, config.f_min, config.f_max)


class GammatoneFrontEnd(LogMelFrontEnd):
    """`Gammatone` as a front end.

    Args:
        config: What is computed.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        self.log_mel = Gammatone(config)


def gammatone_matrix(
    sample_rate: int, n_fft: int, n_bands: int, f_min: float, f_max: float
) -> Float32[np.ndarray, "band bin"]:
    """Squared responses of gammatone filters at the bins of a Fourier transform; every peak is 1.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Length of the transform; there are n_fft / 2 + 1 bins.
        n_bands: Filters.
        f_min, f_max: Centres of the lowest and the highest, in Hz.
    """
    low, high = hz_to_erb_rate(np.array([f_min, f_max])).tolist()
    centres = erb_rate_to_hz(np.linspace(low, high, n_bands))[:, None]
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)[None]
    return ((1 + ((bins - centres) / (_WIDTH * erb(centres))) ** 2) ** -_ORDER).astype(np.float32)


def erb(hz: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Equivalent rectangular bandwidth, in Hz, of the ear's filter at a frequency in Hz."""
    return 24.7 * (4.37 * hz / 1000 + 1)


def hz_to_erb_rate(hz: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """How many bandwidths lie below a frequency: the integral of 1 / ERB."""
    return 1000 / (24.7 * 4.37) * np.log(4.37 * hz / 1000 + 1)


def erb_rate_to_hz(rate: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The frequency below which so many bandwidths lie."""
    return 1000 / 4.37 * (np.exp(rate * 24.7 * 4.37 / 1000) - 1)
