"""The log-mel front end: librosa is the oracle, tones and noise of known power the second one."""

import contextlib
import math

import librosa
import numpy as np
import pytest
import torch

from mmasc.features import CLAP, MINI, PANNS, VGGISH, LogMel, LogMelConfig, hz_to_mel, mel_matrix, mel_to_hz

SPEECHY = LogMelConfig(22_050, 2048, 1200, 441, 128, 0.0, 11_025.0, "htk", "slaney", centre="zeros")
PRESETS = {"mini": MINI, "panns": PANNS, "clap": CLAP, "vggish": VGGISH, "htk, window inside": SPEECHY}


def sound(sample_rate: int, seconds: float = 2.0) -> np.ndarray:
    """A chirp, clicks and noise that fades over 80 dB: loud and quiet, tonal and not."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    generator = np.random.default_rng(3)
    chirp = 0.4 * np.sin(2 * np.pi * (100 * time + 0.4 * sample_rate / 2 / seconds * time**2))
    clicks = (generator.random(len(time)) < 0.0005) * 0.5
    noise = generator.standard_normal(len(time)) * 0.1 * 10 ** (-4 * time / seconds)
    return (chirp * (time < seconds / 2) + clicks * (time < seconds / 3) + noise).astype(np.float32)


def by_librosa(waveform: np.ndarray, config: LogMelConfig) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.win_length,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
        htk=config.mel_scale == "htk",
        norm=config.norm,
        power=config.power,
        center=config.centre is not None,
        pad_mode="reflect" if config.centre == "reflect" else "constant",
    )
    if config.frame_mean > 1:
        n = mel.shape[1] // config.frame_mean
        mel = mel[:, : n * config.frame_mean].reshape(len(mel), n, config.frame_mean).mean(2)
    return mel


def decibels(mel: np.ndarray, config: LogMelConfig) -> np.ndarray:
    return (10 if config.power == 2 else 20) * np.log10(np.maximum(mel, 1e-10))


@pytest.mark.parametrize("name", PRESETS)
def test_mel_is_librosas(name):
    config = PRESETS[name]
    waveform = sound(config.sample_rate)
    wanted = decibels(by_librosa(waveform, config), config)
    got = decibels(LogMel(config).mel(torch.from_numpy(waveform)[None])[0].numpy(), config)
    assert got.shape == wanted.shape
    heard = wanted > -80
    assert heard.mean() > 0.3
    assert np.abs(got - wanted)[heard].max() < 5e-3
    assert np.abs(got - wanted).max() < 2e-2


def test_decibels_are_librosas():
    waveform = sound(PANNS.sample_rate)
    wanted = librosa.power_to_db(by_librosa(waveform, PANNS), top_db=None)
    np.testing.assert_allclose(LogMel(PANNS)(torch.from_numpy(waveform)[None])[0].numpy(), wanted, atol=2e-2)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100])
def test_matrix_is_librosas(scale, norm, rate):
    got = mel_matrix(rate, 1024, 40, 60.0, 7_600.0, scale, norm)
    wanted = librosa.filters.mel(sr=rate, n_fft=1024, n_mels=40, fmin=60.0, fmax=7_600.0, htk=scale == "htk", norm=norm)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


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
