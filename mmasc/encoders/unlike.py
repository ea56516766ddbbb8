"""Windows that are unlike what a bundled encoder heard.

`mini` and `mini-strict` never heard speech or music. A direction in the space of each was learned from speech and music
under permissive licences against what they heard (examples/make_mini/mark_unlike.py). One window in a hundred of the
heard kinds is marked, of speech and music from other sources a quarter; noises, tones and other kinds that were not
heard are not told apart.

Of `base` and `base-strict` the windows that they learned from are kept, in the part of the vector that a tagger taught
(examples/make_base/mark_unlike.py). A window is marked if its fifth nearest of them is far: three in a hundred of new
recordings, a third of modems, sweeps and noises that nobody meets outside.

That no window is marked is therefore no promise, many marked windows in a recording are a warning.

Paper: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors" (the distance to the k-th nearest).
"""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float, Int8
from safetensors.numpy import load

from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.windows.units import unit_as_normalizer

_FILES = {
    "base": "base_unlike.safetensors",
    "base-strict": "base_unlike.safetensors",
    "mini": "mini_unlike.safetensors",
    "mini-strict": "mini_unlike.safetensors",
}
MARKED = tuple(_FILES)
_NEAREST = 5
_AT_ONCE = 2048  # vectors against all that are known: 50 MB


def can_mark(encoder: str, window_seconds: float) -> bool:
    """Whether vectors of an encoder ("name" or "name:path") can be marked: a bundled one with its own window."""
    spec = spec_of(encoder)
    return encoder in MARKED and spec is not None and spec.window_seconds == window_seconds


def unlike_heard(encoder: str, vectors: Float[np.ndarray, "item dim"]) -> Bool[np.ndarray, " item"]:
    """Which windows are unlike what the encoder heard.

    Args:
        encoder: One of `MARKED`.
        vectors: Its vectors, any length.
    """
    numbers = _numbers(_FILES[encoder])
    if encoder in numbers:
        half_space = numbers[encoder].astype(np.float64)
        marked: np.ndarray = unit_as_normalizer(vectors) @ half_space[:-1] + half_space[-1] > 0
        return marked
    known = numbers[f"{encoder}.known"]
    far: np.ndarray = nearness(vectors[:, -known.shape[1] :], known) < numbers[f"{encoder}.least"][0]
    return far


def nearness(
    vectors: Float[np.ndarray, "item dim"], known: Int8[np.ndarray, "known dim"]
) -> Float[np.ndarray, " item"]:
    """Cosine of vectors, of any length, with the fifth nearest of those that are known; float64."""
    unit = unit_as_normalizer(np.asarray(vectors, np.float64)).astype(np.float32)
    wide = known.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    found = np.empty(len(unit))
    for start in range(0, len(unit), _AT_ONCE):
        cosines = unit[start : start + _AT_ONCE] @ wide.T
        found[start : start + _AT_ONCE] = np.partition(cosines, -_NEAREST, axis=1)[:, -_NEAREST]
    return found


@cache
def _numbers(name: str) -> dict[str, np.ndarray]:
    path = files("mmasc.encoders") / "weights" / name
    try:
        return load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MmascError(f"cannot read {path} ({error}); install mmasc again") from error
