"""Sounds as other packages represent them (`mmasc.audio.forms.as_sound`) → one vector for each."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmasc.audio.forms import as_sound
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_files
from mmasc.errors import MmascError


def sound_vectors(
    encoder: Encoder, sounds: Iterable[Any], sample_rate: int | None = None
) -> Float32[np.ndarray, "sound dim"]:
    """One vector for each sound: the mean of its windows' vectors, weighted by time, as collections have it.

    Args:
        encoder: A loaded encoder.
        sounds: In any form of `as_sound`.
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


def listed_sounds(sounds: Any) -> list[Any]:
    """Sounds of a list, a series, an array or its single column; rows of samples `[sound time]` are sounds.

    Raises:
        ValueError: If it is a text, which is one sound.
    """
    if isinstance(sounds, str | bytes):
        raise ValueError("X must be a list of sounds, got one")
    if not hasattr(sounds, "__array__"):
        return list(sounds)
    array = np.asarray(sounds)
    return list(array[:, 0] if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "OUT" else array)
