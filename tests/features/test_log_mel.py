"""The log-mel front end: tones and noise of known power, batches, configurations; see also `test_librosa.py`."""

import contextlib
import math

import numpy as np
import pytest
import torch

from mmasc.features import MINI, PANNS, VGGISH, LogMel, LogMelConfig, hz_to_mel, mel_to_hz
from tests.helpers.front_ends import PRESETS, sound


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_scale_goes_back_and_forth(scale):
    hz = np.array([0.0, 30.0, 999.0, 1000.0, 1001.0, 16_000.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-8)
    assert hz_to_mel(np.array([1000.0]), scale)[0] == pytest.approx(15.0 if scale == "slaney" else 999.9855, abs=1e-3)


def test_power_of_a_tone_is_known():
    """A sine of amplitude a on a bin's centre has |X|^2 = (a * sum of window / 2)^2 there."""
    config = LogMelConfig(16_000, 1024, 1024, 256, 16, 0.0, 8_000.0, norm=None, centre=None, log=None)
    waveform = 0.25 * torch.sin(2 * math.pi * 64 * torch.arange(16_000) / 1024)
    module = LogMel(config)
    # Hann spreads a tone: the bins beside it get half its amplitude, a quarter of its power.
    total = module.mel(waveform[None])[0, :, 10] @ torch.ones(16)
    coverage = float(module.matrix.sum(1)[63:66] @ torch.tensor([0.25, 1.0, 0.25]))
    assert float(total) == pytest.approx((0.25 * 512 / 2) ** 2 * coverage, rel=1e-4)


def test_logarithms():
    waveform = torch.from_numpy(sound(16_000))[None]
    base = dict(
        sample_rate=16_000, n_fft=512, win_length=400, hop_length=160, n_mels=20, f_min=50.0, f_max=8_000.0, floor=1e-6
    )
    mel = LogMel(LogMelConfig(**base, log=None))(waveform)
    decibels_ = LogMel(LogMelConfig(**base, log="db"))(waveform)
    magnitude = LogMel(LogMelConfig(**base, log="db", power=1))
    torch.testing.assert_close(decibels_, 10 * torch.log10(mel.clamp_min(1e-6)))
    torch.testing.assert_close(LogMel(LogMelConfig(**base, log="ln"))(waveform), decibels_ * math.log(10) / 10)
    torch.testing.assert_close(LogMel(LogMelConfig(**base, log="ln-offset"))(waveform), torch.log(mel + 1e-6))
    torch.testing.assert_close(magnitude(waveform), 20 * torch.log10(magnitude.mel(waveform).clamp_min(1e-6)))


@pytest.mark.parametrize("length", [30_000, 160_000])
def test_one_by_one_is_batch_to_the_bit(length):
    module = LogMel(MINI)
    waveforms = torch.randn(5, length, generator=torch.Generator().manual_seed(0))
    together = module(waveforms)
    for number in range(5):
        assert torch.equal(module(waveforms[number : number + 1])[0], together[number])


def test_chunks_of_frames_do_not_show():
    """A long waveform's middle frames are those of its middle."""
    module = LogMel(LogMelConfig(32_000, 1024, 1024, 320, 64, 50.0, 16_000.0, centre=None, log=None))
    waveform = torch.randn(1, 320 * 1000, generator=torch.Generator().manual_seed(1))
    whole, part = module(waveform), module(waveform[:, 320 * 300 : 320 * 700])
    torch.testing.assert_close(whole[:, :, 300 : 300 + part.shape[2]], part, rtol=1e-5, atol=1e-5)


def test_autocast_changes_nothing():
    module, waveform = LogMel(PANNS), torch.from_numpy(sound(32_000))[None]
    with torch.autocast("cpu", torch.bfloat16):
        inside = module(waveform.half().float())
    assert inside.dtype == torch.float32
    assert torch.equal(inside, module(waveform.half().float()))


def test_constants_are_no_weights():
    assert not LogMel(MINI).state_dict()


def test_frame_seconds():
    assert MINI.frame_seconds == pytest.approx(0.02)
    assert LogMel(MINI)(torch.zeros(1, 160_000)).shape == (1, 64, 250)


@pytest.mark.parametrize("length", [0, 1, 512])
def test_too_short_is_refused(length):
    with pytest.raises(ValueError, match="longer than 512 samples"):
        LogMel(PANNS)(torch.zeros(1, length))
    with pytest.raises(ValueError, match="at least 512 samples"):
        LogMel(VGGISH)(torch.zeros(1, min(length, 511)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"win_length": 2000}, "win_length must be in"),
        ({"f_max": 20_000.0}, "f_max <= 16000"),
        ({"hop_length": 0}, "at least 1"),
        ({"floor": 0.0, "log": "db"}, "floor must be positive"),
    ],
)
def test_configurations_that_make_no_sense(change, message):
    values = {name: getattr(MINI, name) for name in MINI.__dataclass_fields__} | change
    with pytest.raises(ValueError, match=message):
        LogMelConfig(**values)


@pytest.mark.parametrize("name", PRESETS)
def test_an_accelerator_gives_as_many_frames(name, monkeypatch):
    """On devices other than a CPU all waveforms go through at once; meta tensors have shapes and no numbers."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # there is none for them
    config = PRESETS[name]
    waveforms = torch.zeros(3, config.sample_rate)
    assert LogMel(config).to("meta").mel(waveforms.to("meta")).shape == LogMel(config).mel(waveforms).shape
