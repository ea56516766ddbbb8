"""Band-pass filter for windows: zero phase, so that nothing moves in time; the same window gives the same bits."""

import torch
from jaxtyping import Float
from torch import Tensor

# Order of the Butterworth filter that runs forwards and backwards
_ORDER = 4
# Periods of the lowest limit that are reflected at each end, and at least so many samples
_PERIODS, _LEAST_SAMPLES = 4, 64


class BandPass:
    """Keeps a band of frequencies of windows.

    The gain at f Hz is 1 / ((1 + (low / f)^8) (1 + (f / high)^8)): that of a Butterworth filter of order 4, run
    forwards and backwards; a half (6 dB) at the limits, 48 dB less per octave beyond. Windows are continued at both
    ends by point reflection, so that what is outside the band does not click there.

    Args:
        low_hz, high_hz: Limits; 0 and infinity for none.
        sample_rate: Rate of the windows, in Hz.
    Source: Butterworth 1930; Gustafsson 1996, "Determining the initial states in forward-backward filtering".
    """

    def __init__(self, low_hz: float, high_hz: float, sample_rate: int) -> None:
        self.low_hz, self.high_hz, self.sample_rate = low_hz, high_hz, sample_rate
        lowest = low_hz or min(high_hz, sample_rate / 2)
        self._reach = max(_LEAST_SAMPLES, round(_PERIODS * sample_rate / lowest))

    def gain(self, hz: Float[Tensor, " frequency"]) -> Float[Tensor, " frequency"]:
        """Gain at frequencies in Hz, float64; 0 at 0 Hz where there is a lower limit."""
        hz = hz.double()
        above = 1 / (1 + (self.low_hz / hz) ** (2 * _ORDER)) if self.low_hz else torch.ones_like(hz)
        return above / (1 + (hz / self.high_hz) ** (2 * _ORDER))

    def __call__(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The band of each window, float32; one window at a time, so that neighbours change nothing."""
        return torch.cat([self._filtered(window) for window in windows.split(1)])

    def _filtered(self, window: Float[Tensor, "1 time"]) -> Float[Tensor, "1 time"]:
        samples = window.double()
        reach = min(self._reach, samples.shape[1] - 1)
        before = 2 * samples[:, :1] - samples[:, 1 : reach + 1].flip(1)
        after = 2 * samples[:, -1:] - samples[:, samples.shape[1] - reach - 1 : -1].flip(1)
        continued = torch.cat([before, samples, after], 1)
        length = continued.shape[1]
        spectrum = torch.fft.rfft(continued)
        hz = torch.fft.rfftfreq(length, 1 / self.sample_rate, dtype=torch.float64, device=window.device)
        kept = torch.fft.irfft(spectrum * self.gain(hz), n=length)
        return kept[:, reach : reach + samples.shape[1]].float()
