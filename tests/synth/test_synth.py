"""Synthesised sounds: the same every time, in range, and each with the mark that its rule promises."""

from itertools import pairwise

import numpy as np
import pytest

from mmasc.prompts.prompts import load_prompts
from mmasc.synth import SYNTH, synthesise
from mmasc.synth.things import MORSE

RATE = 32_000


def spectrum(waveform):
    """Power by frequency of a Hann-windowed waveform."""
    power = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    return np.fft.rfftfreq(len(waveform), 1 / RATE), power


def envelope(waveform, seconds=0.004):
    """Mean absolute value in blocks; returns it with its rate."""
    block = round(seconds * RATE)
    return np.abs(waveform[: len(waveform) // block * block]).reshape(-1, block).mean(1), RATE / block


def octave_slope(waveform, low, high):
    """Decibels an octave, by a straight line through the mean power of third-octave bands."""
    hz, power = spectrum(waveform)
    edges = low * 2 ** np.arange(0, np.log2(high / low) + 1e-9, 1 / 3)
    bands = [power[(hz >= a) & (hz < b)].mean() for a, b in pairwise(edges)]
    return np.polyfit(np.arange(len(bands)) / 3, 10 * np.log10(bands), 1)[0]


def beat_strength(waveform, hertz):
    """Autocorrelation of the envelope at one period."""
    level, rate = envelope(waveform)
    level = level - level.mean()
    lag = round(rate / hertz)
    return float((level[:-lag] * level[lag:]).sum() / (level**2).sum())


@pytest.mark.parametrize("name", list(SYNTH))
def test_every_sound_is_in_range_and_the_same_again(name):
    first, again, other = (synthesise(name, RATE, 2.0, seed) for seed in (0, 0, 1))
    assert first.dtype == np.float32
    assert first.shape == (2 * RATE,)
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(0.7, abs=1e-6)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other), "another seed is another take"
    assert np.abs(first[[0, -1]]).max() < 0.01, "no click at the ends"


@pytest.mark.parametrize("name", list(SYNTH))
@pytest.mark.parametrize(("rate", "seconds"), [(8_000, 1.0), (22_050, 1.3), (96_000, 1.0)])
def test_any_rate_and_length(name, rate, seconds):
    waveform = synthesise(name, rate, seconds)
    assert len(waveform) == round(seconds * rate)
    assert np.isfinite(waveform).all()


@pytest.mark.parametrize("name", ["church_bells", "morse_code", "crickets"])
def test_notes_do_not_depend_on_the_rate(name):
    low, high = (np.abs(np.fft.rfft(synthesise(name, rate, 3.0))) for rate in (16_000, 48_000))
    strongest = low.argmax()
    assert high[strongest - 1 : strongest + 2].max() > 0.2 * high.max()


def test_white_noise_is_flat_and_rain_falls_above_two_kilohertz():
    assert octave_slope(synthesise("white_noise", RATE, 20.0), 50, 12_800) == pytest.approx(0.0, abs=0.15)
    shower = synthesise("rain", RATE, 10.0)
    assert octave_slope(shower, 200, 1_600) == pytest.approx(0.0, abs=1.0)
    assert octave_slope(shower, 3_200, 12_800) < -2


def test_morse_code_can_be_read():
    """Decoded from the sound alone: the lengths of tones and gaps, in units of the shortest."""
    level, rate = envelope(synthesise("morse_code", RATE, 12.0), 0.002)
    on = level > level.max() / 2
    edges = np.flatnonzero(np.diff(on.astype(int))) + 1
    runs = [(bool(on[a]), (b - a) / rate) for a, b in pairwise([0, *edges, len(on)])]
    unit, letters, text = 1.2 / 18, {code: letter for letter, code in MORSE.items()}, ""
    code = ""
    for is_on, seconds in runs[:-1]:
        units = round(seconds / unit)
        if is_on:
            code += "." if units == 1 else "-"
        elif units >= 3:
            text += letters[code] + (" " if units >= 7 else "")
            code = ""
    assert text.startswith("MMASC MMASC")


def test_clock_beats_twice_a_second_and_not_three_times():
    waveform = synthesise("clock_tick", RATE, 10.0)
    assert beat_strength(waveform, 1.0) > 0.8
    assert beat_strength(waveform, 2.0) > 0.4
    assert beat_strength(waveform, 3.0) < 0.1


def test_chainsaw_fires_between_rest_and_the_cut():
    """The pitch by autocorrelation, every 50 ms: never outside its range, and not always the same."""
    waveform = synthesise("chainsaw", RATE, 8.0)
    block, pitches = RATE // 20, []
    for start in range(0, len(waveform) - 2 * block, block):
        piece = waveform[start : start + 2 * block].astype(np.float64)
        power = np.abs(np.fft.rfft(piece, 4 * block)) ** 2
        similarity = np.fft.irfft(power)[: 2 * block]
        lags = np.arange(RATE // 250, RATE // 55)
        pitches.append(RATE / lags[similarity[lags].argmax()])
    middle = np.percentile(pitches, [10, 90])
    assert middle[0] == pytest.approx(72, abs=12)
    assert middle[1] == pytest.approx(198, abs=15)


def test_crickets_sing_between_four_and_five_kilohertz_in_chirps():
    waveform = synthesise("crickets", RATE, 10.0)
    hz, power = spectrum(waveform)
    assert power[(hz > 4_000) & (hz < 5_200)].sum() > 0.95 * power.sum()
    lags = np.arange(0.3, 0.7, 0.004)
    period = max(lags, key=lambda lag: beat_strength(waveform, 1 / lag))
    assert period == pytest.approx(60 / 124, rel=0.08)


def test_church_bells_have_the_partials_of_a_bell():
    """The first stroke alone: the strongest partial is the nominal, and hum, prime and tierce are where they belong."""
    waveform = synthesise("church_bells", RATE, 5.0)[: round(0.6 * RATE)]
    hz, power = spectrum(np.pad(waveform, (0, 4 * RATE)))

    def strength(hertz):
        return power[(hz > 0.985 * hertz) & (hz < 1.015 * hertz)].max()

    prime = max(np.arange(380, 441, 0.5), key=lambda note: sum(np.log(strength(r * note)) for r in (0.5, 1, 1.2, 2)))
    between = np.median(power[(hz > 100) & (hz < 2_000)])
    for ratio in (0.5, 1.0, 1.2, 2.0):
        assert strength(ratio * prime) > 30 * between, ratio


def test_rain_is_steady_and_fire_is_not():
    """Crest of the envelope: many drops make an even noise, few snaps an uneven one."""
    crest = {}
    for name in ("rain", "crackling_fire"):
        level, _ = envelope(synthesise(name, RATE, 5.0), 0.01)
        crest[name] = level.max() / np.median(level)
    assert crest["rain"] < 2.5
    assert crest["crackling_fire"] > 5


def test_waves_swell_once_a_period():
    level, _ = envelope(synthesise("sea_waves", RATE, 30.0), 0.25)
    smooth = np.convolve(level, np.ones(6) / 6, "valid")
    middle = (smooth.max() + smooth.min()) / 2
    rises = int((np.diff((smooth > middle).astype(int)) == 1).sum())
    assert 3 <= rises <= 5, "a wave every 6 to 9 s"
    assert smooth.max() > 3 * smooth.min()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "unicorn"}, "name must be one of rain, "),
        ({"sample_rate": 100}, "sample_rate must be 8000 to 192000 Hz, got 100"),
        ({"seconds": 0.0}, "seconds must be 1 to 600, got 0.0"),
        ({"seconds": 1e9}, "seconds must be 1 to 600"),
    ],
)
def test_arguments_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        synthesise(**{"name": "rain", **change})


def test_the_prompt_file_of_the_demo_has_a_label_for_every_sound():
    assert list(load_prompts("demo").labels) == list(SYNTH)


def test_every_rule_says_what_it_models():
    for name, rule in SYNTH.items():
        assert len(rule.__doc__.split()) > 15 or name.endswith("noise"), name
