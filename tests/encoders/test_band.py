"""The band-pass: gains by its formula, against SciPy's filter, no shift in time, no click at the edges."""

import numpy as np
import pytest
import torch
from scipy import signal

from mmasc.encoders.band import BandPass

RATE = 32_000
SECONDS = np.arange(2 * RATE) / RATE
MIDDLE = slice(RATE // 2, -RATE // 2)


def tone(hz):
    return torch.from_numpy(np.sin(2 * np.pi * hz * SECONDS).astype(np.float32))[None]


@pytest.mark.parametrize("hz", [50, 500, 1000, 2000, 3000, 4000, 8000, 15_000])
def test_tones_come_out_at_the_gain_of_the_formula(hz):
    band = BandPass(1000, 4000, RATE)
    gain = 1 / ((1 + (1000 / hz) ** 8) * (1 + (hz / 4000) ** 8))
    np.testing.assert_allclose(band.gain(torch.tensor([float(hz)])), gain, rtol=1e-12)
    found = band(tone(hz))
    # in step with what went in: nothing moves in time
    np.testing.assert_allclose(found[0, MIDDLE], gain * tone(hz)[0, MIDDLE], atol=2e-5)


def test_it_is_a_butterworth_filter_run_both_ways():
    noise = np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32)
    sections = signal.butter(4, [200, 1000], "bandpass", fs=RATE, output="sos")
    wanted = signal.sosfiltfilt(sections, noise)
    found = BandPass(200, 1000, RATE)(torch.from_numpy(noise)[None])[0].numpy()
    # of limits far apart a band-pass is a high-pass times a low-pass; digital filters bend the axis a little
    assert np.corrcoef(found[MIDDLE], wanted[MIDDLE])[0, 1] > 0.99


def test_windows_neither_click_nor_see_their_neighbours():
    band = BandPass(3000, float("inf"), RATE)
    low = tone(110)[:, 1234:9999] + 0.5  # cut anywhere, and off zero
    assert float(band(low).abs().max()) < 1e-3
    windows = torch.randn(5, 4000, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(band(windows)[3:4], band(windows[3:4]))
    assert band(windows[:, :1]).shape == (5, 1)
