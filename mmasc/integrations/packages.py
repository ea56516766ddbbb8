"""Packages that are extras of mmasc: where one is missing, its extra is named."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmasc.errors import MmascError


@contextmanager
def from_extra(extra: str, what: str) -> Iterator[None]:
    """Imports of packages of an extra stand in this block.

    Args:
        extra: Its name.
        what: What needs it, in the plural, for the message.
    Raises:
        MmascError: If one of them is not installed, or cannot be loaded.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MmascError(f"{error.name} is missing; {what} need it: pip install 'mmasc[{extra}]'") from error
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise MmascError(f"{what} need packages that do not load here ({reason}); install them again") from error
