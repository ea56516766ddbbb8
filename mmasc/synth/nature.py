"""Sounds made by rule: a name, a rate and a seed in, a waveform out. No recordings, no network, the same every time.

They let the demo and the tests run on a machine that has no sounds. Every rule is a short model of what makes the
real sound (a bell's partials, a bubble's resonance, a rotor's blade rate), said with its numbers in its docstring.
They are caricatures: good to look at and to try commands on, no measure of how well an encoder hears the world.
"""

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

Waveform = Float[np.ndarray, " time"]
Rule = Callable[[np.random.Generator, int, int], Waveform]

_PEAK = 0.7  # of full scale, after the rule
_FADE_SECONDS = 0.01  # at both ends, so that no clip starts or stops with a click

MORSE = {
    "A": ".-", "B": "-...", "C": "-.-.", "D": "-..", "E": ".", "F": "..-.", "G": "--.", "H": "....", "I": "..",
    "J": ".---", "K": "-.-", "L": ".-..", "M": "--", "N": "-.", "O": "---", "P": ".--.", "Q": "--.-", "R": ".-.",
    "S": "...", "T": "-", "U": "..-", "V": "...-", "W": ".--", "X": "-..-", "Y": "-.--", "Z": "--..",
}  # fmt: skip


def synthesise(name: str, sample_rate: int = 32_000, seconds: float = 5.0, seed: int = 0) -> Waveform:
    """A sound by its rule.

    Args:
        name: A key of `SYNTH`.
        sample_rate: In Hz, 8,000 to 192,000; partials above half of it are left out.
        seconds: Length, 1 to 600.
        seed: Another seed is another take of the same sound: other drops, other gusts, other pitches.
    Returns:
        float32 in [-0.7, 0.7] with its peak at 0.7, `round(seconds * sample_rate)` samples. The same arguments give
        the same samples.
    Raises:
        ValueError: If an argument is out of its range.
    """
    if name not in SYNTH:
        raise ValueError(f"name must be one of {', '.join(SYNTH)}, got {name!r}")
    if not 8_000 <= sample_rate <= 192_000:
        raise ValueError(f"sample_rate must be 8000 to 192000 Hz, got {sample_rate}")
    if not 1 <= seconds <= 600:
        raise ValueError(f"seconds must be 1 to 600, got {seconds}")
    n_samples = round(seconds * sample_rate)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    waveform = SYNTH[name](generator, sample_rate, n_samples)
    fade = min(round(_FADE_SECONDS * sample_rate), n_samples // 2)
    ramp = np.linspace(0.0, 1.0, fade, endpoint=False)
    waveform[:fade] *= ramp
    waveform[n_samples - fade :] *= ramp[::-1]
    return (waveform * (_PEAK / np.abs(waveform).max())).astype(np.float32)


# --- weather, water and fire ---------------------------------------------------------------------------------------


def rain(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Steady rain: the sum of very many far drops, and near ones that are heard by themselves.

    Far drops: by the central limit Gaussian noise, with the spectrum of one impact dulled by the way: cut below 100 Hz,
    falling 6 dB an octave above 2 kHz and 12 dB above 8 kHz. Near drops: Poisson, 40 a second; each 4 ms of noise that
    decays with 0.8 ms, amplitude log-normal (sigma 0.8).
    """
    far = _noise(
        generator,
        sample_rate,
        n_samples,
        lambda hz: (hz / 100) / np.hypot(1, hz / 100) / np.hypot(1, hz / 2_000) / np.hypot(1, hz / 8_000),
    )
    near = np.zeros(n_samples)
    for start in _poisson(generator, 40, sample_rate, n_samples):
        drop = generator.standard_normal(round(0.004 * sample_rate))
        _add(near, generator.lognormal(0, 0.8) * drop * _decay(len(drop), 0.0008, sample_rate), start)
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
    body = _noise(generator, sample_rate, n_samples, lambda hz: (hz > 30) / np.hypot(1, hz / 500))
    foam = _noise(generator, sample_rate, n_samples, lambda hz: (hz / 2_000) / (1 + (hz / 2_000) ** 2.5))
    return (0.15 + swell) * body + 0.5 * swell**2 * foam


def wind(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Wind howling around an edge: noise in a narrow band whose pitch and loudness follow the gusts.

    The vortices behind an edge of size d sound at f = 0.2 v / d (Strouhal); the speed v wanders between 4 and 14 m/s
    within a second or two, d = 5 mm; pressure goes with v^2. Noise below 300 Hz is the turbulence of the gust itself.
    """
    slow = _wander(generator, sample_rate, n_samples, 0.5)
    speed = 9 + 5 * np.tanh(slow)
    phase = 2 * np.pi * np.cumsum(0.2 * speed / 0.005) / sample_rate
    narrow_cos, narrow_sin = (_wander(generator, sample_rate, n_samples, 60) for _ in range(2))
    howl = narrow_cos * np.cos(phase) - narrow_sin * np.sin(phase)
    air = _noise(generator, sample_rate, n_samples, lambda hz: 1 / (1 + (hz / 300) ** 2))
    return (speed / 14) ** 2 * (howl + 1.5 * air)


def thunder(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """Thunder: a clap and its rumble, the same spark heard from ever farther parts of the lightning channel.

    Each part sends an N-wave; air takes the high notes away with the distance, so a part that comes t seconds later is
    low-passed at 2,500 / (1 + 4 t) Hz. Sixty parts, spaced with gaps that grow, amplitude falling with exp(-t / 1.6 s).
    """
    waveform = 0.002 * _noise(generator, sample_rate, n_samples, lambda hz: 1 / np.maximum(hz, 40))
    waveform *= 1.0
    delay = 0.0
    while delay < n_samples / sample_rate - 0.4:
        cut = 2_500 / (1 + 4 * delay)
        length = round(0.9 * sample_rate)
        burst = _noise(generator, sample_rate, length, partial(_far_spark, cut=cut))
        attack = np.minimum(np.arange(length) / (0.002 + 0.02 * delay) / sample_rate, 1.0)
        loud = generator.lognormal(0, 0.5) * np.exp(-delay / 1.6)
        _add(waveform, loud * burst * attack * _decay(length, 0.25, sample_rate), round((0.2 + delay) * sample_rate))
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
    for start in _poisson(generator, 14, sample_rate, n_samples):
        decay = generator.uniform(0.0005, 0.004)
        snap = generator.standard_normal(round(8 * decay * sample_rate))
        loud = min(generator.pareto(1.6) + 0.3, 12)
        _add(snaps, loud * snap * _decay(len(snap), decay, sample_rate), start)
    flames = _noise(generator, sample_rate, n_samples, lambda hz: (hz > 20) / (1 + hz / 100))
    flutter = 1 + 0.5 * np.tanh(_wander(generator, sample_rate, n_samples, 3))
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
        _add(dry, generator.uniform(0.4, 1.0) * pulse, round(start * sample_rate))
    return _reverberate(generator, dry, sample_rate, seconds=0.4, wet=0.8)


# --- machines and signals ------------------------------------------------------------------------------------------


def clock_tick(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A clock with a lever escapement: two beats a second, tick and tock.

    Each beat is three blows within 18 ms (unlock, impulse, drop), the last the loudest; a blow rings three modes of
    the case, 2.1 to 7 kHz, for some milliseconds. Tock is tick a tenth lower. A quiet room is behind.
    """
    waveform = 0.004 * _noise(generator, sample_rate, n_samples, lambda hz: 1 / np.sqrt(np.maximum(hz, 50)))
    modes = np.array([2_100.0, 3_900.0, 7_000.0]) * generator.uniform(0.85, 1.15)
    for beat in range(round(n_samples / sample_rate * 2) + 1):
        pitch = modes * (1.0 if beat % 2 == 0 else 0.9)
        for delay, loud in ((0.0, 0.35), (0.009, 0.5), (0.018, 1.0)):
            blow = _ring(pitch, [0.006, 0.004, 0.002], [1.0, 0.8, 0.6], 0.05, sample_rate)
            _add(waveform, loud * blow, round((0.15 + beat * 0.5 + delay) * sample_rate))
    return waveform


def chainsaw(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """A chainsaw: one two-stroke cylinder, revved and let go, and the chain that scrapes.

    It fires once a turn: 70 times a second at rest, 200 (12,000 turns a minute) in the cut, where it is four times as
    loud; between them it needs a third of a second. Harmonics of the exhaust fall 5 dB an octave, lifted by the muffler
    around 0.5 and 1.6 kHz; each firing differs a little (8 % in strength). The chain scrapes from 2 to 8 kHz.
    """
    throttle = 1 / (1 + np.exp(-6 * _wander(generator, sample_rate, n_samples, 0.5)))
    firing_hz = 70 + 130 * throttle + 1.5 * _wander(generator, sample_rate, n_samples, 20)
    phase = np.cumsum(firing_hz) / sample_rate
    engine = _voice(
        phase,
        firing_hz,
        sample_rate,
        lambda hz: (hz / 100) ** -0.8 * (1 + 1.5 * _hump(hz, 500, 200) + 1.5 * _hump(hz, 1_600, 500)),
        generator,
        top_hz=8_000,
    )
    strength = 1 + 0.08 * generator.standard_normal(int(phase[-1]) + 2)
    chain = _noise(generator, sample_rate, n_samples, lambda hz: _hump(hz, 3_500, 2_500))
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
    bells = [_ring(prime * ratios, decays, loud, 4.0, sample_rate) for prime in primes]
    for stroke in range(round(n_samples / sample_rate / 0.35) + 1):
        start = stroke * 0.35 + generator.uniform(0, 0.04)
        _add(waveform, generator.uniform(0.7, 1.0) * bells[stroke % 5], round(start * sample_rate))
    return _reverberate(generator, waveform, sample_rate, seconds=0.8, wet=0.5)


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
    hiss = _noise(generator, sample_rate, n_samples, lambda hz: (hz > 300) & (hz < 3_000))
    return keyed * (np.sin(angle) + 0.1 * np.sin(3 * angle)) + 0.01 * hiss


# --- animals -------------------------------------------------------------------------------------------------------


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
                _add(waveform, 10 ** (-singer / 4) * (0.7 + 0.1 * part) * pulse, round(start * sample_rate))
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
        tone = _voice(
            np.cumsum(hertz) / sample_rate,
            hertz,
            sample_rate,
            lambda hz: 0.15 * (hz / 1_000) ** -0.8 + _hump(hz, 1_500, 500) + 0.7 * _hump(hz, 4_400, 900),
            generator,
        )
        rough = 1 + 0.3 * _wander(generator, sample_rate, samples, 120)
        envelope = rough * np.minimum(1, share / 0.1) * np.minimum(1, (1 - share) / 0.25)
        _add(crow, tone * envelope, round(start * sample_rate))
    waveform = np.zeros(n_samples)
    for start in np.arange(0.5, n_samples / sample_rate, 8.0):
        _add(waveform, crow, round(start * sample_rate))
    air = _noise(generator, sample_rate, n_samples, lambda hz: 1 / np.sqrt(np.maximum(hz, 100)))
    return _reverberate(generator, waveform, sample_rate, seconds=0.15, wet=0.15) + 0.004 * air


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
        cry = _voice(
            np.cumsum(hertz) / sample_rate,
            hertz,
            sample_rate,
            lambda hz: (
                0.1 * (hz / 500) ** -1
                + _hump(hz, 1_100, 350)
                + 0.6 * _hump(hz, 3_200, 600)
                + 0.2 * _hump(hz, 5_400, 800)
            ),
            generator,
        )
        _add(waveform, cry * np.sin(np.pi * time) ** 0.4, round(start * sample_rate))
        gasp = _noise(generator, sample_rate, round(0.2 * sample_rate), lambda hz: _hump(hz, 2_500, 1_500))
        _add(waveform, 0.08 * cry.std() * gasp * np.hanning(len(gasp)), round((start + length + 0.1) * sample_rate))
        start += length + generator.uniform(0.35, 0.5)
    return _reverberate(generator, waveform, sample_rate, seconds=0.12, wet=0.15)


# --- noises --------------------------------------------------------------------------------------------------------


def white_noise(generator: np.random.Generator, sample_rate: int, n_samples: int) -> Waveform:
    """White noise: independent Gaussian samples, equal power in every hertz."""
    return generator.standard_normal(n_samples)


SYNTH: dict[str, Rule] = {
    rule.__name__: rule
    for rule in [
        rain, sea_waves, wind, thunder, crackling_fire, water_drops, clock_tick, chainsaw, church_bells, morse_code,
        crickets, rooster, crying_baby, white_noise,
    ]
}  # fmt: skip


# --- what the rules are made of ------------------------------------------------------------------------------------


def _noise(
    generator: np.random.Generator, sample_rate: int, n_samples: int, gain: Callable[[np.ndarray], np.ndarray]
) -> Waveform:
    """Gaussian noise with amplitude spectrum `gain(hz)` and standard deviation 1."""
    spectrum = np.fft.rfft(generator.standard_normal(n_samples))
    noise = np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n_samples, 1 / sample_rate)), n_samples)
    return noise / noise.std()


def _wander(generator: np.random.Generator, sample_rate: int, n_samples: int, hertz: float) -> Waveform:
    """A random curve of standard deviation 1 that changes no faster than about `hertz`."""
    whole = max(n_samples, round(4 / hertz * sample_rate))
    return _noise(generator, sample_rate, whole, lambda hz: (hz > 0) * np.exp(-((hz / hertz) ** 2)))[:n_samples]


def _voice(
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


def _hump(hertz: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-(((hertz - centre) / width) ** 2))


def _decay(n_samples: int, seconds: float, sample_rate: int) -> Waveform:
    return np.exp(-np.arange(n_samples) / (seconds * sample_rate))


def _ring(
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


def _poisson(generator: np.random.Generator, per_second: float, sample_rate: int, n_samples: int) -> list[int]:
    """Starts, in samples, of events that come independently of each other, `per_second` on average."""
    count = generator.poisson(per_second * n_samples / sample_rate)
    return sorted(int(start) for start in generator.integers(0, n_samples, count))


def _add(waveform: Waveform, event: Float[np.ndarray, " event"], start: int) -> None:
    """Add an event in place; what would fall behind the end is cut."""
    room = min(len(event), len(waveform) - start)
    if room > 0:
        waveform[start : start + room] += event[:room]


def _reverberate(
    generator: np.random.Generator, dry: Waveform, sample_rate: int, seconds: float, wet: float
) -> Waveform:
    """The dry sound and its echo in a room: convolution with noise that decays with `seconds` (amplitude to 1 / e)."""
    tail = generator.standard_normal(round(5 * seconds * sample_rate))
    tail *= _decay(len(tail), seconds, sample_rate)
    size = len(dry) + len(tail)
    echo = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    return dry + wet * dry.std() / max(echo.std(), 1e-12) * echo
