"""Front ends of the registry: what holds for all, and each worked out a second time; see also `test_librosa.py`."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch

from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.features import FRONT_ENDS, load_front_end
from mmasc.features.cepstrum import cosine_matrix
from mmasc.features.classic import ClassicFeatures, zero_crossing_rate
from mmasc.features.cqt import ConstantQ
from mmasc.features.deltas import deltas
from mmasc.features.gammatone import erb, erb_rate_to_hz, gammatone_matrix, hz_to_erb_rate
from tests.helpers.front_ends import features_of, noise

NAMES = sorted(FRONT_ENDS)
COMPARABLE = ("log-mel", "log-mel-delta", "log-mel-delta2", "mfcc", "cqt", "gammatone")


@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_is_batch_to_the_last_bit(name):
    front_end = load_front_end(name)
    waveforms = torch.stack([noise(1.3, front_end.sample_rate, seed, 2) for seed in range(3)])
    with torch.inference_mode():
        batch = front_end(waveforms)
        for waveform, features in zip(waveforms, batch, strict=True):
            assert torch.equal(front_end(waveform[None])[0], features)
    assert batch.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_as_announced(name):
    front_end = load_front_end(name)
    assert front_end.sample_rate == FRONT_ENDS[name].sample_rate
    least = front_end.minimum_samples
    for n_samples in (least, least + 1, least + 1234, front_end.sample_rate):
        with torch.inference_mode():
            features = front_end(torch.randn(2, 2, n_samples))
        if features.ndim == 3:
            assert features.shape == (2, 2, front_end.n_frames(n_samples))
        else:
            n_frames = front_end.n_frames(n_samples)
            assert features.shape == (2, 2 * front_end.n_features, n_frames, front_end.n_bands)
            assert n_frames >= 1


@pytest.mark.parametrize("name", COMPARABLE)
def test_waveforms_that_are_too_short_are_refused(name):
    front_end = load_front_end(name)
    with pytest.raises(ValueError, match="must|need"):
        front_end(torch.zeros(1, 1, front_end.minimum_samples - 1))


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_heard_by_themselves(name):
    front_end = load_front_end(name)
    if name == "levelled":
        pytest.skip("one level for all channels of an item")
    waveforms = torch.stack([noise(1.1, front_end.sample_rate, seed, 2) for seed in range(2)])
    with torch.inference_mode():
        both, left = front_end(waveforms), front_end(waveforms[:, :1])
    torch.testing.assert_close(both[:, : left.shape[1]], left, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_compressed_power(name):
    front_end = load_front_end(name)
    if not front_end.has_power:
        pytest.skip("no power in between")
    waveforms = noise(0.9, front_end.sample_rate, 3)[None]
    with torch.inference_mode():
        power = front_end.power(waveforms)
        assert (power >= 0).all()
        torch.testing.assert_close(front_end.compress(power), front_end(waveforms), rtol=1e-5, atol=1e-4)


def test_compared_features_stand_on_one_footing():
    """Same rate, bands and frames; deltas lose four and eight frames at each end."""
    waveform = noise(2.0, 16_000)
    shapes = {name: features_of(name, waveform).shape for name in COMPARABLE}
    assert shapes == {
        "log-mel": (1, 101, 64),
        "log-mel-delta": (2, 93, 64),
        "log-mel-delta2": (3, 85, 64),
        "mfcc": (1, 101, 64),
        "cqt": (1, 101, 64),
        "gammatone": (1, 101, 64),
    }


@pytest.mark.parametrize(("seconds", "n_frames"), [(10, 435), (4, 174)])
def test_dilated_has_the_papers_frames(seconds, n_frames):
    assert load_front_end("dilated").n_frames(seconds * 22_050) == n_frames
    assert features_of("dilated", noise(seconds, 22_050)).shape == (1, n_frames, 64)


@pytest.mark.parametrize(("n_in", "n_out"), [(128, 64), (7, 7), (5, 1)])
def test_cosine_matrix_is_scipys(n_in, n_out):
    values = np.random.default_rng(1).normal(size=(11, n_in))
    wanted = scipy.fft.dct(values, norm="ortho")[:, :n_out]
    np.testing.assert_allclose(values @ cosine_matrix(n_in, n_out).T, wanted, atol=1e-5)
    with pytest.raises(ValueError, match="n_out must be in"):
        cosine_matrix(n_in, n_in + 1)


def test_deltas_of_lines_and_parabolas_are_known():
    frames = torch.arange(40.0)[None, :, None]
    torch.testing.assert_close(deltas(3 * frames + 7), torch.full((1, 32, 1), 3.0))
    torch.testing.assert_close(deltas(deltas(0.5 * frames**2)), torch.full((1, 24, 1), 1.0))
    with pytest.raises(ValueError, match="deltas need 9 frames, got 8"):
        deltas(frames[:, :8])


@pytest.mark.parametrize(("name", "order"), [("log-mel-delta", 1), ("log-mel-delta2", 2)])
def test_delta_channels_lie_over_their_frames(name, order):
    waveform = noise(1.0, 16_000)
    log_mel = torch.from_numpy(features_of("log-mel", waveform)[0])
    features = features_of(name, waveform)
    cut = 4 * order
    np.testing.assert_array_equal(features[0], log_mel[cut:-cut])
    np.testing.assert_allclose(features[1], deltas(log_mel)[cut - 4 : len(log_mel) - 4 - cut], atol=1e-5)
    if order == 2:
        np.testing.assert_allclose(features[2], deltas(deltas(log_mel)), atol=1e-5)


def test_gammatone_bands_are_scipys_filters():
    """The response of scipy's fourth-order filters, which are impulse responses in time."""
    matrix = gammatone_matrix(44_100, 2048, 24, 100.0, 6_000.0)
    bins = np.linspace(0, 22_050, 1025)
    low, high = hz_to_erb_rate(np.array([100.0, 6_000.0]))
    centres = erb_rate_to_hz(np.linspace(low, high, 24))
    for weights, centre in zip(matrix, centres, strict=True):
        numerator, denominator = scipy.signal.gammatone(centre, "fir", numtaps=8_192, fs=44_100)
        response = np.abs(scipy.signal.freqz(numerator, denominator, bins, fs=44_100)[1]) ** 2
        heard = response > 1e-3
        np.testing.assert_allclose(10 * np.log10(weights[heard]), 10 * np.log10(response[heard]), atol=1.0)
        near = response > 0.1
        np.testing.assert_allclose(weights[near], response[near], atol=0.02)


