"""Things by rule: a clock, a chainsaw, church bells, Morse code."""

import numpy as np

from mmasc.synth.shapes import (
    Waveform,
    add_event,
    bell_curve,
    damped_partials,
    harmonics,
    random_curve,
    reverberate,
    shaped_noise,
)

MORSE = {
    "A": ".-", "B": "-...", "C": "-.-.", "D": "-..", "E": ".", "F": "..-.", "G": "--.", "H": "....", "I": "..",
    "J": ".---", "K": "-.-", "L": ".-..", "M": "--", "N": "-.", "O": "---", "P": ".--.", "Q": "--.-", "R": ".-.",
    "S": "...", "T": "-", "U": "..-", "V": "...-", "W": ".--", "X": "-..-", "Y": "-.--", "Z": "--..",
}  # fmt: skip


def clock_tick(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A clock with a lever escapement: two beats a second, tick and tock.

    Each beat is three blows within 18 ms (unlock, impulse, drop), the last the loudest; a blow rings three modes of
    the case, 2.1 to 7 kHz, for some milliseconds. Tock is tick a tenth lower. A quiet room is behind.
    """
    waveform = 0.004 * shaped_noise(generator, sample_rate, n_samples, lambda hz: 1 / np.sqrt(np.maximum(hz, 50)))
    modes = np.array([2_100.0, 3_900.0, 7_000.0]) * generator.uniform(0.85, 1.15)
    for beat in range(round(n_samples / sample_rate * 2) + 1):
        pitch = modes * (1.0 if beat % 2 == 0 else 0.9)
        for delay, loud in ((0.0, 0.35), (0.009, 0.5), (0.018, 1.0)):
            blow = damped_partials(pitch, [0.006, 0.004, 0.002], [1.0, 0.8, 0.6], 0.05, sample_rate)
            add_event(waveform, loud * blow, round((0.15 + beat * 0.5 + delay) * sample_rate))
    return waveform


def chainsaw(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A chainsaw: one two-stroke cylinder, revved and let go, and the chain that scrapes.

    It fires once a turn: 70 times a second at rest, 200 (12,000 turns a minute) in the cut, where it is four times as
    loud; between them it needs a third of a second. Harmonics of the exhaust fall 5 dB an octave, lifted by the muffler
    around 0.5 and 1.6 kHz; each firing differs a little (8 % in strength). The chain scrapes from 2 to 8 kHz.
    """
    throttle = 1 / (1 + np.exp(-6 * random_curve(generator, sample_rate, n_samples, 0.5)))
    firing_hz = 70 + 130 * throttle + 1.5 * random_curve(generator, sample_rate, n_samples, 20)
    phase = np.cumsum(firing_hz) / sample_rate
    engine = harmonics(
        phase,
        firing_hz,
        sample_rate,
        lambda hz: (hz / 100) ** -0.8 * (1 + 1.5 * bell_curve(hz, 500, 200) + 1.5 * bell_curve(hz, 1_600, 500)),
        generator,
        top_hz=8_000,
    )
    strength = 1 + 0.08 * generator.standard_normal(int(phase[-1]) + 2)
    chain = shaped_noise(generator, sample_rate, n_samples, lambda hz: bell_curve(hz, 3_500, 2_500))
    beat = 0.4 + 0.6 * np.exp(-5 * (phase % 1.0))
    return (0.25 + 0.75 * throttle) * (engine / engine.std() * strength[phase.astype(int)] + 0.5 * beat * chain)


def church_bells(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Church bells: a peal of five bells that ring into each other, each with the partials of a tuned bell.

    Hum, prime, tierce, quint, nominal, superquint and octave nominal at 0.5, 1, 1.2, 1.5, 2, 3 and 4 times the prime,
    and two above; the low ones ring for seconds, the high ones give the stroke (Rossing, Science of Percussion
    Instruments, 2000). The bells stand on the first five notes of a major scale, 0.35 s from stroke to stroke.
    """
    waveform = np.zeros(n_samples)
    ratios = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.4, 6.8])
    decays = [3.0, 1.8, 1.5, 0.9, 1.0, 0.5, 0.3, 0.2, 0.12]
    loud = [0.6, 0.5, 0.7, 0.3, 1.0, 0.6, 0.4, 0.3, 0.2]
    primes = generator.uniform(420, 480) * 2 ** (-np.array([0, 2, 4, 5, 7]) / 12)
    bells = [damped_partials(prime * ratios, decays, loud, 4.0, sample_rate) for prime in primes]
    for stroke in range(round(n_samples / sample_rate / 0.35) + 1):
        start = stroke * 0.35 + generator.uniform(0, 0.04)
        add_event(waveform, generator.uniform(0.7, 1.0) * bells[stroke % 5], round(start * sample_rate))
    return reverberate(generator, waveform, sample_rate, seconds=0.8, wet=0.5)


def morse_code(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Morse code of the word MMASC over and over: a keyed tone of 600 to 800 Hz.

    A dot lasts 1.2 / 18 s (18 words a minute, the word PARIS being 50 dots), a dash three dots, the gap inside a
    letter one, between letters three, between words seven (ITU-R M.1677). Edges are 5 ms long. The receiver clips the
    tone a little (third harmonic) and hisses from 300 to 3,000 Hz.
    """
    dot = 1.2 / 18
    keys: list[int] = []
    for letter in "MMASC":
        for sign in MORSE[letter]:
            keys += [1] * (1 if sign == "." else 3) + [0]
        keys += [0, 0]
    keys += [0] * 4
    units = (np.arange(n_samples) / sample_rate / dot).astype(int)
    keyed = np.array(keys, np.float64)[units % len(keys)]
    edge = np.hanning(round(0.005 * sample_rate) | 1)
    keyed = np.convolve(keyed, edge / edge.sum(), mode="same")
    angle = 2 * np.pi * generator.uniform(600, 800) * np.arange(n_samples) / sample_rate
    hiss = shaped_noise(generator, sample_rate, n_samples, lambda hz: (hz > 300) & (hz < 3_000))
    return keyed * (np.sin(angle) + 0.1 * np.sin(3 * angle)) + 0.01 * hiss
