"""Windows that sound like what a bundled encoder never heard: speech and music.

A direction in the space of `mini` and one in that of `mini-strict`, learned from speech and music under permissive
licences against what the encoders heard (examples/make_mini/mark_unlike.py). One window in a hundred of the heard kinds
is marked, of speech and music from other sources a quarter; noises, tones and other kinds that were not heard are not
told apart. That no window is marked is therefore no promise, many marked windows in a recording are a warning.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float
from safetensors.numpy import load

from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.windows.units import unit_as_normalizer

MARKED = ("mini", "mini-strict")
_FILE = "mini_unlike.safetensors"


def can_mark(encoder: str, window_seconds: float) -> bool:
    """Whether vectors of an encoder ("name" or "name:path") can be marked: a bundled one with its own window."""
    spec = spec_of(encoder)
    return encoder in MARKED and spec is not None and spec.window_seconds == window_seconds


def unlike_heard(encoder: str, vectors: Float[np.ndarray, "item dim"]) -> Bool[np.ndarray, " item"]:
    """Which windows sound like speech or music, which the encoder never heard.

    Args:
        encoder: One of `MARKED`.
        vectors: Its vectors, any length.
    """
    numbers = _numbers()[encoder].astype(np.float64)
    marked: np.ndarray = unit_as_normalizer(vectors) @ numbers[:-1] + numbers[-1] > 0
    return marked


@cache
def _numbers() -> dict[str, np.ndarray]:
    path = files("mmasc.encoders") / "weights" / _FILE
    try:
        return load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MmascError(f"cannot read {path} ({error}); install mmasc again") from error
