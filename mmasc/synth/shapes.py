"""What the rules are made of: shaped noise, harmonics, damped partials, echoes."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

Waveform = Float[np.ndarray, " time"]


def shaped_noise(
    generator: np.random.Generator, sample_rate: int, n_samples: int, gain: Callable[[np.ndarray], np.ndarray]
) -> Waveform:
    """Gaussian noise with amplitude spectrum `gain(hz)` and standard deviation 1."""
    spectrum = np.fft.rfft(generator.standard_normal(n_samples))
    noise = np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n_samples, 1 / sample_rate)), n_samples)
    return noise / noise.std()


def random_curve(generator: np.random.Generator, sample_rate: int, n_samples: int, hertz: float) -> Waveform:
    """A random curve of standard deviation 1 that changes no faster than about `hertz`."""
    whole = max(n_samples, round(4 / hertz * sample_rate))
    return shaped_noise(generator, sample_rate, whole, lambda hz: (hz > 0) * np.exp(-((hz / hertz) ** 2)))[:n_samples]


def harmonics(
    phase: Waveform,
    hertz: Waveform,
    sample_rate: int,
    gain: Callable[[np.ndarray], np.ndarray],
    generator: np.random.Generator,
    top_hz: float = 12_000,
) -> Waveform:
    """Harmonics of a moving note: sum over k of gain(k f(t)) cos(2 pi (k phase(t) + random)), up to `top_hz`."""
    top_hz = min(top_hz, 0.45 * sample_rate)
    waveform, samples = np.zeros(len(phase)), np.arange(len(phase))
    # Powers of one rotation instead of a cosine for each harmonic, and gains every 32 samples: ten times faster
    turn = np.exp(2j * np.pi * phase)
    turned = turn.copy()
    for k in range(1, int(top_hz / hertz.min()) + 1):
        coarse = k * hertz[::32]
        loud = np.interp(samples, samples[::32], gain(coarse) * (coarse < top_hz))
        waveform += loud * (turned * np.exp(2j * np.pi * generator.uniform())).real
        turned *= turn
    return waveform


def bell_curve(hertz: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A Gaussian bump of height 1 over hertz."""
    return np.exp(-(((hertz - centre) / width) ** 2))


def exponential_decay(n_samples: int, seconds: float, sample_rate: int) -> Waveform:
    """From 1 down to 1 / e after `seconds`."""
    return np.exp(-np.arange(n_samples) / (seconds * sample_rate))


def damped_partials(
    hertz: Sequence[float] | np.ndarray,
    decays: Sequence[float],
    amplitudes: Sequence[float],
    seconds: float,
    sample_rate: int,
) -> Waveform:
    """Damped partials after a blow: sum of a exp(-t / decay) sin(2 pi f t), those below half the rate."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    waveform = np.zeros(len(time))
    for frequency, decay, amplitude in zip(hertz, decays, amplitudes, strict=True):
        if frequency < sample_rate / 2:
            waveform += amplitude * np.exp(-time / decay) * np.sin(2 * np.pi * frequency * time)
    return waveform


def poisson_starts(generator: np.random.Generator, per_second: float, sample_rate: int, n_samples: int) -> list[int]:
    """Starts, in samples, of events that come independently of each other, `per_second` on average."""
    count = generator.poisson(per_second * n_samples / sample_rate)
    return sorted(int(start) for start in generator.integers(0, n_samples, count))


def add_event(waveform: Waveform, event: Float[np.ndarray, " event"], start: int) -> None:
    """Add an event in place; what would fall behind the end is cut."""
    room = min(len(event), len(waveform) - start)
    if room > 0:
        waveform[start : start + room] += event[:room]


def reverberate(
    generator: np.random.Generator, dry: Waveform, sample_rate: int, seconds: float, wet: float
) -> Waveform:
    """The dry sound and its echo in a room: convolution with noise that decays with `seconds` (amplitude to 1 / e)."""
    tail = generator.standard_normal(round(5 * seconds * sample_rate))
    tail *= exponential_decay(len(tail), seconds, sample_rate)
    size = len(dry) + len(tail)
    echo = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    return dry + wet * dry.std() / max(echo.std(), 1e-12) * echo
