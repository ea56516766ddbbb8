"""Checks of arguments: texts, counts and vectors in any container are accepted, anything else is refused in one line.

Loads no torch, so that lists, NumPy arrays and pandas series are the same here without any of them being needed.
"""

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmasc.errors import MmascError


def as_texts(texts: Any, what: str = "a text") -> tuple[str, ...]:
    """One or several texts as a tuple of them; None is none.

    Args:
        texts: A text, or a list, tuple, NumPy array, pandas series or generator of texts.
        what: What they are, for the message.
    Raises:
        ValueError: If anything in it is not a text.
    """
    if texts is None:
        return ()
    if isinstance(texts, str):
        return (str(texts),)
    if isinstance(texts, np.ndarray):
        texts = texts.reshape(-1).tolist() if texts.ndim <= 1 else texts.tolist()
    if isinstance(texts, bytes | bytearray | Mapping) or not isinstance(texts, Iterable):
        raise ValueError(f"{what} must be a text or a list of texts, got {type(texts).__name__}")
    several = tuple(texts)
    for number, text in enumerate(several, 1):
        if not isinstance(text, str):
            raise ValueError(f"{what} must be a text or a list of texts, item {number} is {_shown(text)}")
    return tuple(str(text) for text in several)


def as_count(number: Any, name: str, least: int = 1) -> int:
    """A whole number of `least` or more; integers of NumPy are taken, truth values and fractions are not.

    Raises:
        ValueError: If it is none.
    """
    try:
        if isinstance(number, bool | np.bool_):
            raise TypeError
        count = operator.index(number)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {_shown(number)}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    return count


def require_name(name: Any, what: str) -> None:
    """Refuse a name that nobody could give again: an empty one, or no text.

    Raises:
        MmascError: If it is one.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise MmascError(f"{what} must be a text that can be typed, got {name!r:.40}")


def as_paths(paths: Any) -> list[str | os.PathLike[str]]:
    """One path or several as a list of them; None is none. A text is one path, never its letters.

    Args:
        paths: A text or a `Path`, or a list, tuple, NumPy array, pandas series or generator of these.
    Raises:
        MmascError: If anything in it is not a path.
    """
    if paths is None:
        return []
    one = isinstance(paths, bytes | bytearray | Mapping) or not isinstance(paths, Iterable)
    several = [paths] if one or isinstance(paths, str | os.PathLike) else list(paths)
    for item in several:
        if not isinstance(item, str | os.PathLike):
            raise MmascError(f"a path must be a text or a pathlib.Path, got {type(item).__name__}")
    # NumPy's texts are taken for bytes by the system's calls
    return [str(item) if isinstance(item, str) else item for item in several]


def as_numbers(values: Any) -> np.ndarray:
    """Numbers of any container as an array of their own type; what the container says of them is not lost.

    Args:
        values: Lists, a NumPy array, a pandas series or table, a tensor of torch on any device and with gradients, or a
            series of rows of one length.
    Raises:
        ValueError: If rows have different lengths, or values are masked: what is under a mask is not known.
    """
    if hasattr(values, "detach"):  # bfloat16, which NumPy does not have, becomes float32
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() else values).numpy()
    if np.ma.is_masked(values):
        raise ValueError("values are masked: fill them or leave their rows out")
    array = np.asarray(values)
    if array.dtype == object and array.ndim == 1 and len(array) and all(np.ndim(row) == 1 for row in array):
        array = np.stack([as_numbers(row) for row in array])
    return array


def as_vectors(vectors: Any) -> np.ndarray:
    """Vectors that are asked for as float32 `[item dim]`.

    Args:
        vectors: `[dim]` or `[item dim]` numbers; integers are taken.
    Raises:
        MmascError: If they have another shape, are not numbers, hold NaN or infinity, or one is zero.
    """
    try:
        array = as_numbers(vectors)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"got {array.dtype}")
        with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
            array = np.atleast_2d(array.astype(np.float32))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise MmascError(f"vectors must be numbers, [dim] or [item, dim] ({reason})") from error
    if array.ndim != 2:
        raise MmascError(f"vectors must be [dim] or [item, dim], got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise MmascError("vectors that are asked for must be finite, got NaN or infinity")
    if array.size and not array.any(axis=1).all():
        raise MmascError("a vector that is asked for is zero and has no direction")
    return array


def check_picture(picture: Any) -> None:
    """Refuse what is neither a PIL image nor a uint8 array `[height, width, 3]`.

    Raises:
        ValueError: If it is neither; the message says what it is.
    """
    if isinstance(picture, np.ndarray):
        right = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0
        if not right:
            raise ValueError(f"a picture must be uint8 [height, width, 3], got {picture.dtype} {list(picture.shape)}")
    elif not (hasattr(picture, "convert") and hasattr(picture, "size")):
        raise ValueError(f"a picture must be a PIL image or a uint8 array [height, width, 3], got {_shown(picture)}")


def _shown(value: Any) -> str:
    return (
        f"{type(value).__name__} {str(value)[:40]!r}"
        if isinstance(value, int | float | bytes)
        else type(value).__name__
    )
