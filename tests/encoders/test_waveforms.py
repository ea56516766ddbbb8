"""Arrays → vectors: those of the file with the same samples."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

import mmasc
from mmasc.errors import MmascError
from tests.conftest import STANDIN_SPEC, StandIn


@pytest.mark.parametrize("channels", ["mix", "right", "each", "mid-side"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 6_000])
def test_an_array_is_heard_as_its_file(tmp_path, standin, rate, channels):
    # longer than a block of 30 s, so that both are resampled block by block
    samples = np.random.default_rng(rate).uniform(-0.8, 0.6, (2, round(31.3 * rate))).astype(np.float32)
    samples[:, rate : 4 * rate] = 0.0
    soundfile.write(tmp_path / "a.wav", samples.T, rate, "FLOAT")
    of_file = mmasc.embed_file(tmp_path / "a.wav", standin, 0.4, channels)
    for waveform in (samples, torch.from_numpy(samples.T), samples.astype(np.float64)):
        found = standin.embed_audio(waveform, rate, 0.4, channels)
        assert found.vectors.dtype == np.float32
        for name in ("vectors", "starts", "ends", "lanes", "silent", "vector"):
            np.testing.assert_array_equal(getattr(found, name), getattr(of_file, name), err_msg=name)
        assert (found.duration, found.sample_rate, found.channels) == (of_file.duration, rate, 2)
        assert found.status.state == of_file.status.state == "ok"


def test_integers_are_heard_as_their_file(tmp_path, standin):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (20_000, 2), dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, "PCM_16")
    np.testing.assert_array_equal(
        standin.embed_audio(samples, 16_000).vectors, mmasc.embed_file(tmp_path / "a.wav", standin).vectors
    )


def test_short_silent_and_no_sound(tmp_path, standin):
    short = standin.embed_audio([0.5], 8_000)
    assert (short.vectors.shape, short.starts.tolist(), short.ends.tolist()) == ((1, 4), [0.0], [1 / 8_000])
    soundfile.write(tmp_path / "short.wav", np.array([0.5], np.float32), 8_000, "FLOAT")
    np.testing.assert_array_equal(short.vectors, mmasc.embed_file(tmp_path / "short.wav", standin).vectors)
    silent = standin.embed_audio(np.zeros(20_000, np.int16), 8_000)
    assert silent.silent.all()
    assert silent.status.reason == "<array>: all of it is digital silence"
    for empty in ([], np.zeros(0, np.float32), np.zeros((2, 0)), np.zeros((0, 2), np.int16)):
        with pytest.raises(MmascError, match="<array>: holds no sound"):
            standin.embed_audio(empty, 8_000)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_what_no_file_may_hold_is_refused(standin, wrong):
    with pytest.raises(MmascError, match="<array>: holds samples that are not sound") as caught:
        standin.embed_audio(np.array([0.1, wrong] * 5_000), 8_000)
    assert "\n" not in str(caught.value)
    with pytest.raises(MmascError, match="at most the window of 1 s"):
        standin.embed_audio(np.zeros(8_000), 8_000, hop_seconds=2)
    with pytest.raises(ValueError, match="channels must be one of"):
        standin.embed_audio(np.zeros(8_000), 8_000, channels="third")


def test_by_the_name_of_an_encoder(registered, standin, monkeypatch):
    samples = np.random.default_rng(0).uniform(-1, 1, 20_000)
    expected = standin.embed_audio(samples, 16_000, 0.5)
    for encoder in (registered, standin, StandIn(replace(standin.spec, name="other"))):
        found = mmasc.embed_audio(samples, 16_000, encoder, hop_seconds=0.5)
        np.testing.assert_array_equal(found.vectors, expected.vectors)
    with pytest.raises(MmascError, match="unknown encoder 'nobody'"):
        mmasc.embed_audio(samples, 16_000, "nobody")


def test_the_default_is_the_bundled_encoder():
    samples = np.random.default_rng(0).integers(-9_000, 9_000, 40_000, dtype=np.int16)
    found = mmasc.embed_audio(samples, 22_050)
    assert found.vectors.shape == (1, mmasc.ENCODERS["base"].dim)
    np.testing.assert_array_equal(found.vectors, mmasc.load_encoder("base").embed_audio(samples, 22_050).vectors)


def test_specs_is_the_same_table_for_one_release():
    from mmasc import encoders

    assert mmasc.SPECS is mmasc.ENCODERS is encoders.SPECS is encoders.ENCODERS


def filled(padding: str, length: int, target: int = 10, minimum: float = 0.5) -> list[float]:
    """Samples 1, 2, ... as an encoder with a window of `target` samples at 10 Hz fills them."""
    spec = replace(
        STANDIN_SPEC,
        sample_rate=10,
        window_seconds=target / 10,
        padding=padding,
        minimum_seconds=minimum,
    )
    return StandIn(spec)._fill(torch.arange(1.0, length + 1)[None])[0].tolist()


@pytest.mark.parametrize(
    ("padding", "length", "wanted"),
    [
        ("zeros", 4, [1, 2, 3, 4, 0, 0, 0, 0, 0, 0]),
        ("zeros", 10, list(range(1, 11))),
        ("minimum", 2, [1, 2, 0, 0, 0]),
        ("minimum", 5, [1, 2, 3, 4, 5]),
        ("minimum", 12, list(range(1, 13))),
        ("edges", 4, [1, 1, 1, 1, 2, 3, 4, 4, 4, 4]),
        ("edges", 5, [1, 1, 1, 2, 3, 4, 5, 5, 5, 5]),  # half to even: 2 before, 3 behind
        ("edges", 10, list(range(1, 11))),
        ("repeat", 4, [1, 2, 3, 4, 1, 2, 3, 4, 0, 0]),
        ("repeat", 6, [1, 2, 3, 4, 5, 6, 0, 0, 0, 0]),
        ("repeat", 10, list(range(1, 11))),
    ],
)
def test_short_windows_are_filled(padding, length, wanted):
    assert filled(padding, length) == wanted


@pytest.mark.parametrize("padding", ["zeros", "edges", "repeat"])
def test_longer_windows_than_the_network_takes_are_refused(padding):
    with pytest.raises(ValueError, match="takes windows of 10 samples, got 11: cut them first"):
        filled(padding, 11)


@pytest.mark.parametrize(
    ("waveforms", "said"),
    [
        (np.zeros((1, 8), np.int16), "must be floats .*, got int16; divide int16 samples by 32768"),
        (torch.zeros((1, 8), dtype=torch.int16), "must be floats .*, got int16; divide"),
        (np.zeros((1, 8), complex), "must be floats .*, got complex128$"),
        (np.zeros(8), r"must be \[batch, time\] with time > 0, got \[8\]"),
        (np.zeros((1, 0)), r"with time > 0, got \[1, 0\]"),
        (np.zeros((65, 32)), r"got \[65, 32\], which looks like \[time, channel\]"),
        (np.array([[0.0, np.nan]]), "hold NaN or infinite samples"),
        (np.array([[0.0, -np.inf]]), "hold NaN or infinite samples"),
        (np.array([[1e300, 0.0]]), "hold NaN or infinite samples"),
    ],
)
def test_what_are_no_windows_is_refused(standin, waveforms, said):
    with pytest.raises(ValueError, match=said):
        standin.embed(waveforms)


def test_windows_of_any_number(standin):
    assert standin.embed(np.zeros((65, 33))).shape == (65, 4)
    assert standin.embed(np.zeros((64, 32))).shape == (64, 4)
    assert standin.embed(np.zeros((0, 8))).shape == (0, 4)
    assert standin.embed(torch.zeros((2, 8), dtype=torch.float16), 8_000).dtype == np.float32
    with pytest.raises(ValueError, match="takes 8000 Hz, got 16000 Hz: resample first"):
        standin.embed(np.zeros((1, 8)), 16_000)
