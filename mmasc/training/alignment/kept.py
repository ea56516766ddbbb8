"""What training keeps for later runs: arrays that are derived from sounds, and are made again if they are damaged.

NAME.kept             safetensors with a checksum behind it
NAME.safetensors      the same of earlier versions, without a checksum: good if names and shapes are
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from mmasc.errors import MmascError
from mmasc.storage.sealed import read_sealed, write_sealed
from mmasc.storage.tensors import load_arrays, record_of, to_bytes

# Sides of an array, None for any
Shape = tuple[int | None, ...]


def keep(place: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write arrays and a JSON-able record about them.

    Args:
        place: Path without an ending.
    """
    write_sealed(_sealed(place), to_bytes(arrays, about))


def kept(place: Path, shapes: Mapping[str, Shape]) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Arrays and the record about them; None where nothing is kept, or it is damaged.

    Args:
        place: Path without an ending.
        shapes: Shapes of the arrays that must be there, by name.
    """
    content = read_sealed(_sealed(place))
    try:
        if content is not None:
            arrays, about = load(content), record_of(content)
        else:
            arrays, about = load_arrays(place.with_name(f"{place.name}.safetensors"))
    except (MmascError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    fits = all(name in arrays and _is(arrays[name].shape, shape) for name, shape in shapes.items())
    return (arrays, about) if fits else None


def _sealed(place: Path) -> Path:
    return place.with_name(f"{place.name}.kept")


def _is(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(side in (None, own) for side, own in zip(wanted, shape, strict=True))
