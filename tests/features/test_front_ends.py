"""Front ends of the registry: what holds for all of them, and each against an independent computation."""

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch

from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.features import FRONT_ENDS, load_front_end
from mmasc.features.cepstrum import cosine_matrix
from mmasc.features.classic import CLASSIC, ClassicFeatures, zero_crossing_rate
from mmasc.features.cqt import ConstantQ
from mmasc.features.deltas import deltas
from mmasc.features.gammatone import erb, erb_rate_to_hz, gammatone_matrix, hz_to_erb_rate
from mmasc.features.registry import COMPARED, DILATED, SCENES

NAMES = sorted(FRONT_ENDS)
COMPARABLE = ("log-mel", "log-mel-delta", "log-mel-delta2", "mfcc", "cqt", "gammatone")


def noise(seconds: float, sample_rate: int, seed: int = 0, channels: int = 1) -> torch.Tensor:
    """Noise with a rising tone in it: energy in every band of every frame."""
    n_samples = round(seconds * sample_rate)
    time = np.arange(n_samples) / sample_rate
    samples = np.random.default_rng(seed).normal(0, 0.05, (channels, n_samples))
    samples += 0.3 * np.sin(2 * np.pi * (200 * time + 500 * time**2))
    return torch.from_numpy(samples.astype(np.float32))


def features_of(name: str, waveform: torch.Tensor) -> np.ndarray:
    """`[lane frame band]` of one waveform `[channel time]`."""
    with torch.inference_mode():
        return load_front_end(name)(waveform[None])[0].numpy()


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


@pytest.mark.parametrize(("n_in", "n_out"), [(128, 64), (7, 7), (5, 1)])
def test_cosine_matrix_is_scipys(n_in, n_out):
    values = np.random.default_rng(1).normal(size=(11, n_in))
    wanted = scipy.fft.dct(values, norm="ortho")[:, :n_out]
    np.testing.assert_allclose(values @ cosine_matrix(n_in, n_out).T, wanted, atol=1e-5)
    with pytest.raises(ValueError, match="n_out must be in"):
        cosine_matrix(n_in, n_in + 1)


def test_deltas_are_librosas_on_inner_frames():
    features = torch.randn(2, 30, 5)
    once, twice = deltas(features), deltas(deltas(features))
    for item in range(2):
        transposed = features[item].T.numpy()
        wanted = librosa.feature.delta(transposed, width=9, order=1, mode="interp")[:, 4:-4]
        np.testing.assert_allclose(once[item].T, wanted, atol=1e-6)
        again = librosa.feature.delta(wanted, width=9, order=1, mode="interp")[:, 4:-4]
        np.testing.assert_allclose(twice[item].T, again, atol=1e-6)


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
