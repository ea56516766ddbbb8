"""Streamed in blocks or read whole: the same samples at any rate."""

import math
import sys

import numpy as np
import pytest
import soundfile
import soxr
import torch

from mmasc.audio import find_audio, load_audio, resample, stream_audio
from mmasc.errors import MmascError
from tests.helpers.recordings import RATE, sound, stream, write


@pytest.mark.parametrize("seed", range(12))
def test_streamed_is_the_whole_resampled(tmp_path, seed):
    generator = np.random.default_rng(seed)
    rate = int(generator.choice([8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 44_101]))
    to_rate = int(generator.choice([8_000, 16_000, 22_050, 32_000, 44_100, 48_000]))
    n_samples = int(generator.integers(1, 3 * rate))
    samples = sound(n_samples / rate, rate=rate)
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples, rate)
    streamed, blocks = stream(path, to_rate, "each", block_seconds=float(generator.uniform(0.01, 1.5)))
    whole = resample(samples.T, rate, to_rate)
    assert streamed.shape == whole.shape == (2, math.floor(len(samples) * to_rate / rate + 0.5))
    np.testing.assert_allclose(streamed, whole, atol=1e-6)
    np.testing.assert_allclose(load_audio(path, to_rate, "each")[0].numpy(), whole, atol=1e-6)
    assert (blocks.native_rate, blocks.native_channels, blocks.native_frames) == (rate, 2, len(samples))
    assert blocks.info.declared_seconds == pytest.approx(len(samples) / rate)
    assert blocks.status.state == "ok"


def test_a_tone_keeps_its_frequency_and_place():
    time = np.arange(44_100) / 44_100
    there = resample(np.sin(2 * np.pi * 1_000 * time, dtype=np.float32)[None], 44_100, 32_000)[0]
    expected = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 32_000)
    np.testing.assert_allclose(there[500:-500], expected[500:-500], atol=1e-3)


def test_mixing_comes_before_resampling(tmp_path):
    samples = sound()
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples)
    mixed = resample(samples.mean(axis=1)[None], RATE, 32_000)
    np.testing.assert_allclose(load_audio(path, 32_000)[0].numpy(), mixed, atol=1e-6)


def test_equal_rates_change_nothing(tmp_path):
    samples = sound()
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples)
    waveform, rate = load_audio(path, channels="each")
    assert rate == RATE
    assert waveform.dtype == torch.float32
    np.testing.assert_array_equal(waveform.numpy(), samples.T)
    assert resample(samples.T, RATE, RATE).base is samples.T.base or np.shares_memory(
        resample(samples.T, RATE, RATE), samples
    )


def test_resampling_nothing_gives_nothing():
    assert resample(np.zeros((2, 0), np.float32), 44_100, 8_000).shape == (2, 0)


def test_rates_must_be_positive(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    with pytest.raises(ValueError, match="sample_rate must be positive, got 0"):
        stream_audio(path, 0)
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        load_audio(path, -1)
    with pytest.raises(ValueError, match="to_rate must be positive"):
        resample(np.zeros((1, 1), np.float32), 8_000, 0)
    with pytest.raises(ValueError, match="block_seconds must be positive"):
        stream_audio(path, 8_000, block_seconds=0.0)


def test_a_recording_too_long_to_hold_is_said(tmp_path, monkeypatch):
    path = write(tmp_path, "wav", {}, sound())
    monkeypatch.setattr(sys.modules["mmasc.audio.stream"], "_MOST_NUMBERS", 1_000)
    with pytest.raises(MmascError, match="too long to be held in memory; read it with stream_audio"):
        load_audio(path)
    for room in (numbers := sound().size, numbers - 1):
        monkeypatch.setattr(sys.modules["mmasc.audio.stream"], "_MOST_NUMBERS", room)
        if room == numbers:
            assert load_audio(path, channels="each")[0].numel() == room
        else:
            with pytest.raises(MmascError, match="too long"):
                load_audio(path, channels="each")


def test_a_stream_can_be_left_early(tmp_path):
    path = write(tmp_path, "flac", {}, sound(3.0))
    with stream_audio(path, 16_000, block_seconds=0.5) as blocks:
        assert next(blocks).shape[0] == 1
        assert 0 < blocks.native_frames < 3 * RATE


def test_real_clips_are_whole(test_data):
    paths = find_audio(test_data / "data" / "esc10")[::16]
    assert paths
    for path in paths:
        samples, blocks = stream(path, 32_000)
        assert blocks.status.state == "ok", blocks.status
        expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
        whole = soxr.resample(expected.mean(axis=1), rate, 32_000)
        np.testing.assert_allclose(samples[0], whole, atol=1e-5)
