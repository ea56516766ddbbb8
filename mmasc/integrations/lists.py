"""Inputs as other packages pass them: one or several, rows of several kinds → vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.audio.memory import is_one
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.integrations.items import KINDS, kind_of
from mmasc.integrations.sounds import sound_vectors
from mmasc.windows.units import unit_float32


def listed_inputs(inputs: Any) -> tuple[list[Any], bool]:
    """Inputs as a list, and whether it was a single one: a text, path, picture, or sound in memory."""
    inputs = inputs.tolist() if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OU" else inputs
    single = is_one(inputs) or isinstance(inputs, tuple | np.ndarray)
    single = single or any(hasattr(inputs, name) for name in ("convert", "get_all_samples"))
    return ([inputs] if single else list(inputs)), single


def vectors_of_each(encoder: Encoder, inputs: Sequence[Any]) -> Float[np.ndarray, "item dim"]:
    """Vectors of inputs that may be of several kinds, one by one: none depends on its neighbours.

    Raises:
        MmascError: If the space does not understand one, or a sound cannot be read.
    """
    rows = [_vectors(encoder, kind_of(one), [one])[0] for one in inputs]
    return np.stack(rows) if rows else np.zeros((0, encoder.spec.dim), np.float32)


def vectors_of_rows(encoder: Encoder, columns: Mapping[str, Sequence[Any]]) -> Float[np.ndarray, "item dim"]:
    """Vectors of rows whose columns are kinds of items; of several kinds it is the sum of their unit vectors.

    Raises:
        MmascError: If no column is of one of `KINDS`, or the space does not understand one.
    """
    parts = [_vectors(encoder, kind, columns[kind]) for kind in KINDS if kind in columns]
    if not parts:
        raise MmascError(f"{encoder.spec.name} reads {', '.join(KINDS[:2])} and {KINDS[2]}, got {', '.join(columns)}")
    return parts[0] if len(parts) == 1 else np.sum([unit_float32(part) for part in parts], axis=0)


def _vectors(encoder: Encoder, kind: str, items: Sequence[Any]) -> Float[np.ndarray, "item dim"]:
    if kind == "audio":
        return sound_vectors(encoder, items)
    return encoder.embed_text(list(items)) if kind == "text" else encoder.embed_image(list(items))
