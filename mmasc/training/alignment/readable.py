"""Sounds of a table one by one: what can be read, and what is said of the others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mmasc.errors import MmascError

Read = TypeVar("Read")


def read_each(
    paths: Sequence[Path],
    read: Callable[[Path], Read],
    strict: bool,
    progress: Callable[[int, int], None] | None = None,
    remark: Callable[[str], None] | None = None,
) -> dict[int, Read]:
    """What `read` gives for each file, by its place; files that cannot be read are left out, and that is said.

    Args:
        paths: Sounds.
        read: Raises `MmascError` where a file cannot be used.
        strict: A file that cannot be read is an error; otherwise it is left out.
        progress: Called with the number done and the total.
        remark: Called with the message about a file that was left out.
    Raises:
        MmascError: If one cannot be read and `strict`, or none can.
    """
    found: dict[int, Read] = {}
    for number, path in enumerate(paths):
        try:
            found[number] = read(path)
        except MmascError as error:
            if strict:
                raise
            if remark is not None:
                remark(f"left out: {error}")
        if progress is not None:
            progress(number + 1, len(paths))
    if not found:
        raise MmascError(f"none of the {len(paths)} sounds can be read; the first is {paths[0]}")
    return found
