"""Networks whose sizes a file's record states: absurd ones are refused before memory is asked for."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError

# Of the numbers among the sizes: more bands or channels than any front end has
_LARGEST_SIZE = 100_000
# What torch and Python raise on sizes of which no network can be made
UNBUILDABLE = (ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError, MemoryError)


@contextlib.contextmanager
def building(path: Path, name: str, sizes: Any) -> Iterator[None]:
    """Around building a network from a file; what does not hold together becomes one line.

    Args:
        path: File that is read, for the message.
        name: Name of the network, for the message.
        sizes: What the record says of its shape: numbers, texts, lists and mappings of them.
    Raises:
        MmascError: If a size is absurd, or no network can be built of them. KeyError and IndexError pass through.
    """
    try:
        require_small(sizes)
        with warnings.catch_warnings():
            # A layer of no channels is built with a warning alone
            warnings.filterwarnings("error", "Initializing zero-element tensors")
            yield
    except (TypeError, ValueError, AttributeError, RuntimeError, MemoryError, UserWarning) as error:
        reason = " ".join(str(error).split())[:150]
        raise MmascError(f"{path} describes no {name} that can be built ({reason}); get the file again") from error


@contextlib.contextmanager
def building_asked(what: str, sizes: Any) -> Iterator[None]:
    """Around building a network with sizes that a user asks for; what cannot be built becomes one line.

    Args:
        what: Beginning of the message, as "NAME cannot be made with ...".
        sizes: What was asked for: numbers, texts, lists and mappings of them.
    Raises:
        MmascError: If a size is absurd, or no network can be built of them.
    """
    try:
        require_small(sizes)
        yield
    except (*UNBUILDABLE, TypeError) as error:
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise MmascError(f"{what}: {reason}") from error


def require_small(value: Any) -> None:
    """Refuse sizes that no network has, before memory is asked for.

    Args:
        value: Numbers, texts, lists and mappings of them.
    Raises:
        ValueError: If a number is absurd.
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            require_small(one)
    elif isinstance(value, int | float) and not abs(value) <= _LARGEST_SIZE:
        raise ValueError(f"{str(value)[:40]} is too large for a size")