def test_erb_rate_counts_bandwidths():
    frequencies = np.array([0.0, 100.0, 1_000.0, 7_000.0])
    np.testing.assert_allclose(erb_rate_to_hz(hz_to_erb_rate(frequencies)), frequencies, atol=1e-9)
    fine = np.linspace(0, 7_000, 200_001)
    np.testing.assert_allclose(hz_to_erb_rate(frequencies)[-1], np.trapezoid(1 / erb(fine), fine), rtol=1e-8)
    assert erb(np.array([1_000.0]))[0] == pytest.approx(132.639)


def test_cqt_is_the_sum_that_defines_it():
    waveform = noise(0.8, 16_000)
    features = ConstantQ(16_000, 320, 20, 6, 110.0)(waveform)[0].numpy()
    samples = waveform[0].double().numpy()
    quality = 1 / ((2 ** (2 / 6) - 1) / (2 ** (2 / 6) + 1))
    for frame, band in [(0, 0), (7, 3), (20, 19), (40, 11)]:
        centre = 110.0 * 2 ** (band / 6)
        length = quality * 16_000 / centre
        offsets = np.arange(-int(length / 2), int(length / 2) + 1)
        window = np.cos(np.pi * offsets / length) ** 2
        places = frame * 320 + offsets
        inside = (places >= 0) & (places < len(samples))
        tone = np.exp(-2j * np.pi * centre / 16_000 * offsets)
        total = (samples[places[inside]] * (window * tone)[inside]).sum() / window.sum() * np.sqrt(length)
        assert features[frame, band] == pytest.approx(abs(total) ** 2, rel=1e-3)


def test_a_tone_stands_in_its_band():
    time = torch.arange(16_000) / 16_000
    for band in (12, 30, 63):
        tone = torch.sin(2 * torch.pi * 30.0 * 2 ** (band / 8) * time)
        features = features_of("cqt", tone[None])[0]
        assert (features[15:-15].argmax(1) == band).all()


def test_cqt_beyond_half_the_rate_is_refused():
    with pytest.raises(ValueError, match="the highest band reaches .* Hz, beyond 8000 Hz"):
        ConstantQ(16_000, 320, 66, 8, 30.0)


def test_constants_are_no_weights():
    for name in COMPARABLE:
        assert not load_front_end(name).state_dict()


def test_a_tone_crosses_zero_twice_a_period():
    tone = torch.sin(2 * torch.pi * 32 * (torch.arange(2048) + 0.5) / 512)[None]
    torch.testing.assert_close(zero_crossing_rate(tone), torch.full((1, 4), 63 / 512))
    assert zero_crossing_rate(torch.zeros(1, 1024)).tolist() == [[0, 0]]


def test_classic_numbers_are_an_encoder():
    encoder = load_encoder("classic")
    waveforms = torch.cat([noise(3.0, 44_100, seed) for seed in range(3)])
    vectors = encoder.embed(waveforms, 44_100)
    assert vectors.shape == (3, 26)
    for waveform, vector in zip(waveforms, vectors, strict=True):
        np.testing.assert_array_equal(encoder.embed(waveform[None])[0], vector)
    # standardised by constants: differences are proportional to those of the numbers, column by column
    numbers = ClassicFeatures()(waveforms).numpy()
    np.testing.assert_allclose(
        (vectors[0] - vectors[1]) * (numbers[0] - numbers[2]),
        (vectors[0] - vectors[2]) * (numbers[0] - numbers[1]),
        atol=1e-3,
    )
    assert np.abs(vectors).max() < 10
    assert np.isfinite(encoder.embed(np.zeros((1, 100), np.float32))).all()
    with pytest.raises(MmascError, match="classic has no weights and takes no path; leave 'some/file' out"):
        load_encoder("classic:some/file")


def test_nine_frames_are_the_least_that_has_a_slope():
    ramp = torch.arange(9.0)[None, :, None] * torch.tensor([1.0, -2.0])
    torch.testing.assert_close(deltas(ramp), torch.tensor([[[1.0, -2.0]]]))
    with pytest.raises(ValueError, match="deltas need 9 frames, got 8"):
        deltas(ramp[:, 1:])
