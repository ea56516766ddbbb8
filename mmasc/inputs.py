"""What callers hand in: texts, counts and vectors of any container are taken, anything else is refused in one line.

Loads no torch, so that lists, NumPy arrays and pandas series are the same here without any of them being needed.
"""

import operator
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


def as_count(number: Any, name: str) -> int:
    """A whole number of 1 or more; integers of NumPy are taken, truth values and fractions are not.

    Raises:
        ValueError: If it is none.
    """
    try:
        if isinstance(number, bool | np.bool_):
            raise TypeError
        count = operator.index(number)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {_shown(number)}") from None
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}")
    return count


def as_vectors(vectors: Any) -> np.ndarray:
    """Vectors that are asked for as float32 `[item dim]`.

    Args:
        vectors: `[dim]` or `[item dim]` numbers; integers are taken.
    Raises:
        MmascError: If they have another shape, are not numbers, hold NaN or infinity, or one is zero.
    """
    try:
        array = np.asarray(vectors)
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
