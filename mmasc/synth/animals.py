"""Voices by rule: crickets, a rooster, a crying baby."""

import numpy as np

from mmasc.synth.shapes import Waveform, add_event, bell_curve, harmonics, random_curve, reverberate, shaped_noise


def crickets(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Field crickets on a warm night: chirps of three or four pulses of a pure note, from several places.

    Each has its note, 4.2 to 5 kHz, keyed into pulses of 15 ms, 30 a second. At 22 degrees a cricket chirps
    40 + 7 (22 - 10) = 124 times a minute (Dolbear 1897). Five sing at distances that spread their levels over 20 dB.
    """
    waveform = np.zeros(n_samples)
    pulse_time = np.arange(round(0.015 * sample_rate)) / sample_rate
    window = np.hanning(len(pulse_time))
    for singer in range(5):
        hertz = generator.uniform(4_200, 5_000)
        pulse = np.sin(2 * np.pi * hertz * pulse_time) * window
        period = 60 / 124 * generator.uniform(0.93, 1.07)
        first = generator.uniform(0, period)
        for chirp in range(round(n_samples / sample_rate / period) + 1):
            for part in range(int(generator.integers(3, 5))):
                start = first + chirp * period + part / 30
                add_event(waveform, 10 ** (-singer / 4) * (0.7 + 0.1 * part) * pulse, round(start * sample_rate))
    return waveform + 0.003 * generator.standard_normal(n_samples)


def rooster(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A rooster: "cock-a-doodle-doo", four syllables of a harsh voice, again after eight seconds.

    The note climbs from 550 to 1,000 Hz and sinks on the last, longest syllable; it trembles 24 times a second and is
    rough (30 % in strength, up to 120 Hz). Throat and beak of about 6 cm, open at one end, resonate at odd quarter
    waves c / 4 L: 1.5 and 4.4 kHz.
    """
    syllables = [(0.0, 0.16, 550, 700), (0.22, 0.16, 700, 860), (0.44, 0.38, 860, 1_010), (0.88, 0.85, 990, 630)]
    crow = np.zeros(round(1.8 * sample_rate))
    scale = generator.uniform(0.94, 1.06)
    for start, seconds, low, high in syllables:
        samples = round(seconds * sample_rate)
        share = np.arange(samples) / samples
        hertz = scale * (low + (high - low) * share) * (1 + 0.012 * np.sin(2 * np.pi * 24 * share * seconds))
        tone = harmonics(
            np.cumsum(hertz) / sample_rate,
            hertz,
            sample_rate,
            lambda hz: 0.15 * (hz / 1_000) ** -0.8 + bell_curve(hz, 1_500, 500) + 0.7 * bell_curve(hz, 4_400, 900),
            generator,
        )
        rough = 1 + 0.3 * random_curve(generator, sample_rate, samples, 120)
        envelope = rough * np.minimum(1, share / 0.1) * np.minimum(1, (1 - share) / 0.25)
        add_event(crow, tone * envelope, round(start * sample_rate))
    waveform = np.zeros(n_samples)
    for start in np.arange(0.5, n_samples / sample_rate, 8.0):
        add_event(waveform, crow, round(start * sample_rate))
    air = shaped_noise(generator, sample_rate, n_samples, lambda hz: 1 / np.sqrt(np.maximum(hz, 100)))
    return reverberate(generator, waveform, sample_rate, seconds=0.15, wet=0.15) + 0.004 * air


def crying_baby(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A crying baby: cries of about a second with a catch of breath between.

    The note rises from 350 to about 480 Hz and falls again within a cry, trembling 6 times a second. An infant's vocal
    tract of 8 cm resonates at odd quarter waves c / 4 L: 1.1, 3.2 and 5.4 kHz.
    """
    waveform = np.zeros(n_samples)
    start = generator.uniform(0, 0.2)
    while start < n_samples / sample_rate:
        length = generator.uniform(0.8, 1.2)
        samples = round(length * sample_rate)
        time = np.arange(samples) / samples
        hertz = (generator.uniform(340, 380) + generator.uniform(90, 140) * np.sin(np.pi * time**0.7)) * (
            1 + 0.015 * np.sin(2 * np.pi * 6 * time * length)
        )
        cry = harmonics(
            np.cumsum(hertz) / sample_rate,
            hertz,
            sample_rate,
            lambda hz: (
                0.1 * (hz / 500) ** -1
                + bell_curve(hz, 1_100, 350)
                + 0.6 * bell_curve(hz, 3_200, 600)
                + 0.2 * bell_curve(hz, 5_400, 800)
            ),
            generator,
        )
        add_event(waveform, cry * np.sin(np.pi * time) ** 0.4, round(start * sample_rate))
        gasp = shaped_noise(generator, sample_rate, round(0.2 * sample_rate), lambda hz: bell_curve(hz, 2_500, 1_500))
        add_event(
            waveform, 0.08 * cry.std() * gasp * np.hanning(len(gasp)), round((start + length + 0.1) * sample_rate)
        )
        start += length + generator.uniform(0.35, 0.5)
    return reverberate(generator, waveform, sample_rate, seconds=0.12, wet=0.15)
