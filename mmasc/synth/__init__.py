"""Recordings by rule: `synthesise` makes one by name, `SYNTH` lists the names.

Each rule takes a generator, a rate and a length, so that the same seed gives the same waveform.
"""

import zlib
from collections.abc import Callable

import numpy as np

from mmasc.synth.animals import crickets, crying_baby, rooster
from mmasc.synth.nature import crackling_fire, rain, sea_waves, thunder, water_drops, white_noise, wind
from mmasc.synth.shapes import Waveform
from mmasc.synth.things import chainsaw, church_bells, clock_tick, morse_code

Rule = Callable[[np.random.Generator, int, int], Waveform]
_PEAK = 0.7  # of full scale, after the rule
_FADE_SECONDS = 0.01  # at both ends, so that no clip starts or stops with a click


def synthesise(name: str, sample_rate: int = 32_000, seconds: float = 5.0, seed: int = 0) -> Waveform:
    """A sound by its rule.

    Args:
        name: A key of `SYNTH`.
        sample_rate: Sample rate in Hz, 8,000 to 192,000; partials above half of it are left out.
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


SYNTH: dict[str, Rule] = {
    rule.__name__: rule
    for rule in [
        rain, sea_waves, wind, thunder, crackling_fire, water_drops, clock_tick, chainsaw, church_bells, morse_code,
        crickets, rooster, crying_baby, white_noise,
    ]
}  # fmt: skip
