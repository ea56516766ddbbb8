"""Sounds as other packages represent them (arrays, mappings, decoders) → a path, or a sound file in memory.

A sound is a path, the bytes of a file, samples with their rate as a pair or as a mapping (`array`, `sampling_rate`), or
a decoder of torchcodec, as the package datasets gives them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmasc.audio.arrays import array_sound
from mmasc.audio.memory import MemorySound, as_source
from mmasc.errors import MmascError


def as_sound(sound: Any, sample_rate: int | None = None) -> Path | MemorySound:
    """A sound as mmasc reads it.

    Args:
        sound: Any of those that the module names. Of a mapping of the package datasets, `array` counts, else `bytes`,
            else `path`.
        sample_rate: Rate in Hz of samples that come without one.
    Raises:
        MmascError: If samples have no rate, a mapping holds no sound, or a decoder cannot decode.
        ValueError: If the shape, type or rate of samples is wrong.
    """
    if callable(getattr(sound, "get_all_samples", None)):
        return _decoded(sound)
    if isinstance(sound, Mapping):
        return _mapped(sound, sample_rate)
    if isinstance(sound, tuple) and len(sound) == 2:
        return array_sound(*sound)
    if isinstance(sound, list) or (hasattr(sound, "__array__") and not isinstance(sound, str)):
        return _sampled(sound, sample_rate)
    return as_source(sound)


def _decoded(decoder: Any) -> MemorySound:
    try:
        found = decoder.get_all_samples()
    except RuntimeError as error:  # what torchcodec raises, over many lines
        reason = " ".join(str(error).split())[:120]
        raise MmascError(f"a decoder of sound fails ({reason}); check the file that it reads") from error
    return array_sound(found.data, found.sample_rate)


def _mapped(sound: Mapping[str, Any], sample_rate: int | None) -> Path | MemorySound:
    if sound.get("array") is not None:
        rate = sound.get("sampling_rate")
        return _sampled(sound["array"], sample_rate if rate is None else rate)
    for key in ("bytes", "path"):
        if sound.get(key) is not None:
            return as_source(sound[key])
    held = ", ".join(str(key) for key in sound) or "nothing"
    raise MmascError(f"a mapping must hold a sound as array and sampling_rate, as bytes, or as path; it holds {held}")


def _sampled(samples: Any, sample_rate: Any) -> MemorySound:
    if sample_rate is None:
        raise MmascError("samples have no rate: give them with it, as (samples, rate)")
    return array_sound(samples, sample_rate)
