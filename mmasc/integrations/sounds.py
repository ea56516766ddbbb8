"""Sounds as other packages hand them around → one vector for each.

A sound is a path, the bytes of a file, samples with their rate as a pair or as a mapping (`array`, `sampling_rate`), or
a decoder of torchcodec, as the package datasets gives them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmasc.audio.arrays import array_sound
from mmasc.audio.memory import MemorySound, as_source
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_files
from mmasc.errors import MmascError


def sound_vectors(
    encoder: Encoder, sounds: Iterable[Any], sample_rate: int | None = None
) -> Float32[np.ndarray, "sound dim"]:
    """One vector for each sound: the mean of its windows' vectors, weighted by time, as collections have it.

    Args:
        encoder: A loaded encoder.
        sounds: Any of those that the module names.
        sample_rate: Rate in Hz of samples that come without one.
    Raises:
        MmascError: If a file cannot be read, or samples have no rate.
        ValueError: If the shape, type or rate of samples is wrong.
    """
    rows = []
    for one in embed_files((as_sound(sound, sample_rate) for sound in sounds), encoder):
        if one.status.state == "failed":
            raise MmascError(one.status.reason)
        rows.append(one.vector.astype(np.float32))
    return np.stack(rows) if rows else np.zeros((0, encoder.spec.dim), np.float32)


def as_sound(sound: Any, sample_rate: int | None = None) -> Path | MemorySound:
    """A sound as mmasc reads it; arguments and errors as for `sound_vectors`."""
    if callable(getattr(sound, "get_all_samples", None)):
        decoded = sound.get_all_samples()
        return array_sound(decoded.data, decoded.sample_rate)
    if isinstance(sound, Mapping):
        if "array" in sound:
            return array_sound(sound["array"], sound["sampling_rate"])
        return as_source(sound["bytes"] if sound.get("bytes") is not None else sound["path"])
    if isinstance(sound, tuple) and len(sound) == 2:
        return array_sound(*sound)
    if isinstance(sound, list) or (hasattr(sound, "__array__") and not isinstance(sound, str)):
        if sample_rate is None:
            raise MmascError("samples have no rate: give them with it, as (samples, rate)")
        return array_sound(sound, sample_rate)
    return as_source(sound)
