"""Waveforms in memory are the sound files that they would be, whatever their shape, type and rate."""

import io

import numpy as np
import pytest
import soundfile
import torch

from mmasc.audio import load_audio
from mmasc.audio.arrays import array_sound

SAMPLES = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 5_000)).astype(np.float32)


def heard(waveform, rate=8_000):
    samples, found = load_audio(array_sound(waveform, rate), channels="each")
    assert found == rate
    return samples.numpy()


@pytest.mark.parametrize(
    "waveform",
    [
        SAMPLES,
        SAMPLES.T,
        SAMPLES.astype(np.float64),
        SAMPLES.astype(">f4"),
        np.asfortranarray(SAMPLES),
        SAMPLES[:, ::-1][:, ::-1],
        SAMPLES.tolist(),
        torch.from_numpy(SAMPLES),
        torch.from_numpy(SAMPLES).double().requires_grad_(),
        torch.from_numpy(SAMPLES).T,
    ],
)
def test_every_container_holds_the_same_samples(waveform):
    np.testing.assert_array_equal(heard(waveform), SAMPLES)


def test_half_precision_is_taken():
    for half in (SAMPLES.astype(np.float16), torch.from_numpy(SAMPLES).half()):
        np.testing.assert_array_equal(heard(half), SAMPLES.astype(np.float16).astype(np.float32))
    brain = torch.from_numpy(SAMPLES).bfloat16()
    np.testing.assert_array_equal(heard(brain), brain.float().numpy())


def test_one_channel_has_one_axis_or_two():
    mono = SAMPLES[:1]
    for same in (mono, mono[0], mono.T, mono[0].tolist()):
        np.testing.assert_array_equal(heard(same), mono)


@pytest.mark.parametrize(("dtype", "subtype"), [("int16", "PCM_16"), ("int32", "PCM_32"), ("uint8", "PCM_U8")])
def test_integers_are_scaled_as_those_of_files_are(dtype, subtype):
    limits = np.iinfo(dtype)
    samples = np.random.default_rng(1).integers(limits.min, limits.max, (3_000, 2), dtype=dtype, endpoint=True)
    samples[:2] = limits.min, limits.max
    content = io.BytesIO()
    if dtype == "uint8":  # soundfile writes no unsigned samples: the same numbers as int16
        soundfile.write(content, (samples.astype(np.int16) - 128) << 8, 8_000, subtype, format="WAV")
    else:
        soundfile.write(content, samples, 8_000, subtype, format="WAV")
    of_file, _ = load_audio(content.getvalue(), channels="each")
    for same in (samples, torch.from_numpy(samples), samples.T):
        np.testing.assert_array_equal(heard(same), of_file.numpy())


def test_floats_beyond_full_scale_are_kept_as_in_float_files():
    assert heard(np.array([0.5, -3.0, 2.0] * 100)).min() == -3


@pytest.mark.parametrize(
    ("waveform", "said"),
    [
        (np.zeros((20, 2)), r"must be \[channel, time\], got \[20, 2\]: give waveform.T"),
        (np.zeros((5_000, 33)), r"got \[5000, 33\]: give waveform.T if it is \[time, channel\]"),
        (np.zeros((1, 1, 8)), r"got \[1, 1, 8\]: give one recording at a time"),
        (np.float32(0.5), r"got \[\]"),
        (np.zeros((2_000, 3_000), np.int8), "at most 1024 channels"),
        (np.zeros(100, np.int64), "got int64; its range is not known: divide by full scale, or convert to int16"),
        (np.zeros(100, np.uint16), "its range is not known"),
        (list(range(100)), "got int64"),
        (np.zeros(100, bool), "got bool"),
        (np.zeros(100, complex), "got complex128"),
        (np.array([None] * 8), "got object"),
        (["a"], "got str"),
        ([[0.1, 0.2], [0.1]], "lists of different lengths"),
        (None, "got object"),
    ],
)
def test_what_is_no_waveform_is_refused_in_a_line(waveform, said):
    with pytest.raises(ValueError, match=said) as caught:
        array_sound(waveform, 8_000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [0, -8_000, 999, 768_001, 22_050.5, float("nan"), float("inf"), True, "8000", None])
def test_what_is_no_rate_is_refused_in_a_line(rate):
    with pytest.raises(ValueError, match="sample_rate must be a whole number of 1000 to 768000 Hz"):
        array_sound(SAMPLES, rate)


@pytest.mark.parametrize(
    ("shape", "taken"),  # [time, channel] from 65 rows on, up to 32 columns
    [((65, 2), (2, 65)), ((65, 32), (32, 65)), ((64, 2), None), ((65, 33), None), ((2, 2), (2, 2)), ((1, 65), (1, 65))],
)
def test_which_side_is_time(shape, taken):
    waveform = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 1e5
    if taken is None:
        with pytest.raises(ValueError, match="give waveform.T"):
            array_sound(waveform, 8_000)
        return
    found = heard(waveform)
    assert found.shape == taken
    np.testing.assert_array_equal(found, waveform.T if taken != shape else waveform)


def test_ends_of_what_is_taken():
    with pytest.raises(ValueError, match="at most 1024 channels, got .1025, 1100."):
        array_sound(np.zeros((1_025, 1_100), np.float32), 8_000)
    assert heard(np.zeros((1_024, 1_100), np.float32)).shape == (1_024, 1_100)
    for rate in (1_000, 768_000):
        np.testing.assert_array_equal(heard(SAMPLES, rate), SAMPLES)


@pytest.mark.parametrize("rate", [8_000, 8_000.0, np.int64(8_000), np.float32(8_000)])
def test_rates_of_every_type(rate):
    np.testing.assert_array_equal(heard(SAMPLES, rate), SAMPLES)
