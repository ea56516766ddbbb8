"""Sounds made by rule: a name, a rate and a seed in, a waveform out. No recordings, no network, the same every time.

They let the demo and the tests run on a machine that has no sounds. Every rule is a short model of what makes the
real sound (a bell's partials, a bubble's resonance, a rotor's blade rate), said with its numbers in its docstring.
They are caricatures: good to look at and to try commands on, no measure of how well an encoder hears the world.
"""

from functools import partial

import numpy as np

from mmasc.synth.shapes import (
    Waveform,
    add_event,
    exponential_decay,
    poisson_starts,
    random_curve,
    reverberate,
    shaped_noise,
)

# --- weather, water and fire ---------------------------------------------------------------------------------------


def rain(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Steady rain: the sum of very many far drops, and near ones that are heard by themselves.

    Far drops: by the central limit Gaussian noise, with the spectrum of one impact dulled by the way: cut below 100 Hz,
    falling 6 dB an octave above 2 kHz and 12 dB above 8 kHz. Near drops: Poisson, 40 a second; each 4 ms of noise that
    decays with 0.8 ms, amplitude log-normal (sigma 0.8).
    """
    far = shaped_noise(
        generator,
        sample_rate,
        n_samples,
        lambda hz: (hz / 100) / np.hypot(1, hz / 100) / np.hypot(1, hz / 2_000) / np.hypot(1, hz / 8_000),
    )
    near = np.zeros(n_samples)
    for start in poisson_starts(generator, 40, sample_rate, n_samples):
        drop = generator.standard_normal(round(0.004 * sample_rate))
        add_event(near, generator.lognormal(0, 0.8) * drop * exponential_decay(len(drop), 0.0008, sample_rate), start)
    return far + 2 * near


def sea_waves(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Waves on a beach: noise of breaking water that swells and brightens every 6 to 9 seconds.

    A wave rises for 40 % of its period and runs out over the rest, e(t) = sin^2 of a warped phase. Its noise is flat
    to 500 Hz and falls 6 dB an octave above; foam, around 2 kHz, follows e(t)^2 and so comes later and goes faster.
    """
    period = generator.uniform(6, 9)
    phase = (np.arange(n_samples) / sample_rate / period + 0.15) % 1.0
    warped = np.where(phase < 0.4, phase / 0.8, 0.5 + (phase - 0.4) / 1.2)
    swell = np.sin(np.pi * warped) ** 2
    body = shaped_noise(generator, sample_rate, n_samples, lambda hz: (hz > 30) / np.hypot(1, hz / 500))
    foam = shaped_noise(generator, sample_rate, n_samples, lambda hz: (hz / 2_000) / (1 + (hz / 2_000) ** 2.5))
    return (0.15 + swell) * body + 0.5 * swell**2 * foam


def wind(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Wind howling around an edge: noise in a narrow band whose pitch and loudness follow the gusts.

    The vortices behind an edge of size d sound at f = 0.2 v / d (Strouhal); the speed v wanders between 4 and 14 m/s
    within a second or two, d = 5 mm; pressure goes with v^2. Noise below 300 Hz is the turbulence of the gust itself.
    """
    slow = random_curve(generator, sample_rate, n_samples, 0.5)
    speed = 9 + 5 * np.tanh(slow)
    phase = 2 * np.pi * np.cumsum(0.2 * speed / 0.005) / sample_rate
    narrow_cos, narrow_sin = (random_curve(generator, sample_rate, n_samples, 60) for _ in range(2))
    howl = narrow_cos * np.cos(phase) - narrow_sin * np.sin(phase)
    air = shaped_noise(generator, sample_rate, n_samples, lambda hz: 1 / (1 + (hz / 300) ** 2))
    return (speed / 14) ** 2 * (howl + 1.5 * air)


def thunder(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Thunder: a clap and its rumble, the same spark heard from ever farther parts of the lightning channel.

    Each part sends an N-wave; air takes the high notes away with the distance, so a part that comes t seconds later is
    low-passed at 2,500 / (1 + 4 t) Hz. Sixty parts, spaced with gaps that grow, amplitude falling with exp(-t / 1.6 s).
    """
    waveform = 0.002 * shaped_noise(generator, sample_rate, n_samples, lambda hz: 1 / np.maximum(hz, 40))
    waveform *= 1.0
    delay = 0.0
    while delay < n_samples / sample_rate - 0.4:
        cut = 2_500 / (1 + 4 * delay)
        length = round(0.9 * sample_rate)
        burst = shaped_noise(generator, sample_rate, length, partial(_far_spark, cut=cut))
        attack = np.minimum(np.arange(length) / (0.002 + 0.02 * delay) / sample_rate, 1.0)
        loud = generator.lognormal(0, 0.5) * np.exp(-delay / 1.6)
        add_event(
            waveform,
            loud * burst * attack * exponential_decay(length, 0.25, sample_rate),
            round((0.2 + delay) * sample_rate),
        )
        delay += generator.exponential(0.04 + 0.08 * delay)
    return waveform


def _far_spark(hz: np.ndarray, cut: float) -> np.ndarray:
    return np.maximum(hz, 30) ** -0.5 / (1 + (hz / cut) ** 2)


def crackling_fire(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A wood fire: snaps of bursting cells over the flutter of the flames.

    Snaps: Poisson, 14 a second, amplitude Pareto (exponent 1.6, so a few are far louder than the rest), each a noise
    burst decaying with 0.5 to 4 ms. Flames: noise falling 6 dB an octave from 100 Hz, fluttering slowly.
    """
    snaps = np.zeros(n_samples)
    for start in poisson_starts(generator, 14, sample_rate, n_samples):
        decay = generator.uniform(0.0005, 0.004)
        snap = generator.standard_normal(round(8 * decay * sample_rate))
        loud = min(generator.pareto(1.6) + 0.3, 12)
        add_event(snaps, loud * snap * exponential_decay(len(snap), decay, sample_rate), start)
    flames = shaped_noise(generator, sample_rate, n_samples, lambda hz: (hz > 20) / (1 + hz / 100))
    flutter = 1 + 0.5 * np.tanh(random_curve(generator, sample_rate, n_samples, 3))
    return snaps + 0.25 * flutter * flames


def water_drops(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Drops falling into still water in a cave: each traps a bubble that rings.

    A bubble of radius a rings at f = 3.26 m/s / a (Minnaert 1933), 1.5 to 4 mm here, damped with a quality of about 30,
    its pitch rising a little as it nears the surface. The cave answers with noise that decays with 0.4 s.
    """
    dry = np.zeros(n_samples)
    for start in np.cumsum(generator.uniform(0.25, 0.7, int(4 * n_samples / sample_rate) + 1)):
        hertz = 3.26 / generator.uniform(0.0015, 0.004)
        decay = 30 / (np.pi * hertz)
        time = np.arange(round(8 * decay * sample_rate)) / sample_rate
        pulse = np.sin(2 * np.pi * hertz * (time + 2.0 * time**2)) * np.exp(-time / decay)
        add_event(dry, generator.uniform(0.4, 1.0) * pulse, round(start * sample_rate))
    return reverberate(generator, dry, sample_rate, seconds=0.4, wet=0.8)


# --- machines and signals ------------------------------------------------------------------------------------------


# --- animals -------------------------------------------------------------------------------------------------------


# --- noises --------------------------------------------------------------------------------------------------------


def white_noise(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """White noise: independent Gaussian samples, equal power in every hertz."""
    return generator.standard_normal(n_samples)


# --- what the rules are made of ------------------------------------------------------------------------------------
