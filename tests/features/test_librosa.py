"""Front ends against librosa, all in one file: loading librosa takes longer than asking it."""

import os

# Importing librosa compiles functions of which few are asked here: half the time without optimising them
os.environ.setdefault("NUMBA_OPT", "0")

import librosa
import numpy as np
import pytest
import torch

from mmasc.features import PANNS, LogMel, LogMelConfig, mel_matrix
from mmasc.features.classic import CLASSIC, ClassicFeatures
from mmasc.features.deltas import deltas
from mmasc.features.gammatone import gammatone_matrix
from mmasc.features.registry import COMPARED, DILATED, SCENES
from tests.helpers.front_ends import PRESETS, features_of, noise, sound


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


def librosas_mel(waveform: torch.Tensor, config, power: int, n_mels: int) -> np.ndarray:
    """`[mel frame]`"""
    return librosa.feature.melspectrogram(
        y=waveform[0].numpy(),
        sr=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.win_length,
        hop_length=config.hop_length,
        n_mels=n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
        power=power,
        pad_mode="reflect",
    )


@pytest.mark.parametrize(("name", "config"), [("dilated", DILATED), ("log-mel", COMPARED)])
def test_log_mel_is_librosas(name, config):
    waveform = noise(1.5, config.sample_rate)
    wanted = librosa.power_to_db(librosas_mel(waveform, config, 2, config.n_mels), top_db=None)
    np.testing.assert_allclose(features_of(name, waveform)[0].T, wanted, atol=2e-3)


def test_scenes_are_decibels_of_amplitude_in_bands():
    waveform = noise(10.0, 44_100)
    wanted = librosa.amplitude_to_db(librosas_mel(waveform, SCENES, 1, 128), top_db=None)
    features = features_of("scenes-128", waveform)
    assert features.shape == (1, 431, 128)
    np.testing.assert_allclose(features[0].T, wanted, atol=2e-3)


def test_mfcc_is_librosas():
    waveform = noise(1.5, 16_000)
    decibels = librosa.power_to_db(librosas_mel(waveform, COMPARED, 2, 128), top_db=None)
    wanted = librosa.feature.mfcc(S=decibels, n_mfcc=64)
    np.testing.assert_allclose(features_of("mfcc", waveform)[0].T, wanted, atol=2e-2)


def test_deltas_are_librosas_on_inner_frames():
    features = torch.randn(2, 30, 5)
    once, twice = deltas(features), deltas(deltas(features))
    for item in range(2):
        transposed = features[item].T.numpy()
        wanted = librosa.feature.delta(transposed, width=9, order=1, mode="interp")[:, 4:-4]
        np.testing.assert_allclose(once[item].T, wanted, atol=1e-6)
        again = librosa.feature.delta(wanted, width=9, order=1, mode="interp")[:, 4:-4]
        np.testing.assert_allclose(twice[item].T, again, atol=1e-6)


def test_gammatone_front_end_is_matrix_times_power():
    waveform = noise(1.0, 16_000)
    spectrum = librosa.stft(waveform[0].numpy(), n_fft=1024, win_length=640, hop_length=320, pad_mode="reflect")
    bands = gammatone_matrix(16_000, 1024, 64, 50.0, 7_000.0) @ np.abs(spectrum) ** 2
    wanted = 10 * np.log10(np.maximum(bands, 1e-10))
    np.testing.assert_allclose(features_of("gammatone", waveform)[0].T, wanted, atol=2e-3)


def test_cqt_is_librosas_filters_at_the_full_rate():
    waveform = noise(2.0, 16_000)
    centres = librosa.cqt_frequencies(n_bins=64, fmin=30.0, bins_per_octave=8)
    filters, lengths = librosa.filters.wavelet(freqs=centres, sr=16_000, norm=1, pad_fft=False)
    half = filters.shape[1] // 2
    padded = np.pad(waveform[0].numpy(), (half, half + 1))
    frames = np.lib.stride_tricks.sliding_window_view(padded, filters.shape[1])[::320]
    wanted = 10 * np.log10(np.abs(frames @ filters.conj().T) ** 2 * lengths)
    features = features_of("cqt", waveform)[0]
    assert features.shape == wanted.shape
    # librosa's windows are whole samples long: one sample is a fiftieth of the highest band's
    assert np.abs((features - wanted).mean(0))[:32].max() < 0.02
    assert np.median(np.abs(features - wanted)) < 0.1


def test_cqt_is_librosas():
    """librosa halves the rate octave by octave, so its windows are up to a sample in fifty too long and aside."""
    waveform = noise(3.0, 16_000)
    found = librosa.cqt(
        waveform[0].numpy(), sr=16_000, hop_length=320, fmin=30.0, n_bins=64, bins_per_octave=8, tuning=0.0
    )
    wanted = 10 * np.log10(np.maximum(np.abs(found) ** 2, 1e-10)).T
    features = features_of("cqt", waveform)[0]
    assert features.shape == wanted.shape
    assert np.median(np.abs(features - wanted)) < 0.5
    assert np.corrcoef(features.ravel(), wanted.ravel())[0, 1] > 0.98


def test_classic_numbers_are_librosas():
    waveforms = torch.cat([noise(2.0, 44_100, seed) for seed in range(2)])
    waveforms[1, 40_000:] = 0  # silence: 80 dB below the loudest
    found = ClassicFeatures()(waveforms)
    assert found.shape == (2, 26)
    for waveform, numbers in zip(waveforms, found.numpy(), strict=True):
        decibels = librosa.power_to_db(librosas_mel(waveform[None], CLASSIC, 2, 128))
        cepstra = librosa.feature.mfcc(S=decibels, n_mfcc=13)[1:]
        crossings = librosa.feature.zero_crossing_rate(waveform.numpy(), frame_length=512, hop_length=512, center=False)
        wanted = [cepstra.mean(1), crossings.mean(1), cepstra.std(1), crossings.std(1)]
        np.testing.assert_allclose(numbers, np.concatenate(wanted), atol=2e-2)
        np.testing.assert_allclose(numbers[[12, 25]], [crossings.mean(), crossings.std()], atol=1e-3)
    for waveform, numbers in zip(waveforms, found, strict=True):
        assert torch.equal(ClassicFeatures()(waveform[None])[0], numbers)
